"""Which chunk of a closed request gave which value.

A value's chunk is found by the fold itself: each chunk is folded alone, and the one that the rule names (the highest or
lowest that has the value) is taken. Where that chunk alone does not give what the record says, `gives` is false and the
report says so instead of guessing. Imports the core.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from pipeline.core.facts import Attempt, attempt_of, labels, raw_request
from pipeline.core.record import end_of, shown_of
from pipeline.core.signs import SIGNS
from pipeline.ops.explain.contribution import alone
from pipeline.ops.explain.watch import Closing
from schemas.chunk import Chunk, StreamType

Json = dict[str, Any]


class Place(NamedTuple):
    """One chunk: its source offset (or line) and its identity."""

    offset: int
    attempt: int
    chunk_index: int
    image_index: int | None = None


class Origins:
    """The chunks behind the fields of one record.

    Attributes:
        attempts: as the fold made them; `shown` is the one whose output the record has.
    """

    def __init__(self, closing: Closing) -> None:
        """Take the attempts of a closing whose fold did not raise."""
        self.attempts = closing.attempts
        self.shown = shown_of(self.attempts)
        self._chunks = [chunk for _, chunk in closing.chunks]
        self._stream_type = closing.head.stream_type
        self._offsets = {id(chunk): offset for offset, chunk in closing.chunks}
        self._numbers = {id(chunk): attempt.number for attempt in self.attempts for chunk in attempt.chunks}
        self._alone: dict[int, Attempt] = {}
        self._usages: dict[int, tuple[list[Chunk], bool]] = {}

    def place(self, chunk: Chunk) -> Place:
        """Where a chunk was; a marker without an attempt is of the highest one."""
        return Place(self._offsets[id(chunk)], self._numbers[id(chunk)], chunk.chunk_index, chunk.image_index)

    # ---- fields that the highest chunk gives -------------------------------------------------------------------

    def highest(self, attempt: Attempt, name: str) -> Chunk | None:
        """The highest chunk of an attempt that has a field (S-META-1, S-META-2)."""
        return next((chunk for chunk in reversed(attempt.chunks) if self._has(chunk, name)), None)

    def newest(self, name: str) -> list[Chunk]:
        """The highest chunk that has a field, of the highest attempt that has one."""
        found = (self.highest(attempt, name) for attempt in reversed(self.attempts))
        return [chunk for chunk in found if chunk is not None][:1]

    def paid(self, *, gateway: bool) -> list[Chunk]:
        """What the cost of every attempt comes from: its chunk with a cost; without one, or overruled, also its usage.

        Args:
            gateway: the gateway's figures stand.
        """
        unique: dict[int, Chunk] = {}
        for attempt in self.attempts:
            cost = self.highest(attempt, "cost")
            found = [] if cost is None else [cost]
            if cost is None or not gateway:
                found += self._usage(attempt)[0]
            unique |= {id(chunk): chunk for chunk in found}
        return list(unique.values())

    # ---- usage -------------------------------------------------------------------------------------------------

    def usage(self) -> list[Chunk]:
        """The chunks that gave the usage of every attempt: nearly always one of each."""
        return [chunk for attempt in self.attempts for chunk in self._usage(attempt)[0]]

    def usage_given(self) -> bool:
        """Whether those chunks really give the usage that the attempts have."""
        return all(self._usage(attempt)[1] for attempt in self.attempts)

    def _usage(self, attempt: Attempt) -> tuple[list[Chunk], bool]:
        """The highest chunks with a usage, as many as it takes to give that of the attempt, and whether they do.

        Provider and model say how a usage is to be read, and may stand on other chunks.
        """
        if attempt.number not in self._usages:
            self._usages[attempt.number] = self._find_usage(attempt)
        return self._usages[attempt.number]

    def _find_usage(self, attempt: Attempt) -> tuple[list[Chunk], bool]:
        if attempt.token_usage is None:
            return [], True
        found: list[Chunk] = []
        read: list[Any] = []
        stream_type, newest_first = self._stream_type, list[Any](reversed(attempt.chunks))
        for chunk in newest_first:
            known = msgspec.structs.replace(chunk, provider=attempt.provider, model=attempt.model)
            if attempt_of(attempt.number, [known], stream_type).token_usage is None:
                continue
            found.append(chunk)
            read.append(known)
            if attempt_of(attempt.number, list(read), stream_type).token_usage == attempt.token_usage:
                return found, True
        return found, False

    def gives(self, chunk: Chunk, name: str) -> bool:
        """Whether a chunk alone gives what its attempt says of a field."""
        attempt = next(attempt for attempt in self.attempts if attempt.number == self._numbers[id(chunk)])
        return bool(getattr(self._folded(chunk), name) == getattr(attempt, name))

    def _has(self, chunk: Chunk, name: str) -> bool:
        return getattr(self._folded(chunk), name) is not None

    def _folded(self, chunk: Chunk) -> Attempt:
        if id(chunk) not in self._alone:
            self._alone[id(chunk)] = alone(chunk)
        return self._alone[id(chunk)]

    # ---- fields that the lowest chunk gives --------------------------------------------------------------------

    def label(self, key: str) -> list[Chunk]:
        """The lowest chunk that has a label."""
        return self._lowest(chunk for chunk in self._in_order() if key in labels([chunk]))

    def raw_request(self) -> list[Chunk]:
        """The lowest chunk that has the request as it was sent."""
        return self._lowest(chunk for chunk in self._in_order() if raw_request([chunk]) is not None)

    def _in_order(self) -> Iterable[Chunk]:
        return (chunk for attempt in self.attempts for chunk in attempt.chunks)

    def _lowest(self, found: Iterable[Chunk]) -> list[Chunk]:
        return list(found)[:1]

    # ---- the end -----------------------------------------------------------------------------------------------

    def finish(self) -> list[Chunk]:
        """What gave the finish_reason: the last chunk that finishes the choice shown; of images, each that ends one."""
        output = self.shown.output
        if self.shown.finish_reason is None:
            return []
        if self.shown.finish_reason != output.finish_reason:
            return self.error()
        ends = [chunk for chunk in self.shown.folded if self._folded(chunk).output.finish_reason is not None]
        if self._stream_type == StreamType.IMAGE:
            return ends
        if output.choices:
            chosen = min(choice["index"] for choice in output.choices)
            ends = [chunk for chunk in ends if SIGNS[chunk.stream_type](chunk).done >> chosen & 1] or ends
        return ends[-1:]

    def error(self) -> list[Chunk]:
        """What gave the error: the highest out of band, else the last in band."""
        outside = [chunk for chunk in self.shown.chunks if chunk.error is not None]
        inside = [chunk for chunk in self.shown.folded if SIGNS[chunk.stream_type](chunk).error]
        return (outside or inside)[-1:] if self.shown.error is not None else []

    # ---- times -------------------------------------------------------------------------------------------------

    def start(self) -> Chunk:
        """The chunk with the earliest start_timestamp; where none has one, the earliest chunk."""
        stated = [(chunk.start_timestamp, chunk) for chunk in self._chunks if chunk.start_timestamp is not None]
        return min(stated, key=lambda pair: pair[0])[1] if stated else min(self._chunks, key=_timestamp)

    def end(self) -> Chunk:
        """The chunk whose time is the end."""
        return end_of(self.attempts)

    def first(self) -> Chunk:
        """The earliest chunk of the attempt shown: the first token, whatever it holds."""
        return min(self.shown.chunks, key=_timestamp)

    @cached_property
    def content(self) -> list[Chunk]:
        """The content chunks of the attempt shown, by time: those whose times the fold counted as content.

        Of chunks with one time, those that have content by themselves; where it was not stored, all of them.
        """
        by_time: dict[datetime, list[Chunk]] = {moment: [] for moment in sorted(self.shown.output.content_times)}
        for chunk in self.shown.folded:
            if chunk.timestamp in by_time:
                by_time[chunk.timestamp].append(chunk)
        return [chunk for found in by_time.values() for chunk in self._saying(found)]

    def _saying(self, chunks: list[Chunk]) -> list[Chunk]:
        return [chunk for chunk in chunks if self._folded(chunk).output.content_times] or chunks

    def longest_silence(self) -> list[Chunk]:
        """The two content chunks with the longest time between them."""
        pairs = pairwise(self.content)
        return list(max(pairs, key=lambda pair: pair[1].timestamp - pair[0].timestamp, default=()))

    def odd(self) -> list[Chunk]:
        """Chunks with payload leaves of unexpected shape."""
        found: list[Any] = list(self._in_order())
        return [chunk for chunk in found if chunk.anomalies or self._folded(chunk).anomalies]


def _timestamp(chunk: Chunk) -> datetime:
    return chunk.timestamp
