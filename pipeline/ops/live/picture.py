"""The ledger as far as its topics were read: open requests, the records of the window, dead letters, all of it bounded.

Pure: what is read is passed in, by rising offsets within a partition; the topics' order among each other does not
matter, a record may come before its chunks. Owns which requests count as open and which are remembered. Imports the
core and this room.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

from pipeline.ops.live.figures import Figures
from pipeline.ops.live.keep import DRAWN, Keep
from pipeline.ops.live.letters import CLOSED, Letters, Refused
from pipeline.ops.live.rate import Rate
from pipeline.ops.live.request import Request
from pipeline.ops.live.told import Key, Told
from pipeline.ops.live.view import Strip

MARK_MS: Final = 1_000
"""Times of offsets are remembered so far apart …"""
MARKS: Final = 4_096
"""… and so many of them, for each partition: more than an hour."""
SWEEP: Final = 1_000
"""Requests that found no room before those are looked for again that nobody waits for any more."""


class Passed:
    """How far, in append time, the worker has come in a partition: it has written something of a chunk of that time."""

    def __init__(self) -> None:
        """It has written nothing."""
        self._offsets: list[int] = []
        self._times: list[int] = []
        self.due = 0
        self._reached = -1

    def chunk(self, offset: int, at: int) -> None:
        """A chunk lies there; to be told when one comes at `due` or later."""
        self.due = at + MARK_MS
        self._offsets.append(offset)
        self._times.append(at)
        if len(self._offsets) > MARKS:
            del self._offsets[: MARKS // 2], self._times[: MARKS // 2]

    def written(self, offset: int) -> None:
        """A record or dead letter speaks of this chunk."""
        self._reached = max(self._reached, offset)

    @property
    def time(self) -> int:
        """Append time up to which it has come at least; 0 where that is not known."""
        place = bisect_right(self._offsets, self._reached)
        return self._times[place - 1] if place else 0


class Picture:
    """What the views are made of.

    Attributes:
        figures, letters: Records and dead letters of the window.
        chunks_rate, records_rate: How many came in the last seconds.
        overflown: More requests are open than are counted.
        patience: Milliseconds after its newest chunk by which a request has its record, as was said.
    """

    def __init__(self, keep: Keep, window_ms: int, chunk_topic: str, patience_ms: int) -> None:
        """Nothing is read yet.

        Args:
            keep: Bounds.
            window_ms: Of the figures.
            chunk_topic: Its name, as dead letters tell it.
            patience_ms: A request without a record is none that the worker has open once the worker has come so far
                past its newest chunk: its chunks were repeats of a closed one, or refused.
        """
        self._keep, self._topic, self.patience = keep, chunk_topic, patience_ms
        self.figures = Figures(window_ms, keep.records)
        self.letters = Letters(window_ms, keep.letters)
        self.chunks_rate, self.records_rate = Rate(), Rate()
        self.overflown = False
        self._requests: dict[tuple[int, str], Request] = {}
        self._closed: OrderedDict[Key, None] = OrderedDict()
        self._bare: dict[Key, tuple[int, int]] = {}
        self._refused: OrderedDict[Key, None] = OrderedDict()
        self._passed: dict[int, Passed] = {}
        self._cut: dict[int, int] = {}
        self._labels: dict[str, None] = {}
        self._drawn: OrderedDict[Key, Request] = OrderedDict()
        self._until_sweep = 0

    # -- what is read

    def begin(self, partition: int, whole_from: int) -> None:
        """The chunks of a partition are not read from their beginning.

        A request of which a chunk comes before append time `whole_from` may have begun before what is read.
        """
        self._cut[partition] = whole_from

    def chunk(self, chunk: Any, partition: int, offset: int, at: int) -> None:
        """A chunk that its key names rightly, as `schemas.decode` reads it."""
        passed = self._passed.get(partition)
        if passed is None:
            passed = self._passed[partition] = Passed()
        if at >= passed.due:
            passed.chunk(offset, at)
        request = self._requests.get((partition, chunk.request_id))
        if request is None:
            request = self._opened(Key(partition, chunk.request_id), at)
            if request is None:
                return
        if request.started_at < 0:
            request.cut = at < self._cut.get(partition, 0)
        request.take(chunk, offset, at)
        if chunk.labels:
            self._note(chunk.labels)

    def record(self, told: Told) -> None:
        """A record."""
        key = told.key
        self.records_rate.add(told.at)
        self.figures.take(told)
        self._written(key.partition, told.last_offset)
        self._note(told.labels)
        if self._bare.pop(key, None) is not None:
            self.overflown = False  # there is room again for those that go on
        request = self._requests.get(key)
        if request is None:
            if not self._room():
                return
            request = self._requests[key] = Request(key, self._keep.dots)
        request.close(told)
        self._closed[key] = None

    def letter(self, letter: Refused) -> None:
        """A dead letter."""
        self.letters.take(letter)
        if letter.topic != self._topic:
            return
        self._written(letter.source, letter.stood)
        if letter.reason in CLOSED and letter.request_id is not None:
            key = Key(letter.source, letter.request_id)
            self._bare.pop(key, None)
            self._refused[key] = None
            if len(self._refused) > self._keep.requests:
                self._refused.popitem(last=False)

    # -- what is known

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of labels that were seen."""
        return tuple(sorted(self._labels))

    def find(self, request_id: str) -> Request | None:
        """A request by its id, the newest where it is on several partitions."""
        found = [self._requests.get(Key(partition, request_id)) for partition in self._passed]
        return max((each for each in found if each is not None), key=lambda each: each.seen_at, default=None)

    def draw(self, request: Request) -> Strip:
        """The strip of a request; the dots of those that nobody has looked at for long are given back."""
        drawn = self._drawn
        drawn[request.key] = request
        drawn.move_to_end(request.key)
        if len(drawn) > DRAWN:
            drawn.popitem(last=False)[1].forget_strip()
        return request.strip

    def get(self, key: Key) -> Request | None:
        """A request with a strip."""
        return self._requests.get(key)

    def requests(self) -> Iterator[Request]:
        """Those with a strip, without those that the worker does not have open any more and that made no record."""
        settled = self._settled()
        for request in self._requests.values():
            if request.told is not None or not self._given_up(request.key, request.seen_at, settled):
                yield request

    def bare(self) -> list[tuple[int, int]]:
        """First and newest append time of those open requests that have no strip."""
        settled = self._settled()
        return [times for key, times in self._bare.items() if not self._given_up(key, times[1], settled)]

    # -- what is remembered

    def _opened(self, key: Key, at: int) -> Request | None:
        """A new open request, if it is one and there is room for a strip."""
        known = self._bare.get(key)
        if known is not None:
            self._bare[key] = known[0], at
            return None
        if key in self.figures:
            return None  # closed, and its strip has gone
        if not self._room():
            if len(self._bare) < self._keep.bare:
                self._bare[key] = at, at
            else:
                self.overflown = True
            return None
        request = Request(key, self._keep.dots)
        self._requests[key] = request
        return request

    def _room(self) -> bool:
        """Make room for one more strip; the oldest closed request goes first."""
        if len(self._requests) < self._keep.requests:
            return True
        if self._closed:
            del self._requests[self._closed.popitem(last=False)[0]]
            return True
        self._until_sweep -= 1
        if self._until_sweep >= 0:
            return False
        self._until_sweep = SWEEP
        settled = self._settled()
        for key in [key for key, each in self._requests.items() if self._given_up(key, each.seen_at, settled)]:
            del self._requests[key]
        for key in [key for key, (_, seen) in self._bare.items() if self._given_up(key, seen, settled)]:
            del self._bare[key]
        self.overflown = len(self._bare) >= self._keep.bare
        return len(self._requests) < self._keep.requests

    def _written(self, partition: int, offset: int) -> None:
        passed = self._passed.get(partition)
        if passed is None:
            passed = self._passed[partition] = Passed()
        passed.written(offset)

    def _settled(self) -> dict[int, int]:
        """By partition, the append time of newest chunks of requests that must have a record."""
        return {partition: passed.time - self.patience for partition, passed in self._passed.items()}

    def _given_up(self, key: tuple[int, str], seen_at: int, settled: dict[int, int]) -> bool:
        """Whether the worker does not have a request without a record open."""
        return key in self._refused or seen_at < settled.get(key[0], 0)

    def _note(self, labels: Any) -> None:
        for name in labels:
            if name not in self._labels and len(self._labels) < self._keep.labels:
                self._labels[name] = None
