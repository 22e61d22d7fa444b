"""A replay from an order to its outcomes, with all records in files; what is done with them comes after.

Imports plan, crew and the reader of topics.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pipeline.ops.replay.crew import run
from pipeline.ops.replay.job import DIFFERENCES, Outcome
from pipeline.ops.replay.note import LEFT, RECORDS, ROWS, TRACES
from pipeline.ops.replay.order import Order, Share, shares
from pipeline.ops.replay.plan import load, save
from pipeline.topics.reader import Progress, reading


@dataclass(frozen=True)
class Replayed:
    """A replay that is done.

    Attributes:
        order: with the time at which it began, if it was gone on with.
        outcomes: by partition.
    """

    order: Order
    outcomes: Sequence[Outcome]

    def files(self, name: str) -> Iterator[Path]:
        """The file of this name of each partition, in order; where a partition had nothing to write it is empty."""
        return (self.order.work / f"{outcome.share.partition:04d}" / f"{name}.jsonl" for outcome in self.outcomes)

    def copy(self, name: str, sink: BinaryIO) -> None:
        """Write the lines of all partitions, one partition after the other."""
        for path in self.files(name):
            with path.open("rb") as source:
                shutil.copyfileobj(source, sink, 1 << 20)


def replay(order: Order, processes: int, progress: Progress) -> Replayed:
    """Fold a range of the chunk topic, or go on with it.

    Raises:
        UsageError: topic or partition does not exist; the directory is that of another replay.
        KafkaUnreachable: no broker answers.
        OurFault: a store can't be used, or a process died.
    """
    plan = load(order)
    if plan is None:
        plan = save(order, asyncio.run(_shares(order)))
    order = replace(order, now=plan.now)
    return Replayed(order, run(order, plan.shares, processes, progress))


async def _shares(order: Order) -> list[Share]:
    async with reading(order.settings, lambda _: None) as topics:
        return await shares(topics, order)


__all__ = ["DIFFERENCES", "LEFT", "RECORDS", "ROWS", "TRACES", "Replayed", "replay"]
