"""All chunks that wait for Kafka: in memory, in the spool, in what the dead left; and those that are under way.

Owns the order (spool before buffer, so that no chunk overtakes an earlier one of its request by far) and what becomes
of chunks by what Kafka says. One of which nobody knows is sent again, byte for byte: the ledger drops the repeat. Used
by the engine's thread alone. Imports this package and the settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.ingest.publish import clock
from pipeline.ingest.publish.backlog import Backlog
from pipeline.ingest.publish.estate import Estate
from pipeline.ingest.publish.item import Item, Outcome
from pipeline.ingest.publish.outbox import Outbox
from pipeline.ingest.publish.policy import Policy
from pipeline.ingest.publish.reporter import Reporter
from pipeline.ingest.publish.spool import Spool
from pipeline.ingest.publish.stats import Report
from pipeline.settings import Settings

ROUND_BYTES: Final = 4 << 20
ROUND_CHUNKS: Final = 5_000
"""Most that is under way to Kafka at once, all partitions together."""

_ALL: Final = 1 << 60


class Round:
    """Chunks under way.

    Attributes:
        items: In order.
        origin: Where they came from; None is the buffer. One from the buffer that takes too long goes to the spool.
    """

    def __init__(self, items: list[Item], origin: Backlog | None) -> None:
        """Begin."""
        self.items, self.origin = items, origin


class Stock:
    """What waits, and what is under way.

    Attributes:
        spool, estate: What is on disk.
        delivered, resent, late, aside, adopted: Counts of chunks.
    """

    def __init__(self, settings: Settings, policy: Policy, outbox: Outbox, report: Reporter) -> None:
        """Describe it; nothing is read yet."""
        folder = policy.spool or settings.data_dir / "spool" / settings.ledger
        self.spool = Spool(folder, settings.chunk_topic, policy.spool_bytes, self._damaged)
        self.estate = Estate(folder, settings.chunk_topic, self._damaged)
        self.delivered = self.resent = self.late = self.aside = self.adopted = self._settled = 0
        self._outbox, self._report = outbox, report
        self._window = (settings.session_window + settings.revise_window) * 1_000
        self._topic = settings.chunk_topic
        self._round: Round | None = None
        self._turn = False
        self._full = False

    @property
    def settled(self) -> int:
        """How many of the chunks that this publisher accepted need nothing more, or are beyond help."""
        return self._settled + self.spool.lost

    @property
    def waiting(self) -> bool:
        """Whether there is anything to send."""
        return self._round is not None or self._outbox.waiting or bool(self.spool) or bool(self.estate)

    @property
    def live(self) -> bool:
        """Whether what waits is in the buffer alone, where more may gather."""
        return not self.spool and not self.estate

    def next(self) -> list[Item]:
        """The next chunks to send; `settle` has to be told what became of them.

        What is left of those read from disk comes first; then, those of the dead take turns with the buffer: neither
        holds up the other.
        """
        if self._round is None:
            self._round = self._from_disk() or self._from_memory()
        return [] if self._round is None else self._round.items

    def settle(self, outcome: Outcome) -> int:
        """What became of the chunks of `next`; how many need nothing more."""
        done, self._round = self._round, None
        if done is None:
            return 0
        unsure = {id(item) for item in outcome.left}
        settled = [item for item in done.items if id(item) not in unsure]
        self.resent += len(outcome.left)
        self.delivered += len(settled) - len(outcome.never)
        if done.origin is self.estate:
            self.adopted += len(settled)
        else:
            self._settled += len(settled)
        self._set_aside(outcome.never)  # before anybody lets go of it
        if done.origin is None:
            self._outbox.free(settled)
            self._outbox.put_back(outcome.left)
            return len(settled)
        self._look_for_late(settled)
        if outcome.left:
            self._round = Round(outcome.left, done.origin)
        else:
            done.origin.commit()
        return len(settled)

    def give_up(self, error: Exception) -> None:
        """Whatever is under way did not come to an end."""
        if self._round is not None:
            self.settle(Outcome(self._round.items, [], error))

    def spill(self) -> None:
        """From memory to disk, what is under way first: should it be delivered after all, it is forgotten there."""
        if self._round is not None and self._round.origin is None and not self._keep_round(self._round):
            return
        items = self._outbox.take(_ALL, _ALL)
        if not items:
            return
        written = self._append(items)
        self._outbox.free(items[:written])
        self._outbox.put_back(items[written:])

    def sync(self) -> None:
        """Make the spool survive the machine."""
        try:
            self.spool.sync()
        except OSError as error:
            self._report(Report("spool", f"the spool can't be synced: {error.strerror}", "look at the disk"))

    def close(self) -> None:
        """Leave to the next what is on disk, and say what is nowhere."""
        self.spill()
        if lost := self._outbox.held:
            self._report(
                Report("refused", "neither Kafka nor the spool took them", "see the reports before", chunks=lost)
            )
        self.spool.close()
        self.estate.close()

    def let_go(self) -> None:
        """Close the files and nothing else: they are another process's."""
        self.spool.let_go()
        self.estate.let_go()

    def _from_disk(self) -> Round | None:
        self._turn = not self._turn
        for origin in (self.spool, self.estate) if self._turn else (self.spool,):
            if origin and (items := origin.read(ROUND_BYTES, ROUND_CHUNKS)):
                return Round(items, origin)
        return None

    def _from_memory(self) -> Round | None:
        items = self._outbox.take(ROUND_BYTES, ROUND_CHUNKS)
        return Round(items, None) if items else None

    def _keep_round(self, current: Round) -> bool:
        """Copy what is under way to the spool, whose first chunks they become."""
        if self._append(current.items) < len(current.items):
            return False
        self.spool.skip()
        self._outbox.free(current.items)
        current.origin = self.spool
        return True

    def _append(self, items: Sequence[Item]) -> int:
        """Write to the spool, as many as it takes; what does not fit stays in memory and is tried again."""
        reason, hint = "", ""
        try:
            written = self.spool.append(items)
        except OSError as error:
            written, reason, hint = 0, f"the spool can't be written: {error.strerror}", "make room on its disk"
        if written < len(items) and not reason:
            reason, hint = "the spool is full", "bring Kafka back, or raise spool_bytes"
        if reason and not self._full:
            self._report(Report("spool", reason, hint, chunks=len(items) - written))
        self._full = bool(reason)
        return written

    def _look_for_late(self, items: Sequence[Item]) -> None:
        """Say which of what was spooled a closed request takes no more."""
        past = clock.now() - self._window
        late = [item for item in items if item.accepted < past]
        if late:
            self.late += len(late)
            text = "sent after session_window + revise_window: the ledger may refuse them as late"
            hint = "see dead letters with reason late: streamledger dead ls"
            self._report(Report("late", text, hint, late[0].key.decode(errors="replace"), len(late)))

    def _set_aside(self, items: Sequence[Item]) -> None:
        """Keep what Kafka never takes where it holds up nothing."""
        for item in items:
            request_id = item.key.decode(errors="replace")
            text = f"a chunk of {len(item.value):,} bytes is more than topic {self._topic} takes"
            try:
                path = self.spool.aside([item])
            except OSError as error:
                self._report(Report("refused", f"{text}; nor does the disk: {error.strerror}", "", request_id))
                continue
            self.aside += 1
            again = f"streamledger spool send --refused --dir {path.parent} --execute"
            hint = f"raise its max.message.bytes (streamledger topics --check), then: {again}"
            self._report(Report("aside", text, hint, request_id))

    def _damaged(self, path: Path, reason: str) -> None:
        text = f"{path}: {reason}; what is before that is sent"
        self._report(Report("spool", text, "the rest is kept under the ending .damaged", chunks=0))
