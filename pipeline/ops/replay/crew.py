"""The partitions of a replay over processes: one process folds one partition after the other.

Owns starting, feeding and ending them: the first error ends all, and none outlives its parent. The core is bound to one
processor, so a replay is as fast as there are processors and partitions. Imports the job.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Sequence
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import PurePath
from typing import Final, NamedTuple

from pipeline import log
from pipeline.engine.loop import loop_factory
from pipeline.engine.spill import memory
from pipeline.errors import OurFault, StreamledgerError
from pipeline.ops.replay.job import Outcome, run_share
from pipeline.ops.replay.order import Order, Share
from pipeline.pricing import valuation
from pipeline.topics.reader import Progress, Seen

SAY_SECONDS: Final = 0.2
"""Between two reports of a process."""

END_SECONDS: Final = 5.0
"""A process that was told to end may take so long."""

YOUNG: Final = 1_000_000
"""As the worker's: the fold makes no cycles, and what it makes lives until the next checkpoint."""


class Said(NamedTuple):
    """How far a process is with a partition: offsets read, and known to be there."""

    partition: int
    done: int
    total: int


def run(order: Order, shares: Sequence[Share], processes: int, progress: Progress) -> list[Outcome]:
    """Replay partitions over processes; what became of each, by partition.

    Raises:
        StreamledgerError: the first that one of the processes ended with; the others were stopped.
    """
    crew = _Crew(order, shares, progress)
    try:
        for _ in range(max(1, min(processes, len(shares)))):
            crew.hire()
        return crew.work()
    finally:
        crew.dismiss()


class _Crew:
    """The processes, and what is left for them to do."""

    def __init__(self, order: Order, shares: Sequence[Share], progress: Progress) -> None:
        self._order, self._progress = order, progress
        self._waiting = deque(sorted(shares, key=lambda share: share.begin - share.until))
        self._members: dict[Connection, BaseProcess] = {}
        self._busy: dict[Connection, Share] = {}
        self._seen = {share.partition: (0, share.until - share.begin) for share in shares}
        self._outcomes: list[Outcome] = []

    def hire(self) -> None:
        """Start one, with something to do; a partition of many chunks goes first."""
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(self._order, theirs), daemon=True)
        process.start()
        theirs.close()
        self._members[ours] = process
        self._feed(ours)

    def _feed(self, member: Connection) -> None:
        if self._waiting:
            self._busy[member] = self._waiting.popleft()
            member.send(self._busy[member])

    def work(self) -> list[Outcome]:
        """Until every partition is done."""
        while self._busy:
            for member in wait(list(self._busy)):
                if isinstance(member, Connection):
                    self._hear(member)
        return sorted(self._outcomes, key=lambda outcome: outcome.share.partition)

    def _hear(self, member: Connection) -> None:
        try:
            told = member.recv()
        except (EOFError, ConnectionError):
            process = self._members[member]
            process.join(END_SECONDS)
            share = self._busy[member]
            text = f"a process of the replay ended by itself (exit {process.exitcode})"
            hint = "was memory short? --processes 1 needs less; with --resume it goes on where it was"
            raise OurFault(text, hint=hint, partition=share.partition) from None
        if isinstance(told, Exception):
            raise told
        if isinstance(told, Outcome):
            self._outcomes.append(told)
            del self._busy[member]
            self._feed(member)
        else:
            self._seen[told.partition] = told.done, told.total
            done, total = (sum(column) for column in zip(*self._seen.values(), strict=True))
            self._progress(Seen("replaying", done, total))

    def dismiss(self) -> None:
        """End all of them, whatever they do: what they had not noted counts for nothing."""
        for member, process in self._members.items():
            member.close()
            process.terminate()
        for process in self._members.values():
            process.join(END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()


def _serve(order: Order, parent: Connection) -> None:
    """One process: partitions in, outcomes out, until the parent closes the pipe or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who ends us
    _tie()
    try:
        _work(order, parent)
    except (EOFError, ConnectionError):
        return
    except StreamledgerError as error:
        parent.send(error)
    except OSError as error:  # a disk that is full is no bug; what was written has no name of its own
        parent.send(type(error)(error.errno, error.strerror, error.filename or str(order.work)))
    except Exception as bug:  # noqa: BLE001  whatever it is, the parent has to say it; its text may quote content (G7)
        place = traceback.extract_tb(bug.__traceback__)[-1]
        where = f"{'/'.join(PurePath(place.filename).parts[-3:])}:{place.lineno}"
        parent.send(OurFault(f"internal error: {type(bug).__name__} at {where}"))


def _tie() -> None:
    """End with the parent, however it ends."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _work(order: Order, parent: Connection) -> None:
    log.configure(level=order.settings.log_level, form=order.settings.log_format, third_party="critical")
    prices, budget = valuation(order.settings), memory()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        while True:
            share: Share = parent.recv()
            reporter = _Reporter(parent, share.partition)
            parent.send(runner.run(run_share(order, share, prices, budget, reporter.say)))


class _Reporter:
    """Tells the parent now and then how far a partition is."""

    def __init__(self, parent: Connection, partition: int) -> None:
        self._parent, self._partition = parent, partition
        self._said = 0.0

    def say(self, done: int, total: int) -> None:
        """Send it, if the last was some time ago."""
        now = time.monotonic()
        if done == total or now - self._said > SAY_SECONDS:
            self._said = now
            self._parent.send(Said(self._partition, done, total))
