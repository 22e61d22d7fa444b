"""A load from start to end: sends, waits where it must, stops in order, and says what came of it.

Owns the pace and the reaction to signals. Imports aiokafka, settings, `pipeline.ops.produce` and its siblings.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, Final, NamedTuple, Protocol

from aiokafka import AIOKafkaProducer

from pipeline.ops.load.choice import Choice
from pipeline.ops.load.course import Clocks, Course, Send
from pipeline.ops.load.feed import BATCH_BYTES, Feed
from pipeline.ops.load.ledger import Ledger
from pipeline.ops.load.lines import Lines
from pipeline.ops.produce import STALL_SECONDS, connect, hang_up
from pipeline.settings import Settings
from pipeline.settings import producer as arguments

BURST: Final = 2_000
"""Most chunks between two looks at the clock and at signals."""
TICK_SECONDS: Final = 0.005
"""Chunks of this time go out together: a gateway's batch."""
SHOW_SECONDS: Final = 0.2
DRY_START: Final = 1_795_449_600_000
"""When the first request of a dry load begins, so that equal seeds print equal lines: 2026-11-23T16:00:00Z."""
DRY_STEP: Final = 10
"""Milliseconds between the beginnings of its requests."""

Show = Callable[[str, int, int], None]
"""Told in words how it goes, and what is done of what."""


class Sink(Protocol):
    """Where chunks go: Kafka or lines."""

    sent: int
    size: int

    async def send(self, chunks: Iterable[Send]) -> None:
        """Take chunks."""

    async def flush(self) -> None:
        """Let go of what was taken."""

    async def settle(self) -> None:
        """Return when all of it has arrived."""


@dataclass(frozen=True)
class Outcome:
    """What a load did.

    Attributes:
        chunks, bytes: Sent, repeats among them.
        seconds: From the first chunk until all had arrived.
        streams: Different ones that the requests were made of.
        interrupted: Whether it was stopped before its end.
    """

    chunks: int
    bytes: int
    seconds: float
    streams: int
    interrupted: bool


class Live(NamedTuple):
    """What a load goes by.

    Attributes:
        clocks: Of the requests.
        waits: Whether late chunks are waited for.
    """

    clocks: Clocks
    waits: bool


def _now() -> int:
    return int(time.time() * 1_000)


def _pace() -> float:
    return time.monotonic() * 1_000


def _run(choice: Choice) -> str:
    """Part of the ids of a load: another one for each, because a request id is never used again."""
    return f"{choice.seed}-{_now():x}"


async def load(settings: Settings, choice: Choice, ledger: Ledger, show: Show = lambda *_: None) -> Outcome:
    """Send a load to the chunk topic, idempotent and with acks=all, and wait until Kafka has it.

    SIGINT and SIGTERM begin nothing more and end what is open with an error of type request_cancelled; a second one
    ends at once, what is on its way is then `unsure` in the ledger.

    Args:
        settings: Where to, and how to connect.
        choice: What.
        ledger: Told of each request when all of it has arrived.
        show: Told how it goes.

    Raises:
        UsageError: The topic does not exist, or takes no chunks of this size.
        KafkaUnreachable: No broker answers, or none any more.
        BrokerFault: Kafka refuses the chunks.
    """
    own = {"linger_ms": 0, "max_batch_size": BATCH_BYTES}  # the feed makes its batches itself
    producer = AIOKafkaProducer(**(arguments(settings, seconds=STALL_SECONDS) | own))
    try:
        await connect(producer, settings)
        partitions = len(await producer.partitions_for(settings.chunk_topic))
        live = Live(Clocks(_now, _pace), waits=True)
        course = Course(choice, _run(choice), live.clocks)
        feed = Feed(producer, settings.chunk_topic, partitions, _noted(course, ledger))
        return await _Drive(course, feed, choice, live, show).run(ledger)
    finally:
        await hang_up(producer)


async def dry(file: BinaryIO, choice: Choice, ledger: Ledger, show: Show = lambda *_: None) -> Outcome:
    """Write a load as lines. Without real timing equal seeds give equal bytes: times are made up, nothing waits.

    Args:
        file: Where to.
        choice: What.
        ledger: Told of each request.
        show: Told how it goes.
    """
    real = choice.timing == "real"
    ticks = iter(range(DRY_START, 1 << 53, DRY_STEP))
    clocks = Clocks(_now, _pace) if real else Clocks(lambda: next(ticks), lambda: 0.0)
    course = Course(choice, _run(choice) if real else f"{choice.seed}", clocks)
    sink = Lines(file, _noted(course, ledger))
    return await _Drive(course, sink, choice, Live(clocks, waits=real), show).run(ledger)


def _noted(course: Course, ledger: Ledger) -> Callable[[list[tuple[bytes, Any]], int], None]:
    def arrived(marks: list[tuple[bytes, Any]], _: int) -> None:
        for key, request in marks:
            del course.unsettled[key]
            ledger.note(request)

    return arrived


class _Drive:
    """One load."""

    def __init__(self, course: Course, sink: Sink, choice: Choice, live: Live, show: Show) -> None:
        self._course, self._sink, self._choice, self._live, self._show = course, sink, choice, live, show
        self._stopped = False
        self._began = self._shown = time.monotonic()

    async def run(self, ledger: Ledger) -> Outcome:
        """All of it."""
        try:
            with self._signals():
                self._began = time.monotonic()
                await (self._at_their_pace() if self._choice.timing == "real" else self._in_turns())
                await self._rest()
                await self._sink.settle()
                seconds = time.monotonic() - self._began
        except BaseException:
            for request in self._course.unsettled.values():
                if request.at:
                    request.state = "unsure"
                    ledger.note(request)
            raise
        return Outcome(self._sink.sent, self._sink.size, seconds, self._course.streams, self._stopped)

    async def _in_turns(self) -> None:
        """As fast as it goes, or at a rate."""
        chunks, rate = self._course.turns(), self._choice.rate
        while not self._stopped:
            passed = self._look()
            due = min(BURST, int(passed * rate) + 1 - self._sink.sent) if rate else BURST
            if due > 0:
                before = self._sink.sent
                await self._sink.send(islice(chunks, due))
                if self._sink.sent == before:
                    return
            await self._sink.send(self._course.late(self._live.clocks.pace()))
            if rate:
                await self._sink.flush()
            await asyncio.sleep(TICK_SECONDS if rate and due < BURST else 0)

    async def _at_their_pace(self) -> None:
        """Each chunk when its stream would have it."""
        while not self._stopped:
            self._look()
            now = self._live.clocks.pace()
            await self._sink.send(self._course.timed(now))
            await self._sink.send(self._course.late(now))
            await self._sink.flush()
            if self._course.due is None and not self._course.more:
                return
            await asyncio.sleep(TICK_SECONDS)

    async def _rest(self) -> None:
        """What is still to come when all else is sent, or the end of everything that is open."""
        while self._course.held and self._live.waits and not self._stopped:
            self._look()
            await self._sink.send(self._course.late(self._live.clocks.pace()))
            await self._sink.flush()
            await asyncio.sleep(TICK_SECONDS)
        await self._sink.send(self._course.stop())

    def _look(self) -> float:
        """Seconds that have passed; nothing begins after its time, and who looks is told now and then."""
        now = time.monotonic()
        passed, choice = now - self._began, self._choice
        if choice.seconds is not None and passed >= choice.seconds:
            self._course.ending = True
        if now - self._shown >= SHOW_SECONDS:
            self._shown = now
            words = f"{self._sink.sent:,} chunks, {self._sink.sent / passed:,.0f}/s, {self._course.open:,} open;"
            if choice.requests is not None:
                self._show(words, self._course.begun - self._course.open, choice.requests)
            else:
                self._show(words, min(int(passed), int(choice.seconds or 0)), int(choice.seconds or 0))
        return passed

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """The first one stops in order, the second one at once."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        numbers = (signal.SIGINT, signal.SIGTERM)

        def stop() -> None:
            if self._stopped and task is not None:
                task.cancel()
            self._stopped = True

        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # no main thread, no signals
            for number in numbers:
                loop.add_signal_handler(number, stop)
        try:
            yield
        finally:
            with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
                for number in numbers:
                    loop.remove_signal_handler(number)
