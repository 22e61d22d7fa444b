"""One partition of a replay: batches of chunks in, records of the range out, into files whose state is checkpointed.

The fold is the core's working set itself. Owns what is emitted, listed as cut or left out, when enough was read, and
that state, output and position are noted together: a replay that was killed goes on from its last checkpoint. Imports
the core, the engine's spill, and the parts of a replay; no Kafka.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from pipeline.core.head import Head
from pipeline.core.rows import Outgoing, SourceRecord
from pipeline.core.valuation import Valuation
from pipeline.engine.config import MIB
from pipeline.engine.spill import Spill
from pipeline.ops.replay.facts import Facts, Name, facts_of
from pipeline.ops.replay.note import JUST_NOW, LEFT, RECORDS, ROWS, TRACES, Kept, Note
from pipeline.ops.replay.observed import Observed
from pipeline.ops.replay.order import LATENCY, Order, Share
from pipeline.ops.replay.part import Part as File
from pipeline.ops.replay.window import Part, Window
from pipeline.sinks.line import row_of
from pipeline.sinks.row import COLUMNS

CHECKPOINT_CHUNKS: Final = 50_000
CHECKPOINT_BYTES: Final = 32 * MIB
"""Chunks between two checkpoints, and their bytes: what memory holds of them, and what a restart folds again."""

LOOK_CHUNKS: Final = 20_000
"""After the range, chunks between two looks whether all of its requests are settled."""

OPEN: Final = "open"
AFTER: Final = "was still open where reading ended"
"""Why a request has no record: of one at the end of the topic, and of one at the end of the look-ahead."""

_DOUBTED: Final = b"q"
_KEPT: Final = b"r"
_encode: Final = msgspec.json.Encoder(decimal_format="string").encode
_NAMES: Final = [column.name for column in COLUMNS]


class Passage:
    """The fold of one partition and its output."""

    def __init__(self, order: Order, share: Share, spill: Spill, valuation: Valuation) -> None:
        """Begin, or go on where the spill and the files say.

        Raises:
            FoundProblem: a file is shorter than it was.
            OurFault: the spill can't be read.
        """
        self.order, self.share = order, share
        self._spill, self._policy = spill, order.settings.policy()
        note = spill.note
        self.note = Note() if note is None else msgspec.msgpack.decode(note, type=Note)
        self.window = Window(share, order.look_back, order.first_index)
        topic = order.settings.chunk_topic
        self.partition = Observed(self._policy, spill, topic, share.partition, valuation=valuation, window=self.window)
        self.partition.position = share.begin
        self.partition.load()
        self.window.go_on(self.note.opened, self.note.known, self.partition.clock)
        names = (RECORDS, LEFT, *((TRACES,) if order.traces else ()), *((ROWS,) if order.rows else ()))
        folder = order.work / f"{share.partition:04d}"
        self.files = {name: File(folder / f"{name}.jsonl", self.note.lengths.get(name, 0)) for name in names}
        ids = order.selection.request_ids
        self._wanted = None if ids is None else frozenset(each.encode() for each in ids)
        self._aside: list[tuple[bytes, bytes | None]] = []
        self._doubted: set[int] = set()
        self._looked, self._stopped = 0, False

    @property
    def position(self) -> int:
        """Next offset to read."""
        return self.partition.position

    @property
    def done(self) -> bool:
        """Whether nothing more has to be read."""
        return self.note.finished or self.position >= self.share.end or self._stopped

    def take(self, records: Sequence[Any], end: int) -> None:
        """Fold what was fetched; `end` is the position after it."""
        until = self.share.until
        if self.position < until < end:
            inside = [record for record in records if record.offset < until]
            self._fold(inside, until)
            records = records[len(inside) :]
        if self.position >= until:
            records, end = self._ahead(records, end)
        self._fold(records, end)
        if self.position >= until:
            self._look()

    def _ahead(self, records: Sequence[Any], end: int) -> tuple[Sequence[Any], int]:
        """What of these records the look-ahead reaches."""
        note, ahead = self.note, self.order.look_ahead
        if ahead is None:
            return records, end
        if note.limit is None:
            note.limit = self.partition.clock + ahead
        for index, record in enumerate(records):
            if record.timestamp >= note.limit:
                self._stopped = True
                return records[:index], record.offset
        return records, end

    def _fold(self, records: Sequence[Any], end: int) -> None:
        self.note.counts.chunks += len(records)
        self.window.see(records)
        partition = self.partition
        if self._wanted is None:
            partition.apply(records, end)
        else:
            records, clock = self._meant(records, self._wanted)
            partition.apply(records, end)
            partition.clock = clock
        while partition.expire(partition.clock):
            self._drain(end)
        self._drain(end)
        if partition.pending >= CHECKPOINT_CHUNKS or partition.pending_bytes >= CHECKPOINT_BYTES:
            self.checkpoint()

    def _meant(self, records: Sequence[Any], wanted: frozenset[bytes]) -> tuple[list[Any], int]:
        """Only the records of the requests asked for, read by the clock of all; and that clock after them."""
        clock, meant = self.partition.clock, []
        for record in records:
            clock = max(clock, record.timestamp)
            if record.key in wanted:
                meant.append(SourceRecord(record.key, record.value, record.offset, clock, record.headers))
        return meant, clock

    # ---- records out -------------------------------------------------------------------------------------------

    def _drain(self, decided: int | None) -> None:
        """Make the records of what closed, and keep those of the range."""
        partition = self.partition
        for request_id in list(partition.closing):
            partition.finalize(request_id)
        records, dead = partition.take_output()
        for record in records:
            self._take_record(record, decided)
        partition.headless.clear()
        for letter in dead:
            self._count(letter.reason, letter.offset)

    def _count(self, reason: str, offset: int) -> None:
        """Note a chunk that was refused."""
        if self.share.first <= offset < self.share.until:
            dead = self.note.counts.dead
            dead[reason] = dead.get(reason, 0) + 1

    def _take_record(self, record: Outgoing, decided: int | None) -> None:
        value = record.value or b""
        facts = facts_of(value)
        part = self.window.part(facts.source.first_offset)
        if part is Part.OUTSIDE or not self.order.selection.wants(facts.request_id, facts.labels or {}):
            return
        if part is Part.INSIDE and self._is_doubted(facts):
            part = Part.DOUBTED
        if part is Part.INSIDE:
            self._keep(facts, record, decided)
        elif facts.revision == 0:
            self._leave(facts.request_id, facts.source.first_offset, part)

    def _is_doubted(self, facts: Facts) -> bool:
        """Decided with revision 0; later ones may have been given what was missing then, and still are not whole."""
        first = facts.source.first_offset
        if facts.revision == 0:
            if facts.request_id not in self.partition.headless and not self.window.early(facts):
                return False
            self._doubted.add(first)
            self._aside.append((_DOUBTED + first.to_bytes(8, "big"), b""))
            return True
        return self.is_doubted(first)

    def is_doubted(self, first_offset: int) -> bool:
        """Whether a request of the range was cut because of what its record says."""
        row = _DOUBTED + first_offset.to_bytes(8, "big")
        return first_offset in self._doubted or self._spill.aside(row) is not None

    def _keep(self, facts: Facts, record: Outgoing, decided: int | None) -> None:
        counts, value = self.note.counts, record.value or b""
        at = self.files[RECORDS].write(value)
        trace = dict(record.headers).get("traceparent")
        traceparent = None if trace is None else trace.decode()
        if self.order.traces:
            self.files[TRACES].write(_encode(traceparent))
        if self.order.rows:
            row = zip(_NAMES, row_of(value), strict=True)
            self.files[ROWS].write(_encode(dict(row)))
        if self.order.diff:
            kept = Kept(counts.records, at, len(value), decided, traceparent)
            self._aside.append((_KEPT + facts.name.key, msgspec.msgpack.encode(kept)))
        counts.records += 1
        counts.revisions += facts.revision > 0
        policy = self._policy
        revisable = policy.late_policy == "revise" and not (facts.closed_by == "final" and facts.complete)
        if revisable and not facts.revision:  # the window counts from the first close
            self.note.settled = max(
                self.note.settled, self.partition.clock + policy.revise_window + policy.finish_grace
            )

    def _leave(self, request_id: str, first_offset: int, why: str) -> None:
        """List a request that has no record."""
        counts = self.note.counts
        counts.open, counts.cut = counts.open + (why == OPEN), counts.cut + (why != OPEN)
        told = {"request_id": request_id, "partition": self.share.partition, "first_offset": first_offset, "why": why}
        self.files[LEFT].write(_encode(told))

    # ---- the end of the range --------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Now and then: whether more chunks could change anything."""
        chunks = self.note.counts.chunks
        if self.order.look_ahead is None and chunks - self._looked >= LOOK_CHUNKS:
            self._looked = chunks
            self._stopped = self.partition.clock >= self.note.settled and next(self.unsettled(), None) is None

    def unsettled(self) -> Iterator[Head]:
        """Requests of the range that are open, or gather chunks for a revision."""
        return (head for head in self.partition.heads() if self.window.part(head.first_offset) is Part.INSIDE)

    def finish(self) -> None:
        """Close what time has closed at the end of the topic, and list what has no record."""
        if self.note.finished:
            return
        at_end = self.position >= self.share.end
        if at_end and self.share.closable:
            for due, decided in ((self.order.due - LATENCY, None), (self.order.due, JUST_NOW)):
                while self.partition.expire(due):
                    self._drain(decided)
        wanted = self.order.selection.request_ids
        for head in self.partition.heads():
            part = self.window.part(head.first_offset)
            meant = wanted is None or head.request_id in wanted
            if meant and part is not Part.OUTSIDE and not head.revision:
                why = OPEN if at_end else AFTER
                self._leave(head.request_id, head.first_offset, part if part is Part.BEFORE else why)
        self.note.finished = True
        self.checkpoint()

    # ---- checkpoint ------------------------------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """Note state, output and position together.

        Raises:
            OurFault: the disk does not take it.
        """
        taken, note = self.partition.snapshot(), self.note
        if taken is not None:
            for record in taken.records:
                self._take_record(record, self.position)
            for letter in taken.dead_letters:
                told = dict(letter.headers)
                self._count(told["dl.reason"].decode(), int(told["dl.offset"]))
        note.lengths = {name: file.sync() for name, file in self.files.items()}
        note.opened, note.known = self.window.opened, self.window.known
        self._spill.write(taken, msgspec.msgpack.encode(note), self._aside)
        self._aside = []
        self._doubted.clear()
        if taken is not None:
            self.partition.settled()

    def kept(self, name: Name) -> Kept | None:
        """Where the record of a revision lies; None if there is none. With `diff`, after a checkpoint."""
        row = self._spill.aside(_KEPT + name.key)
        return None if row is None else msgspec.msgpack.decode(row, type=Kept)

    def every_kept(self, request: bytes = b"") -> Iterator[tuple[Name, Kept]]:
        """Where records lie, in the order of their keys: of all requests, or of one."""
        for key, row in self._spill.asides(_KEPT + request):
            yield Name.of(key[len(_KEPT) :]), msgspec.msgpack.decode(row, type=Kept)

    def read(self, kept: Kept) -> bytes:
        """A record that was kept."""
        return self.files[RECORDS].read(kept.at, kept.length)

    def close(self) -> None:
        """Let go of files and store."""
        for file in self.files.values():
            file.close()
        self._spill.close()
