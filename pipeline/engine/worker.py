"""A worker process: check, start Faust in this process, run until a signal or until all is drained, leave in time.

Owns the event loop, signals and the exit status. Imports the app, preflight and `pipeline.settings`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

import faust
from aiokafka.errors import KafkaError

from pipeline.engine import seam
from pipeline.engine.app import EngineApp, create_app
from pipeline.engine.config import Config, Timing, configure
from pipeline.engine.delivery import BatchConsumer
from pipeline.engine.failpoint import arm_from
from pipeline.engine.heap import HeapKeeper
from pipeline.engine.loop import loop_factory
from pipeline.engine.membership import watch
from pipeline.engine.noise import LIBRARY, on_loop_error, quiet
from pipeline.engine.origin import Origin
from pipeline.engine.preflight import Cluster, preflight
from pipeline.engine.slot import claim
from pipeline.engine.telemetry import Telemetry
from pipeline.engine.watchdog import EXIT, Deadline, LoopWatch
from pipeline.errors import OK, AccessRefused, BrokerFault
from pipeline.exposition.server import listening
from pipeline.log import get_logger
from pipeline.settings import Settings, kept_off

log = get_logger(__name__)

FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 10.0
"""Seconds between two attempts to reach Kafka at the start."""

REMIND_SECONDS: Final = 60.0

CLOSE_SECONDS: Final = 2.0
"""Connections to a broker that does not answer may be slow to close."""

DRAIN_LOOKS: Final = 3
"""A topic counts as drained when it was so this often in a row: what closed between two looks is seen at the next."""

DRAIN_SECONDS: Final = 0.2

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

YOUNG: Final = 1_000_000
"""Containers made and not yet freed between two looks for cycles. The hot path makes no cycle, but what it makes lives
until the next checkpoint: a smaller number has the collector walk over all of it again and again, a sixth of the
worker's time with 100,000 open requests."""


class EngineWorker(faust.Worker):
    """Faust's worker without its signal handlers, ours are there before it starts; and silent on stdout."""

    logger = LIBRARY

    def install_signal_handlers(self) -> None:
        """Nothing; replaces mode.worker.Worker.install_signal_handlers."""


def run(
    settings: Settings,
    *,
    drain: bool = False,
    reset_to: str = "earliest",
    instance: str | None = None,
    timing: Timing | None = None,
) -> int:
    """Run a worker until SIGTERM or SIGINT; logging is set up by the caller.

    A failure that could lose or double records does not come back from here: it is logged in one line and the process
    ends with status 70, to be started again.

    Args:
        settings: Of the ledger.
        drain: Stop when every chunk that can be read is folded, and no request is closing.
        reset_to: Where a new ledger begins: `earliest`, `latest` or an RFC 3339 time.
        instance: Static membership: a name in the group that is this worker's again after a restart, so that its
            partitions wait for it instead of moving.
        timing: Other times than the defaults, for tests.

    Returns:
        Exit status: 0.

    Raises:
        UsageError: data_dir, reset_to, metrics_address, a certificate or STREAMLEDGER_FAILPOINTS is unusable.
        TopicDrift: The topics would break a promise.
        AccessRefused: Kafka refuses the login, or the right to look at the topics.
    """
    arm_from(os.environ)
    seam.put()
    quiet()
    config = configure(settings, instance=instance, origin=Origin.of(reset_to), timing=timing)
    telemetry = Telemetry(config)
    with listening(settings, telemetry.shown()):
        slot = claim(config.data_dir, config.group)
        worker = _Worker(config, slot.path, telemetry, drain=drain)
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                return runner.run(worker.run())
        finally:
            worker.deadline.cancel()
            slot.release()


class _Worker:
    """One run."""

    def __init__(self, config: Config, directory: Path, telemetry: Telemetry, *, drain: bool) -> None:
        self._config, self._directory, self._drain = config, directory, drain
        self._telemetry = telemetry
        self._stop = asyncio.Event()
        self._signalled = 0.0
        self.deadline = Deadline()

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(on_loop_error)
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        watch, heap = LoopWatch(self._config.timing.blocked), HeapKeeper()
        self._telemetry.pulse.start()
        try:
            cluster = await self._reach()
            if cluster is None:
                return OK
            watch.start(loop)
            heap.start()
            return await self._serve(cluster)
        finally:
            self._telemetry.pulse.stop()
            watch.stop()
            heap.stop()
            for number in _SIGNALS:
                loop.remove_signal_handler(number)  # uvloop would leave its own behind when it closes

    def _on_signal(self, number: signal.Signals) -> None:
        log.info("stopping", signal=number.name)
        self._telemetry.stopping = True
        self._stop.set()

    async def _reach(self) -> Cluster | None:
        """What preflight finds, as soon as Kafka answers; None if a signal comes first."""
        wait, told = FIRST_WAIT, 0.0
        while not self._stop.is_set():
            try:
                return await self._preflight()
            except AccessRefused:
                raise  # waiting does not help, and trying a wrong password again and again may lock a user out
            except BrokerFault as error:
                now = time.monotonic()
                if not told or now - told > REMIND_SECONDS:
                    told = now
                    log.warning("waiting for Kafka", reason=error.message)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), wait)
            wait = min(wait * 2, LONGEST_WAIT)
        return None

    async def _preflight(self) -> Cluster | None:
        """What preflight finds; None if a signal comes first: a broker that never answers must not keep us."""
        looking = asyncio.ensure_future(preflight(self._config))
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait([looking, stopping], return_when=asyncio.FIRST_COMPLETED)
            return looking.result() if looking.done() else None
        finally:
            stopping.cancel()
            looking.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await asyncio.wait_for(looking, CLOSE_SECONDS)

    async def _serve(self, cluster: Cluster) -> int:
        """Run the app until it is told to stop."""
        app = create_app(self._config, cluster, self._directory, self._telemetry.meter)
        self._telemetry.attach(app.engine, self._directory)
        worker = EngineWorker(app, quiet=True, override_logging=False, redirect_stdouts=False)
        gc.freeze()  # what is loaded by now stays: the collector need not look at it again
        gc.set_threshold(YOUNG, 10, 10)
        log.info("starting", ledger=self._config.group, partitions=cluster.partitions, data_dir=self._directory)
        worker.spinner = None
        running: asyncio.Future[Any] = asyncio.create_task(worker.start())
        member = asyncio.create_task(watch(cast("BatchConsumer", app.consumer), self._config.timing.outside))
        waits: list[asyncio.Future[Any]] = [asyncio.create_task(self._stop.wait()), member]
        if self._drain:
            waits.append(asyncio.create_task(_drained(app)))
        await asyncio.wait([running, *waits], return_when=asyncio.FIRST_COMPLETED)
        if member.done():
            app.engine.fail(member.exception() or RuntimeError("nobody watches the group any more"))
        for each in waits:
            each.cancel()
        crash = app.crash_reason or worker.crash_reason
        if crash is not None or (running.done() and not self._stop.is_set()):
            app.engine.fail(_blamed(crash or RuntimeError("Faust stopped by itself")))
        await self._leave(app, worker, running)
        log.info("stopped", **app.engine.figures())
        return OK

    async def _leave(self, app: EngineApp, worker: EngineWorker, running: asyncio.Future[Any]) -> None:
        """Last checkpoints, leave the group; whatever of Faust hangs after that is left behind (FAUST R3)."""
        log.info("leaving", **app.engine.figures())
        late = self._config.timing.leave + CLOSE_SECONDS
        self.deadline.start(late, lambda: EXIT if app.engine.owned else OK)
        try:
            async with asyncio.timeout(self._config.timing.leave):
                await worker.stop()
                await app.engine.stop()
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running
        except TimeoutError:
            unfinished = sorted(app.engine.owned)
            log.warning("not stopped in time, leaving", partitions=unfinished)
            sys.stderr.flush()
            os._exit(EXIT if unfinished else OK)


def _blamed(crash: BaseException) -> BaseException:
    """What Faust ended with: where it is one of Kafka's errors, Kafka went away before the worker was up."""
    if not isinstance(crash, KafkaError):
        return crash
    fault = kept_off(crash, "READ", "Kafka went away while the worker joined its group")
    fault.__cause__ = crash
    return fault


async def _drained(app: EngineApp) -> None:
    """Returns when all is drained."""
    looks = 0
    while looks < DRAIN_LOOKS:
        await asyncio.sleep(DRAIN_SECONDS)
        looks = looks + 1 if await app.engine.drained() else 0
