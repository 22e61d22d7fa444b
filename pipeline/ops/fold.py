"""Offline fold: chunk JSON lines in, AccumulatedData JSON lines out, by the same core as the worker (CONTRACT §4, §6).

Lines with `_kafka` run the live clock of their partition; without it no time passes.  Owns lines and outputs, no rule.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgspec

from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rows import DeadLetter, MemoryRows, SourceRecord
from pipeline.errors import FOUND_PROBLEM, OK

if TYPE_CHECKING:
    from pipeline.settings import Settings

CHECKPOINT_CHUNKS: Final = 50_000
"""Chunks between two checkpoints into memory: what is closed and past its revise window is given up there."""


class _Place(msgspec.Struct):
    """`_kafka` of a line: where the chunk stood in a topic; timestamp is the append time in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int


class _Line(msgspec.Struct):
    place: _Place | None = msgspec.field(default=None, name="_kafka")
    request_id: Any = None


_read_line: Final = msgspec.json.Decoder(_Line).decode


class OfflineFold:
    """Folds lines; one working set for each partition that they name, one for the lines that name none."""

    def __init__(self, policy: Policy) -> None:
        """Start without a partition."""
        self._policy = policy
        self._partitions: dict[tuple[str, int], tuple[Partition, MemoryRows]] = {}
        self._number = 0

    def take(self, line: bytes) -> Iterator[bytes | DeadLetter]:
        """Fold one line; what came out of it, records as bytes."""
        place, record = self._source(line)
        partition, rows = self._partition(place)
        partition.apply([record], record.offset + 1)
        partition.expire(partition.clock)
        yield from _drain(partition)
        if partition.pending >= CHECKPOINT_CHUNKS:
            snapshot = partition.snapshot()
            if snapshot is not None:
                rows.write(snapshot)
                partition.settled()

    def end(self) -> Iterator[bytes | DeadLetter]:
        """End of input: close all that is open."""
        for partition, _ in self._partitions.values():
            partition.close_now()
            yield from _drain(partition)

    def _partition(self, place: tuple[str, int]) -> tuple[Partition, MemoryRows]:
        if place not in self._partitions:
            rows = MemoryRows()
            self._partitions[place] = Partition(self._policy, rows, *place), rows
        return self._partitions[place]

    def _source(self, line: bytes) -> tuple[tuple[str, int], SourceRecord]:
        self._number += 1
        try:
            read = _read_line(line)
            request_id, place = read.request_id, read.place
        except (msgspec.MsgspecError, RecursionError):
            request_id, place = _loosely(line)
        key = request_id.encode(errors="replace") if isinstance(request_id, str) else None
        if place is None:
            return ("", 0), SourceRecord(key, line, self._number, 0)
        return (place.topic, place.partition), SourceRecord(key, line, place.offset, place.timestamp)


def _loosely(line: bytes) -> tuple[Any, _Place | None]:
    """Request id and place of a line that the strict reader refuses: a lone surrogate, or no JSON at all."""
    try:
        document = json.loads(line)
        place = document.get("_kafka")
        return document.get("request_id"), None if place is None else msgspec.convert(place, _Place)
    except (ValueError, AttributeError, RecursionError, msgspec.ValidationError):
        return None, None


def _drain(partition: Partition) -> Iterator[bytes | DeadLetter]:
    for request_id in list(partition.closing):
        partition.finalize(request_id)
    records, dead = partition.take_output()
    yield from (record.value for record in records if record.value is not None)
    yield from dead


def dead_letter_line(letter: DeadLetter) -> bytes:
    """A dead letter as a JSON line {reason, detail, request_id, source, value}; value is the chunk, or its text."""
    text = (letter.value or b"").decode(errors="replace")
    value: Any
    place, request_id = None, None if letter.key is None else letter.key.decode(errors="replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, dict):
        place = value.pop("_kafka", None)
    document = {
        "reason": letter.reason,
        "detail": letter.detail,
        "request_id": request_id,
        "source": place,
        "value": value,
    }
    return json.dumps(document).encode() + b"\n"


def fold_lines(lines: Iterable[bytes], policy: Policy, *, keep_open: bool = False) -> Iterator[bytes | DeadLetter]:
    """Fold chunk JSON lines; records as bytes and dead letters, in the order in which they arise."""
    fold = OfflineFold(policy)
    for line in lines:
        if line.strip():
            yield from fold.take(line.strip())
    if not keep_open:
        yield from fold.end()


def run(
    file: Iterable[bytes], settings: Settings, *, records: BinaryIO, dead_letters: BinaryIO, keep_open: bool
) -> int:
    """Fold a file of chunk JSON lines.

    Returns:
        Exit status: 1 when a chunk was refused.
    """
    refused = False
    for result in fold_lines(file, settings.policy(), keep_open=keep_open):
        if isinstance(result, DeadLetter):
            refused = True
            dead_letters.write(dead_letter_line(result))
        else:
            records.write(result + b"\n")
    records.flush()
    dead_letters.flush()
    return FOUND_PROBLEM if refused else OK
