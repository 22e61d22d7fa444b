"""What a record tells the live views: the few fields that they show, read from its bytes or out of its JSON.

Owns the way from a Kafka record to them. Content is skipped unread (G7). Imports msgspec and the shapes of the views.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

import msgspec

from pipeline.ops.live.keep import LABELS, NAME
from pipeline.ops.live.view import Box, Gap
from schemas.record.status import ClosedBy


class Key(NamedTuple):
    """A request as the worker knows it: one id on two partitions is two requests."""

    partition: int
    request_id: str


@dataclass(frozen=True, slots=True)
class Told:
    """One record.

    Attributes:
        key: Of its request.
        at: Append time of the record, ms since the epoch.
        chunks, duplicates: As it counts them: distinct chunks, and dropped repeats.
        missing: Indexes that have not come.
        late: Late chunks made it.
        first_offset, last_offset: Of its chunks; -1 where it does not say.
    """

    key: Key
    at: int
    box: Box
    stream_type: str
    provider: str | None
    model: str | None
    labels: Mapping[str, str]
    chunks: int
    duplicates: int
    missing: tuple[Gap, ...]
    late: bool
    first_offset: int
    last_offset: int

    def supersedes(self, other: Told | None) -> bool:
        """Whether it stands in the place of another record of its request; a repeat of a revision does not."""
        return other is None or self.box.revision > other.box.revision


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Details(msgspec.Struct):
    total: str | None = None
    reason: str | None = None


class _Attempt(msgspec.Struct):
    number: int
    status: str
    finish_reason: str | None = None


class _Source(msgspec.Struct):
    first_offset: int | None = None
    last_offset: int | None = None


class _Record(msgspec.Struct):
    """The fields of AccumulatedData that are shown."""

    request_id: str
    record_id: str
    revision: int
    stream_type: str
    provider: str | None
    model: str | None
    status: Literal["success", "error", "incomplete"]
    closed_by: str
    complete: bool
    latency: int
    time_to_first_token: int | None
    finish_reason: str | None
    token_usage: _Usage | None
    cost: float | None
    cost_details: _Details | None
    missing_indexes: list[list[int]]
    chunk_count: int
    duplicate_count: int
    attempts: list[_Attempt] | None
    source: _Source
    labels: dict[str, str]


_decode: Final[Any] = msgspec.json.Decoder(_Record).decode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError)


def told_by(record: Any, partition: int) -> Told | None:
    """Read a message of the record topic; None for one that is no record."""
    try:
        read: _Record = _decode(record.value or b"")
        box = _box(read, record.offset)
    except _UNREADABLE:
        return None
    first, last = read.source.first_offset, read.source.last_offset
    return Told(
        key=Key(partition, read.request_id),
        at=record.timestamp,
        box=box,
        stream_type=read.stream_type[:NAME],
        provider=short(read.provider),
        model=short(read.model),
        labels=dict(list(read.labels.items())[:LABELS]),
        chunks=read.chunk_count,
        duplicates=read.duplicate_count,
        missing=_missing(read),
        late=read.closed_by == ClosedBy.LATE,
        first_offset=-1 if first is None else first,
        last_offset=-1 if last is None else last,
    )


def box_of(record: Mapping[str, Any], offset: int) -> Box | None:
    """The box of a record that was read as JSON and lies at `offset` of its topic; None where it is no record."""
    try:
        return _box(msgspec.convert(record, _Record), offset)
    except _UNREADABLE:
        return None


def _box(read: _Record, offset: int) -> Box:
    cost = _cost(read)
    usage, details = read.token_usage or _Usage(), read.cost_details or _Details()
    return Box(
        record_id=read.record_id[:NAME],
        revision=read.revision,
        status=read.status,
        closed_by=read.closed_by[:NAME],
        complete=read.complete,
        finish_reason=short(read.finish_reason),
        tokens_in=usage.prompt_tokens,
        tokens_out=usage.completion_tokens,
        cost=cost,
        unpriced_reason=short(details.reason) if cost is None else None,
        latency_ms=read.latency,
        first_token_ms=read.time_to_first_token,
        offset=offset,
    )


def short(name: str | None) -> str | None:
    """A name at a length that can be shown."""
    return name if name is None or len(name) <= NAME else f"{name[: NAME - 1]}…"


def _cost(read: _Record) -> Decimal | None:
    """USD to the last digit; the details have it exactly, the number may be rounded."""
    if read.cost is None:
        return None
    total = read.cost_details.total if read.cost_details is not None else None
    cost = Decimal(total if total is not None else repr(read.cost))
    if not cost.is_finite():
        raise ArithmeticError
    return cost


def _missing(read: _Record) -> tuple[Gap, ...]:
    """missing_indexes of the attempt whose output the record shows (CONTRACT §2): [first, last], images with theirs."""
    shown = 0
    if read.attempts:
        telling = [each for each in read.attempts if each.finish_reason is not None]
        shown = max(each.number for each in telling or read.attempts)
    return tuple(
        Gap(shown, found[-2], found[-1], found[0] if len(found) == 3 else None)
        for found in read.missing_indexes[:NAME]
        if len(found) in (2, 3)
    )
