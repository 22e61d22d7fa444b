"""What a record claims: the few fields that a reconciliation holds against something else, small enough to be kept.

Owns the way from a record's bytes to them, its digest included.  Imports names of `schemas` and this room.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.ops.reconcile.chunk import table
from pipeline.ops.reconcile.envelope import moment
from pipeline.ops.reconcile.price import Check, Prices
from pipeline.ops.reconcile.usage import NO_USAGE, Usage, count
from schemas.record import NOT_CANONICAL

INTERNAL: Final = "internal"
ESTIMATED: Final = "estimated"
METADATA: Final = "capture"

_LINE_ENDS: Final = tuple((end.encode(), f"\\u{ord(end):04x}".encode()) for end in "\x85\u2028\u2029")


class Part(NamedTuple):
    """One attempt, as the record lists it."""

    number: int
    usage: Usage
    cost: str | None


class Claim(msgspec.Struct, array_like=True, frozen=True):
    """A record.

    Attributes:
        partition, offset: where on the record topic it stands.
        appended: when, in ms.
        wrong: what of it contradicts itself: its key, its digest.
        usage, cost: exact; the delta to the revision before, too.
        price: what a computation of its list price gave.
        started: start_timestamp in µs.
        first, last: offsets of its chunks.
        omitted: content was not all there when repeats were compared.
    """

    request_id: str
    revision: int
    record_id: str
    supersedes: str | None
    partition: int
    offset: int
    appended: int
    wrong: list[str]
    stream_type: str
    provider: str | None
    model: str | None
    labels: dict[str, str]
    status: str
    finish: str | None
    closed_by: str
    complete: bool
    started: int | None
    usage: Usage
    usage_source: str | None
    cost: str | None
    cost_source: str | None
    cost_reason: str | None
    price: Check
    attempts: list[Part]
    chunks: int
    repeats: int
    conflicts: int
    missing: int
    topic: str | None
    source: int | None
    first: int | None
    last: int | None
    delta_cost: str | None
    delta_usage: Usage
    omitted: bool
    internal: bool
    response_id: str | None
    digest: str

    @property
    def amount(self) -> Decimal | None:
        """USD."""
        return None if self.cost is None else Decimal(self.cost)

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.usage.total or (self.usage.prompt or 0) + (self.usage.completion or 0)


class Unreadable(ValueError):
    """A value on the record topic that is no record."""


class Place(NamedTuple):
    """Where a value of the record topic stands; `appended` in ms."""

    partition: int
    offset: int
    appended: int


def claim_of(key: bytes | None, value: bytes | None, place: Place, prices: Prices) -> Claim:
    """Read a record.

    Raises:
        Unreadable: it is none.
    """
    try:
        record = json.loads(value or b"")
        return _claim(record, key, value or b"", place, prices)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError, RecursionError):
        raise Unreadable from None


def _claim(record: Mapping[str, Any], key: bytes | None, value: bytes, place: Place, prices: Prices) -> Claim:
    details, source, delta = (record[name] or {} for name in ("cost_details", "source", "delta"))
    wrong = [] if key == record["request_id"].encode() else ["key"]
    if record["digest"] != digest_of(value):
        wrong.append("digest")
    error = table(table(record["error_details"]).get("error"))
    usage = usage_in(record["token_usage"])
    return Claim(
        request_id=record["request_id"],
        revision=int(record["revision"]),
        record_id=record["record_id"],
        supersedes=record["supersedes"],
        partition=place.partition,
        offset=place.offset,
        appended=place.appended,
        wrong=wrong,
        stream_type=record["stream_type"],
        provider=record["provider"],
        model=record["model"],
        labels=record["labels"],
        status=record["status"],
        finish=record["finish_reason"],
        closed_by=record["closed_by"],
        complete=record["complete"],
        started=moment(record["start_timestamp"]),
        usage=usage,
        usage_source=record["usage_source"],
        cost=exact(record["cost"], details.get("total")),
        cost_source=details.get("source"),
        cost_reason=details.get("reason"),
        price=prices.check(record),
        attempts=[_part(each) for each in record["attempts"] or ()],
        chunks=int(record["chunk_count"]),
        repeats=int(record["duplicate_count"]),
        conflicts=int(record["conflict_count"]),
        missing=sum(gap[-1] - gap[-2] + 1 for gap in record["missing_indexes"]),
        topic=source.get("topic"),
        source=source.get("partition"),
        first=source.get("first_offset"),
        last=source.get("last_offset"),
        delta_cost=exact(delta.get("cost"), None),
        delta_usage=_change(delta.get("token_usage")),
        omitted=record["truncated"] or record["content_omitted"] == METADATA,
        internal=error.get("type") == INTERNAL,
        response_id=table(record["origin"]).get("response_id"),
        digest=record["digest"],
    )


def exact(number: float | None, text: str | None) -> str | None:
    """An amount as decimal text: the exact one where it is told."""
    if number is None:
        return None
    return repr(number) if text is None else text


def _part(attempt: Mapping[str, Any]) -> Part:
    return Part(attempt["number"], usage_in(attempt["token_usage"]), exact(attempt["cost"], None))


def usage_in(usage: Mapping[str, Any] | None) -> Usage:
    """The usage of a record, which is in its own convention."""
    if usage is None:
        return NO_USAGE
    inputs, outputs = (table(usage.get(f"{side}_tokens_details")) for side in ("prompt", "completion"))
    return Usage(
        count(usage.get("prompt_tokens")),
        count(usage.get("completion_tokens")),
        count(usage.get("total_tokens")),
        count(inputs.get("cached_read_tokens")),
        count(inputs.get("cached_write_tokens")),
        count(outputs.get("reasoning_tokens")),
    )


def _change(usage: Mapping[str, Any] | None) -> Usage:
    """Three signed numbers of a delta."""
    return Usage(*((usage or {}).get(f"{side}_tokens") for side in ("prompt", "completion", "total")))


def digest_of(value: bytes) -> str:
    """SHA-256 of the canonical record (CONTRACT §2), made from its bytes."""
    record = msgspec.json.decode(value)
    text = msgspec.json.encode({name: record[name] for name in record if name not in NOT_CANONICAL})
    if not text.isascii():
        for character, escape in _LINE_ENDS:
            text = text.replace(character, escape)
    return sha256(text).hexdigest()
