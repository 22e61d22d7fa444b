"""A worker for property tests: the working set with a store, commits and crashes, without Kafka."""

from collections.abc import Iterable, Sequence
from typing import Final

from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rows import MemoryRows, Outgoing, SourceRecord
from pipeline.testing.chunk import Document, encoded
from tests.ledger import START
from tests.property.deliveries import Delivery

POLICY: Final = Policy()
FOREVER: Final = 10**12
"""Ms after which everything is due."""


class Worker:
    """A partition as the engine drives it: what it sends counts only once it is committed, and it may crash."""

    def __init__(self, records: Iterable[SourceRecord], policy: Policy = POLICY) -> None:
        """Start with an empty store."""
        self.source, self.policy = list(records), policy
        self.rows = MemoryRows()
        self.sent: list[Outgoing] = []
        self.dead: list[Outgoing] = []
        self.partition = self._loaded()

    def _loaded(self) -> Partition:
        partition = Partition(self.policy, self.rows, "t", 0)
        partition.load()
        return partition

    def read(self, end: int) -> None:
        """Fold up to an offset, from wherever the partition is."""
        self.partition.apply(self.source[self.partition.position : end], end)
        self.partition.expire(self.partition.clock)

    def step(self, name: str) -> None:
        """One of the steps of a delivery."""
        if name == "finalize":
            self._finalize()
        elif name == "wall":
            self._expire_by_wall()
        elif name in ("checkpoint", "restart"):
            self._checkpoint()
        if name in ("restart", "crash"):
            self.partition = self._loaded()

    def finish(self) -> None:
        """Let all time pass, and commit."""
        self.partition.expire(self.partition.clock + FOREVER)
        self._finalize()
        self._checkpoint()

    def _expire_by_wall(self) -> None:
        """The wall clock closes what is due before the next record is appended: nothing was unread until then."""
        if self.partition.position < len(self.source):
            self.partition.expire(self.source[self.partition.position].timestamp - 1)

    def _finalize(self) -> None:
        for request_id in list(self.partition.closing):
            self.partition.finalize(request_id)

    def _checkpoint(self) -> None:
        snapshot = self.partition.snapshot()
        if snapshot is not None:
            self.rows.write(snapshot)
            self.partition.settled()
            self.sent += snapshot.records
            self.dead += snapshot.dead_letters


def worked(records: Sequence[SourceRecord], steps: Sequence[str], policy: Policy = POLICY) -> Worker:
    """A worker that went through these records; a step follows each of them, "" is none."""
    worker = Worker(records, policy)
    for end, step in enumerate(steps, 1):
        if step:
            worker.read(end)
            worker.step(step)
    worker.read(len(records))
    worker.finish()
    return worker


def delivered(delivery: Delivery, policy: Policy = POLICY) -> Worker:
    """A worker that went through a delivery in which no time passes."""
    records = [
        SourceRecord(each["request_id"].encode(), encoded(each), offset, START)
        for offset, each in enumerate(delivery.chunks)
    ]
    return worked(records, delivery.steps, policy)


def straight(chunks: Sequence[Document], policy: Policy = POLICY) -> Worker:
    """Each chunk once, in index order, in one batch."""
    return delivered(Delivery(list(chunks), [""] * len(chunks)), policy)
