"""Offline fold: chunk JSON lines in, AccumulatedData JSON lines out, by the same core as the worker (CONTRACT §4, §6).

Lines with `_kafka` run the live clock of their partition; without it no time passes.  Owns lines and outputs, no rule.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import msgspec

from pipeline.core.finish import REBUILT
from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rows import DeadLetter, MemoryRows, SourceRecord
from pipeline.core.valuation import UNVALUED, Valuation
from pipeline.errors import FOUND_PROBLEM, OK, ProducerFault
from pipeline.pricing import valuation
from schemas.deadletter import DeadLetter as LetterLine
from schemas.deadletter import DeadLetterReason, DeadLetterSource
from schemas.decode import INVALID

if TYPE_CHECKING:
    from pipeline.settings import Settings

CHECKPOINT_CHUNKS: Final = 50_000
"""Chunks between two checkpoints into memory: what is closed and past its revise window is given up there."""

Result = bytes | LetterLine
"""A record, or a dead letter."""

_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Place(msgspec.Struct):
    """`_kafka` of a line: where the chunk stood in a topic; timestamp is the append time in ms."""

    topic: str
    partition: _Count
    offset: _Count
    timestamp: _Count


class _Line(msgspec.Struct):
    place: _Place | None = msgspec.field(default=None, name="_kafka")
    request_id: Any = None


_read_line: Final = msgspec.json.Decoder(_Line).decode

_NAME: Final = b'"_kafka"'
_LAST: Final = re.compile(rb'"_kafka"\s*:\s*\{[^{}]*\}\s*\}')
_FIRST: Final = re.compile(rb'"_kafka"\s*:\s*\{[^{}]*\}\s*,\s*')
"""The place at the end of a line, and at its beginning."""


class OfflineFold:
    """Folds lines; one working set for each partition that they name, one for the lines that name none."""

    def __init__(self, policy: Policy, valuation: Valuation = UNVALUED) -> None:
        """Start without a partition."""
        self._policy, self._valuation = policy, valuation
        self._partitions: dict[tuple[str, int], tuple[Partition, MemoryRows]] = {}

    def take(self, line: bytes, number: int) -> Iterator[Result]:
        """Fold one line of the input, the `number`th counted from 1; what came out of it."""
        source = DeadLetterSource(line=number)
        try:
            request_id, place = _address(line)
            if place is not None:
                source = DeadLetterSource(**msgspec.structs.asdict(place))
            where, record = _placed(line, number, request_id, place)
            partition, rows = self._partition(*where)
            if record.offset < partition.position:
                raise ProducerFault(INVALID, "_kafka: offsets of a partition must rise", request_id=request_id)
        except ProducerFault as wrong:
            reason = DeadLetterReason(wrong.reason)
            yield LetterLine.of(reason, wrong.detail, request_id=wrong.request_id, source=source, value=_chunk(line))
            return
        partition.apply([record], record.offset + 1)
        partition.expire(partition.clock)
        yield from _drain(partition)
        if partition.pending >= CHECKPOINT_CHUNKS:
            _checkpoint(partition, rows)

    def end(self) -> Iterator[Result]:
        """End of input: close all that is open."""
        for partition, _ in self._partitions.values():
            partition.close_now()
            yield from _drain(partition)

    def _partition(self, topic: str, number: int) -> tuple[Partition, MemoryRows]:
        place = topic, number
        if place not in self._partitions:
            rows = MemoryRows()
            self._partitions[place] = Partition(self._policy, rows, topic, number, valuation=self._valuation), rows
        return self._partitions[place]


def located(line: bytes, number: int) -> tuple[tuple[str, int], SourceRecord, Any]:
    """Where a line, the `number`th counted from 1, stood: partition, source record, and the request id in it.

    Raises:
        ProducerFault: `_kafka` is no place.
    """
    request_id, place = _address(line)
    return *_placed(line, number, request_id, place), request_id


def _placed(line: bytes, number: int, request_id: Any, place: _Place | None) -> tuple[tuple[str, int], SourceRecord]:
    key = request_id.encode(errors="replace") if isinstance(request_id, str) else None
    if place is None:
        return ("", 0), SourceRecord(key, line, number, 0)
    return (place.topic, place.partition), SourceRecord(key, _chunk(line), place.offset, place.timestamp)


def _address(line: bytes) -> tuple[Any, _Place | None]:
    """Request id and place of a line; of a line that cannot be read neither, the fold will say why.

    Raises:
        ProducerFault: `_kafka` is no place.
    """
    try:
        read = _read_line(line)
        return read.request_id, read.place
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):  # half a character the fold takes
        document = _document(line)
    request_id, place = document.get("request_id"), document.get("_kafka")
    if place is None:
        return request_id, None
    try:
        return request_id, msgspec.convert(place, _Place)
    except msgspec.ValidationError:
        detail = "_kafka: not {topic, partition, offset, timestamp}"
        raise ProducerFault(INVALID, detail, request_id=request_id if isinstance(request_id, str) else None) from None


def _document(value: bytes) -> dict[str, Any]:
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _chunk(line: bytes) -> bytes:
    """A line as the chunk that lay on the topic: without its place, whose bytes no limit may count (G3).

    Exact where the place stands first or last; from between other fields it is taken by writing the line anew.
    """
    at = line.rfind(_NAME)
    if at < 0:
        return line
    before = line[:at].rstrip()
    if before.endswith(b",") and _LAST.fullmatch(line, at):
        return before[:-1] + b"}"
    if before == b"{" and (found := _FIRST.match(line, at)):
        return b"{" + line[found.end() :]
    document = _document(line)
    if document.pop("_kafka", None) is None:
        return line
    return json.dumps(document).encode()


def _checkpoint(partition: Partition, rows: MemoryRows) -> None:
    snapshot = partition.snapshot()
    if snapshot is not None:
        rows.write(snapshot)
        partition.settled()


def _drain(partition: Partition) -> Iterator[Result]:
    for request_id in list(partition.closing):
        partition.finalize(request_id)
    records, dead = partition.take_output()
    yield from (record.value for record in records if record.value is not None)
    for letter in dead:
        yield _letter(letter, partition)


def _letter(letter: DeadLetter, partition: Partition) -> LetterLine:
    """A dead letter of the working set as `fold` prints it (CONTRACT §6)."""
    if partition.topic:
        source = DeadLetterSource(topic=partition.topic, partition=partition.partition, offset=letter.offset)
        if letter.detail != REBUILT:
            source = source.model_copy(update={"timestamp": letter.timestamp})
    else:
        source = DeadLetterSource(line=letter.offset)
    return LetterLine.of(
        DeadLetterReason(letter.reason),
        letter.detail,
        request_id=None if letter.key is None else letter.key.decode(errors="replace"),
        source=source,
        value=letter.value or b"",
    )


def fold_lines(
    lines: Iterable[bytes], policy: Policy, valuation: Valuation = UNVALUED, *, keep_open: bool = False
) -> Iterator[Result]:
    """Fold chunk JSON lines; records as bytes and dead letters, in the order in which they arise."""
    fold = OfflineFold(policy, valuation)
    for number, line in enumerate(lines, 1):
        if stripped := line.strip():
            yield from fold.take(stripped, number)
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
    for result in fold_lines(file, settings.policy(), valuation(settings), keep_open=keep_open):
        if isinstance(result, LetterLine):
            refused = True
            dead_letters.write(result.line())
        else:
            records.write(result + b"\n")
    records.flush()
    dead_letters.flush()
    return FOUND_PROBLEM if refused else OK
