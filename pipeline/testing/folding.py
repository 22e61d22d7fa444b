"""The fold in this process, without a broker: what the worker would make of chunks.

Owns how things become lines, with a place and an append time if one is told, and what came out. Imports
`pipeline.ops.fold`, pricing and settings, when they are needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipeline.testing.chunk import SENT, encoded
from pipeline.testing.stream import Stream, delivered

if TYPE_CHECKING:
    from pipeline.settings import Settings

Record = dict[str, Any]
"""A record as a JSON document."""
Thing = Stream | Mapping[str, Any] | bytes
"""What can be sent or folded: a stream, a chunk, the bytes of a value."""

START: Final = int(SENT.timestamp() * 1_000)
"""Append time 0, in ms since the epoch."""


@dataclass(frozen=True)
class Appended:
    """Things that Kafka got at a time; made by `appended`."""

    things: tuple[Thing, ...]
    at: int


@dataclass(frozen=True)
class Folded:
    """What came out of a fold.

    Attributes:
        records: In the order in which they arose.
        dead_letters: What was refused: reason, detail, request_id, source, value.
        values: Bytes of the records.
    """

    records: list[Record]
    dead_letters: list[Record]
    values: list[bytes]

    @property
    def record(self) -> Record:
        """The record of the only request, its latest revision.

        Raises:
            AssertionError: there is none, or there are several requests; it says what there is instead.
        """
        if len({each["request_id"] for each in self.records}) == 1:
            return self.records[-1]
        raise AssertionError(f"no single request: {self}")

    def of(self, request_id: str) -> Record:
        """The latest record of a request.

        Raises:
            AssertionError: there is none; it says what there is instead.
        """
        found = [each for each in self.records if each["request_id"] == request_id]
        if not found:
            raise AssertionError(f"no record of {request_id}: {self}")
        return found[-1]

    def __str__(self) -> str:
        """Both kinds in a line, without content."""
        told = [f"{each['request_id']} ({each['status']}, revision {each['revision']})" for each in self.records]
        refused = [f"{each['reason']} ({each['detail']})" for each in self.dead_letters]
        return f"records {', '.join(told) or 'none'}; dead letters {', '.join(refused) or 'none'}"


def appended(*things: Thing, at: float) -> Appended:
    """Things that come to Kafka at a time, so that time passes for the fold: graces end, silence expires.

    Args:
        things: Streams, chunks or values.
        at: Seconds of append time, counted from any moment; it may not go back between the arguments of one `fold`.
    """
    return Appended(things, round(at * 1_000))


def fold(*things: Thing | Appended, settings: Settings | None = None, keep_open: bool = False) -> Folded:
    """Fold chunks as the worker would: same admission, closing rules, prices, records.

    >>> from pipeline.testing import chat, fold
    >>> fold(chat("r-7").text("Hel", "lo").finish()).record["output_message"]["content"]
    'Hello'

    Args:
        things: Streams, chunks or values; those inside of `appended` at their time. All lie in one partition.
        settings: Of the ledger; None: the defaults.
        keep_open: Leave open what is not closed when the last thing has come, instead of closing it as the end of
            input does.
    """
    from pipeline.settings import Settings  # noqa: PLC0415 (builders alone need none of these)

    return folded(_lines(things), settings or Settings(), keep_open=keep_open)


def folded(lines: Iterable[bytes], settings: Settings, *, keep_open: bool = False) -> Folded:
    """Fold lines of `streamledger fold`."""
    from pipeline.ops.fold import fold_lines  # noqa: PLC0415 (as above)
    from pipeline.pricing import valuation  # noqa: PLC0415

    result = Folded([], [], [])
    for each in fold_lines(lines, settings.policy(), valuation(settings), keep_open=keep_open):
        if isinstance(each, bytes):
            result.records.append(json.loads(each))
            result.values.append(each)
        else:
            result.dead_letters.append(json.loads(each.line()))
    return result


def _lines(things: Iterable[Thing | Appended]) -> Iterator[bytes]:
    """Lines, with a place of one partition where a time is told."""
    offset = 0
    for thing in things:
        if not isinstance(thing, Appended):
            yield from map(value, delivered([thing]))
            continue
        for each in delivered(thing.things):
            yield placed(value(each), ("llm.chunks", 0, offset, START + thing.at))
            offset += 1


def value(thing: Mapping[str, Any] | bytes) -> bytes:
    """A chunk as it lies on the topic."""
    return thing if isinstance(thing, bytes) else encoded(thing)


def placed(chunk: bytes, place: tuple[str, int, int, int]) -> bytes:
    """A chunk with the place that it has in a topic: name, partition, offset, append time in ms.

    What is no JSON object becomes a line that is refused in its place, as `invalid` whatever the worker calls it.
    """
    names = ("topic", "partition", "offset", "timestamp")
    told = json.dumps({"_kafka": dict(zip(names, place, strict=True))}).encode()
    body = chunk.rstrip().removesuffix(b"}")
    return told if body == chunk.rstrip() else (body + b", " if body.strip() != b"{" else body) + told[1:]
