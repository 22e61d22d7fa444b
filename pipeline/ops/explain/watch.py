"""One request folded under observation: what became of each of its source records, and how it closed.

The fold is the core's working set itself, and what it decided is read off it afterwards; nothing is decided here.
Records of other requests only move the partition's clock, as they do for this request in the worker. Imports the core.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pipeline.core.canonical import encode
from pipeline.core.facts import Attempt
from pipeline.core.head import Head
from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.record import Folded, fold
from pipeline.core.rows import Incoming, MemoryRows
from pipeline.core.segment import whole_chunks
from pipeline.core.valuation import UNVALUED, Call, Valuation
from pipeline.ops.explain.listener import Listener
from schemas.chunk import Chunk
from schemas.decode import ChunkRejected, decode

Json = dict[str, Any]

NEW: Final = "new"
DUPLICATE: Final = "duplicate"
CONFLICT: Final = "conflict"
LATE_DUPLICATE: Final = "late_duplicate"
LATE_EMPTY: Final = "late_empty"
REFUSED: Final = "refused"


class Moment(NamedTuple):
    """Where a partition was: a source offset (of a file without `_kafka`: a line) and its append time, ms."""

    offset: int
    time: int


@dataclass(slots=True)
class Entry:
    """A source record of the request and what became of it.

    Attributes:
        offset, time: as in Moment.
        chunk: decoded; None for what is no chunk.
        outcome: new · duplicate · conflict · late_duplicate · late_empty · refused.
        reason, detail: of the dead letter that it became.
        revision: that it is a part of, or came after.
    """

    offset: int
    time: int
    chunk: Chunk | None
    outcome: str
    revision: int
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """A closed revision of the request, or an open request as it would close now.

    Attributes:
        head: as the fold left it.
        chunks: (offset, chunk) as they were folded, in order of arrival.
        record: the record as a JSON object.
        value: the record's bytes; None while the request is open.
        attempts: that the record was made of; none where folding them raised.
        calls: what prices were asked for.
        seen_at: the source record by which the clock passed the deadline, or that closed it at once; None when there
            was none: the end of the input, or the worker's wall clock.
    """

    head: Head
    chunks: list[tuple[int, Chunk]]
    record: Json
    value: bytes | None
    attempts: Sequence[Attempt]
    calls: Sequence[Call]
    seen_at: Moment | None


class Watch(Partition):
    """The working set of a partition with one request in it.

    Attributes:
        request_id: of the request.
        entries: its source records, in order of arrival.
        closings: its revisions, in order.
        source_records: how many the partition had, those of others included.
        listener: hears what prices are asked for.
    """

    def __init__(
        self, request_id: str, policy: Policy, place: tuple[str, int], valuation: Valuation = UNVALUED
    ) -> None:
        """Start before the first record of a partition; `place` is (topic, number), ("", 0) where there is none."""
        self.listener = Listener(valuation)
        super().__init__(policy, MemoryRows(), *place, valuation=self.listener.valuation)
        self.request_id = request_id
        self.entries: list[Entry] = []
        self.closings: list[Closing] = []
        self.source_records = 0
        self._key = request_id.encode(errors="replace")
        self._now: Moment | None = None

    # ---- records and time in -----------------------------------------------------------------------------------

    def tick(self, offset: int, time: int) -> None:
        """A record of another request: append time passes."""
        self._now = Moment(offset, time)
        self.clock, self.position = max(self.clock, time), offset + 1
        self.source_records += 1
        self._pass()

    def take(self, record: Incoming) -> None:
        """A record of the request: under its key, or with its id inside."""
        self._now = Moment(record.offset, record.timestamp)
        self.source_records += 1
        before = dict(self.counts)
        self.apply([record], record.offset + 1)
        head = self.open_head
        outcome, revision = self._outcome(record.offset, head, before), self._revision(head)
        self.entries.append(Entry(record.offset, record.timestamp, _decoded(record.value), outcome, revision))
        self._pass()

    def end(self) -> None:
        """Close what is open, as at the end of the input or by wall clock."""
        self._now = None
        self.close_now()
        self._drain()

    # ---- what is left ------------------------------------------------------------------------------------------

    @property
    def open_head(self) -> Head | None:
        """The head while the request is open, or gathers late chunks for a revision."""
        waiting = self.closing.get(self.request_id)
        return self._open.get(self._key) or self._gathering.get(self._key) or waiting

    @property
    def last(self) -> Closing | None:
        """What the newest record says, else the request as it would close now; None when nothing was admitted."""
        return self.closings[-1] if self.closings else self.preview()

    def preview(self) -> Closing | None:
        """The open request as its record would be if it closed now, by whatever rule."""
        head = self.open_head
        if head is None:
            return None
        self._settle(head)
        self._drain()
        chunks = self._chunks(head)
        folded, calls = self._folded(head, chunks)
        record = folded.record
        if self.topic:
            offsets = [offset for offset, _ in chunks]
            place = {"topic": self.topic, "partition": self.partition}
            record["source"] = {**place, "first_offset": head.first_offset, "last_offset": max(offsets)}
        shown, attempts = json.loads(encode(record)), folded.attempts
        return Closing(head=head, chunks=chunks, record=shown, value=None, attempts=attempts, calls=calls, seen_at=None)

    # ---- what the fold does ------------------------------------------------------------------------------------

    def finalize(self, request_id: str) -> None:
        """Keep what a record was made of."""
        head = self.closing.get(request_id)
        if head is None:
            return
        chunks = self._chunks(head)
        super().finalize(request_id)
        value = self._outbox.records[-1].value or b""
        attempts, calls = list[Attempt](), list[Call]()
        if not head.poisoned:
            folded, calls = self._folded(head, chunks)
            attempts.extend(folded.attempts)
        self.closings.append(
            Closing(
                head=head,
                chunks=chunks,
                record=json.loads(value),
                value=value,
                attempts=attempts,
                calls=calls,
                seen_at=self._now,
            )
        )

    def _folded(self, head: Head, chunks: Sequence[tuple[int, Chunk]]) -> tuple[Folded, list[Call]]:
        """The fold once more, for what it does not leave behind: its attempts, and what prices it asked for."""
        self.listener.take()
        folded = fold(head, [chunk for _, chunk in chunks], None, self.policy, self._valuation)
        return folded, self.listener.take()

    def _chunks(self, head: Head) -> list[tuple[int, Chunk]]:
        """All that the fold holds of a request: segments first, then what no checkpoint has written."""
        stored = self._journal.stored(head.key, head.segments)
        return [*stored, *zip(head.offsets, whole_chunks(head.held), strict=True)]

    def _outcome(self, offset: int, head: Head | None, before: dict[str, int]) -> str:
        """Read off the fold what it did with a record; a refusal is told by its dead letter."""
        if self.counts["late_repeats"] > before["late_repeats"]:
            return LATE_DUPLICATE
        if self.counts["late_empty"] > before["late_empty"]:
            return LATE_EMPTY
        if head is None:
            return REFUSED
        return NEW if offset in head.offsets[-1:] else DUPLICATE

    def _revision(self, head: Head | None) -> int:
        """That which a head gathers; without one the newest that was closed."""
        if head is not None:
            return head.revision
        return self.closings[-1].head.revision if self.closings else 0

    def _pass(self) -> None:
        self.expire(self.clock)
        self._drain()

    def _drain(self) -> None:
        """Make the records that are due, and note the dead letters."""
        for request_id in list(self.closing):
            self.finalize(request_id)
        _, dead = self.take_output()
        for letter in dead:
            for entry in reversed(self.entries):
                if entry.offset == letter.offset:
                    entry.outcome = CONFLICT if letter.reason == CONFLICT else REFUSED
                    entry.reason, entry.detail = letter.reason, letter.detail
                    break


def _decoded(value: bytes | None) -> Chunk | None:
    if value is None:
        return None
    try:
        return decode(value)
    except ChunkRejected:
        return None
