"""The working set of one source partition: the pure heart that offline fold, Accumulator and engine share.

Records go in by `apply`, time by `expire`, closed requests become records by `finalize`, and `snapshot` hands out all
that changed since the last one.  Nothing here awaits, so position and state always move together: a snapshot is a state
in which exactly the records below `position` were folded.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import chain

from pipeline.core.admission import NEW, Verdict, admit, close, close_due
from pipeline.core.closed import Closed
from pipeline.core.finish import INTERNAL, finish
from pipeline.core.head import Head
from pipeline.core.journal import Journal, Stored
from pipeline.core.late import Fate, fate_of, reopen
from pipeline.core.outbox import KEY_MISMATCH, OVERSIZE, STREAM_TYPE_CONFLICT, TOMBSTONE, Outbox
from pipeline.core.policy import Policy
from pipeline.core.rest import rest
from pipeline.core.restore import head_of
from pipeline.core.rows import DeadLetter, Incoming, Outgoing, Rows, Snapshot, Trusted, traceparent_of
from pipeline.core.segment import (
    CHECKPOINT_KEY,
    FORMAT,
    Checkpoint,
    Marker,
    RunHead,
    SegmentHead,
    known_checkpoint,
    pack,
)
from pipeline.core.valuation import UNVALUED, Valuation
from pipeline.errors import OurFault
from schemas.chunk import Chunk
from schemas.decode import ChunkRejected, decode


class Partition:
    """State of one partition between two checkpoints.

    Attributes:
        position: next source offset to read.
        clock: running maximum of append times, ms (CONTRACT §4).
        closing: closed requests that wait for `finalize`; the truth about them.
        pending, pending_bytes: chunks taken since the last snapshot, and what they weigh.
        counts: events that leave no trace in records: late repeats, late chunks that add nothing.
    """

    def __init__(
        self,
        policy: Policy,
        rows: Rows,
        topic: str,
        partition: int,
        *,
        lineage: bytes = b"",
        valuation: Valuation = UNVALUED,
    ) -> None:
        """Start empty; `load` reads what the store holds."""
        self.policy, self.topic, self.partition = policy, topic, partition
        self._source, self._valuation = (topic, partition), valuation
        self.position = self.clock = self.sequence = 0
        self.lineage = lineage
        self.closing: dict[str, Head] = {}
        self.counts = {"late_repeats": 0, "late_empty": 0}
        self._rows = rows = Trusted(rows)
        self._journal = Journal(rows)
        self._closed = Closed(
            rows, retention=policy.marker_retention, revise_window=policy.revise_window, grace=policy.finish_grace
        )
        self._open: dict[bytes, Head] = {}
        self._gathering: dict[bytes, Head] = {}
        self._deadlines: list[tuple[int, bytes]] = []
        self._outbox = Outbox()
        self._snapshotted = -1
        self.pending = self.pending_bytes = 0

    @property
    def open_count(self) -> int:
        """Open requests."""
        return len(self._open)

    def heads(self) -> Iterator[Head]:
        """Open requests, then closed ones whose late chunks gather for a revision; not to be changed."""
        return chain(self._open.values(), self._gathering.values())

    @property
    def waiting(self) -> int:
        """Records and dead letters not yet in a snapshot."""
        return self._outbox.waiting

    @property
    def unsent(self) -> int:
        """Requests that are closed and whose record is not settled."""
        return len(self.closing) + self._outbox.unsettled

    @property
    def oldest(self) -> int | None:
        """Append time in ms of the first chunk of the oldest open request; None when nothing is open."""
        return next((head.first_ms for head in self._open.values()), None)

    @property
    def dirty(self) -> bool:
        """Whether a snapshot would hold anything."""
        return bool(self.position != self._snapshotted or self.waiting or self._journal.waiting or self._closed.waiting)

    @property
    def next_deadline(self) -> int | None:
        """Earliest append time at which a request may be due; None when nothing is open."""
        return self._deadlines[0][0] if self._deadlines else None

    # ---- records in --------------------------------------------------------------------------------------------

    def apply(self, records: Iterable[Incoming], end: int) -> list[str]:
        """Fold a batch of the source partition.

        Args:
            records: in offset order; those below `position` are skipped.
            end: the consumer's position after the batch, also past control records.

        Returns:
            Ids of the requests that closed.
        """
        closed: list[str] = []
        open_, policy, position = self._open, self.policy, self.position
        limit, taken, total, now = policy.max_chunk_bytes, 0, 0, self.clock
        for record in records:
            if record.offset < position:
                continue
            taken += 1
            if record.timestamp > now:
                now = self.clock = record.timestamp
            value, key = record.value, record.key
            size = 0 if value is None else len(value)
            total += size
            if value is None or size > limit:
                self._outbox.refuse(record, *(TOMBSTONE if value is None else OVERSIZE))
                continue
            try:
                chunk = decode(value)
                head = open_.get(key or b"")
                if (
                    head is None
                    or now >= head.due
                    or chunk.request_id != head.request_id
                    or chunk.stream_type != head.stream_type
                ):
                    self._take_slowly(record, chunk, now, closed)
                    continue
                if not head.dirty:
                    self._journal.touch(head)
                verdict = admit(head, chunk, now, record.offset, size, policy)
                if verdict is not NEW or head.due < head.queued:
                    self._note(verdict, head, record, chunk, closed)
            except ChunkRejected as refused:
                self._outbox.refuse(record, refused.reason, refused.detail)
            except OurFault:
                raise
            except Exception as bug:  # noqa: BLE001  CONTRACT G4: it belongs to this chunk's request
                self._quarantine(record, bug, closed)
        self.position = max(position, end)
        self.pending, self.pending_bytes = self.pending + taken, self.pending_bytes + total + self._outbox.weigh()
        return closed

    def _enter(self, head: Head, record: Incoming, chunk: Chunk, now: int, closed: list[str]) -> None:
        """Admit a chunk to its open or gathering request."""
        self._journal.touch(head)
        verdict = admit(head, chunk, now, record.offset, len(record.value or b""), self.policy)
        self._note(verdict, head, record, chunk, closed)

    def _note(self, verdict: Verdict, head: Head, record: Incoming, chunk: Chunk, closed: list[str]) -> None:
        """Act on what admission said: queue the deadline, freeze, or keep a repeat for comparison."""
        if verdict is NEW:
            if head.due < head.queued:
                head.queued = head.due
                heapq.heappush(self._deadlines, (head.due, head.key))
        elif verdict is Verdict.CLOSED:
            self._freeze(head, closed)
        else:
            head.repeats.append((record, chunk, head.truncated))

    def _take_slowly(self, record: Incoming, chunk: Chunk, now: int, closed: list[str]) -> None:
        """A first chunk, a late one, one that comes after its request's deadline, or a wrong key or type."""
        key = chunk.request_id.encode()
        if record.key != key:
            self._outbox.refuse(
                record, KEY_MISMATCH, "no key" if record.key is None else "the key is not the request_id"
            )
            return
        for heads in (self._open, self._gathering):
            head = heads.get(key)
            if head is not None and now >= head.due:
                close_due(head, self.policy)
                self._freeze(head, closed)
        head = self._open.get(key)
        if head is None:
            if chunk.request_id in self.closing:
                self.finalize(chunk.request_id)
            marker = self._closed.find(key)
            if marker is not None and self._closed.counts(marker, now):
                self._take_late(record, chunk, marker, now, closed)
                return
            if marker is not None and marker.segments:  # from now on the id is that of another request
                self._journal.clear(key, marker.segments)
                marker.segments = 0
                self._closed.put(key, marker)
            head = Head(chunk.request_id, chunk.stream_type, now=now, offset=record.offset)
            self._outbox.tally.opened += 1
            self._open[head.key] = head  # one copy of the key for head, table and heap: there may be many heads
            head.traceparent = traceparent_of(record)
        if chunk.stream_type != head.stream_type:
            self._outbox.refuse(record, STREAM_TYPE_CONFLICT, f"the request is {head.stream_type}")
            return
        self._enter(head, record, chunk, now, closed)

    def _take_late(self, record: Incoming, chunk: Chunk, marker: Marker, now: int, closed: list[str]) -> None:
        """A chunk of a closed request (CONTRACT §4, after closing)."""
        key = record.key or b""
        fate, detail = fate_of(chunk, marker, now, self.policy)
        if fate is Fate.REVISE:
            head = self._gathering.get(key)
            if head is None:
                last = self._journal.last_head(key, marker.segments)
                head = self._gathering[key] = reopen(chunk.request_id, marker, last)
            self._enter(head, record, chunk, now, closed)
        elif fate in (Fate.REPEAT, Fate.EMPTY):
            self.counts["late_repeats" if fate is Fate.REPEAT else "late_empty"] += 1
            self._outbox.tally.again(repeat=fate is Fate.REPEAT)
        else:
            if fate is Fate.REUSED and not marker.reused:
                marker.reused = True
                self._closed.put(key, marker)
            self._outbox.refuse(record, fate.value, detail)

    def _quarantine(self, record: Incoming, bug: Exception, closed: list[str]) -> None:
        """An exception while a chunk was taken: the chunk is refused, its open request closed as an error."""
        self._outbox.refuse(record, INTERNAL, type(bug).__name__)
        head = self._open.get(record.key or b"") or self._gathering.get(record.key or b"")
        self._outbox.tally.internal += head is None
        if head is not None:
            if head.offsets and head.offsets[-1] == record.offset:  # refused as it came, so not once more rebuilt
                del head.offsets[-1], head.held[-1]
            head.poisoned = True
            close(head, "error", self.clock)
            self._freeze(head, closed)

    def _freeze(self, head: Head, closed: list[str]) -> None:
        """A request closed: it takes no chunk any more and waits for the finalizer."""
        key = head.key
        (self._gathering if head.revision else self._open).pop(key, None)
        self._journal.touch(head)
        self.closing[head.request_id] = head
        closed.append(head.request_id)

    # ---- time --------------------------------------------------------------------------------------------------

    def expire(self, now_ms: int, limit: int = 10_000) -> list[str]:
        """Close the requests that are due at append time `now_ms`, at most `limit`; their ids."""
        closed: list[str] = []
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now_ms and len(closed) < limit:
            due, key = heapq.heappop(deadlines)
            head = self._open.get(key) or self._gathering.get(key)
            if head is None or head.queued != due:
                continue
            if head.due > now_ms:
                head.queued = head.due
                heapq.heappush(deadlines, (head.due, key))
                continue
            close_due(head, self.policy)
            self._freeze(head, closed)
        return closed

    def close_now(self, request_id: str | None = None) -> list[str]:
        """Close without waiting: one request, or at the end of input all that is open.

        Waiting graces fire with their own cause, the rest expires (CONTRACT §4, offline).
        """
        closed: list[str] = []
        for heads in (self._open, self._gathering):
            for key in [request_id.encode()] if request_id is not None else list(heads):
                head = heads.get(key)
                if head is not None:
                    close_due(head, self.policy)
                    self._freeze(head, closed)
        return closed

    # ---- records out -------------------------------------------------------------------------------------------

    def finalize(self, request_id: str) -> None:
        """Turn a closed request into its record; nothing happens for one that is not (or no longer) closing."""
        head = self.closing.get(request_id)
        if head is None:
            return
        key = head.key
        stored = self._journal.stored(key, head.segments)
        self._settle(head, stored)
        self._outbox.tally.head(head)
        previous = self._closed.find(key) if head.revision else None
        done = finish(head, stored, previous, self.policy, self._source, self._valuation)
        if done.revisable and self.clock < head.first_closed_at + self.policy.revise_window:
            self._journal.write(head, kept=True)
            done.marker.segments = head.segments
        else:
            self._journal.clear(key, head.segments)
        self._outbox.add(done, head)
        head.dirty, head.held, head.offsets = False, [], []
        self._closed.put(key, done.marker)
        del self.closing[request_id]

    def _settle(self, head: Head, stored: Stored | None = None) -> None:
        """Compare the waiting repeats of a head; conflicts are refused."""

        def earlier() -> Iterable[Chunk]:
            found = self._journal.stored(head.key, head.segments) if stored is None else stored
            return (chunk for _, chunk in found)

        if head.repeats:
            self._outbox.settle(head, earlier, self.policy)

    # ---- checkpoint --------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot | None:
        """All that changed since the last snapshot; None when nothing did.

        Its rows stay readable until `settled`, which must be called before the next snapshot.
        """
        if not self.dirty:
            return None
        self._sweep()
        for head in self._journal.touched():
            if head.repeats:
                self._settle(head)
            self._outbox.tally.head(head)
            self._journal.write(head)
        self.sequence += 1
        hours = self._closed.drop(self.clock)
        hours_done = self._closed.swept_hour, self._closed.dropped_hour
        place = Checkpoint(self.position, self.clock, self.sequence, self.lineage, *hours_done, FORMAT)
        rows = [*self._journal.take(), (CHECKPOINT_KEY, pack(place))]
        sent = self._outbox.send(self.topic, self.partition)
        taken = Snapshot(rows, self._closed.take(), hours, sent.records, sent.dead, self.position, sent.tally)
        self._snapshotted, self.pending, self.pending_bytes = self.position, 0, 0
        return taken

    def _sweep(self) -> None:
        """Give up segments whose revise window is over."""
        for key, marker in self._closed.sweep(self.clock):
            current = self._closed.find(key)
            if current is None or current.closed_at != marker.closed_at:
                continue  # the id is that of a later request by now, which took care of the segments
            head = self._gathering.get(key)
            if head is not None:  # due, though nobody has looked at deadlines yet
                close_due(head, self.policy)
                self._freeze(head, [])
            self.finalize(key.decode())
            self._journal.clear(key, current.segments)

    def settled(self) -> None:
        """The last snapshot's rows are in the store."""
        self._journal.settled()
        self._closed.settled()
        self._outbox.settled()

    def take_output(self) -> tuple[list[Outgoing], list[DeadLetter]]:
        """Records and dead letters since the last snapshot, for folds that send nothing."""
        return self._outbox.take()

    def load(self) -> None:
        """Rebuild position, open and closing requests from the store.

        Raises:
            OurFault: another version wrote it, in a format that this one does not read.
        """
        value = self._rows.get(CHECKPOINT_KEY)
        if value is not None:
            place = known_checkpoint(value, self.partition)
            self.position, self.clock, self.sequence = place.position, place.clock, place.sequence
            self.lineage, self._snapshotted = place.lineage, place.position
            self._closed.load(place.swept_hour, place.dropped_hour)
        for key, heads in self._journal.load():
            self._put(key, heads)
        self._open = dict(sorted(self._open.items(), key=lambda item: item[1].first_ms))
        heapq.heapify(self._deadlines)

    def _put(self, key: bytes, heads: list[SegmentHead | RunHead]) -> None:
        """Bring back the head that these segments describe, unless they are only kept for a revision."""
        if isinstance(heads[-1], SegmentHead) and heads[-1].kept:
            return
        head = head_of(key.decode(), heads)
        if head.closed_by is not None:
            self.closing[head.request_id] = head
            return
        rest(head)
        (self._gathering if head.revision else self._open)[head.key] = head
        head.queued = head.due
        self._deadlines.append((head.due, head.key))
