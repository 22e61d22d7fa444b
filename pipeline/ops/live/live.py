"""The three topics of a ledger followed into a picture, and what is to be seen of it now.

Owns the tails: where they begin, what they do while Kafka is away, how far behind they are. Reads read_committed and
without a group, never writes. Imports `pipeline.topics`, settings, the log and this room.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

from pipeline.errors import FoundProblem, KafkaUnreachable, StreamledgerError
from pipeline.log import get_logger
from pipeline.ops.live.keep import DEFAULT, Keep
from pipeline.ops.live.letters import refused_by
from pipeline.ops.live.look import look
from pipeline.ops.live.picture import Picture
from pipeline.ops.live.told import told_by
from pipeline.ops.live.view import ALL, Filter, Snapshot, Strip
from pipeline.settings import Settings
from pipeline.topics.bound import Bound
from pipeline.topics.reader import reading
from pipeline.topics.tail import Tail, following
from schemas.decode import ChunkRejected, decode

WINDOW: Final = 900
"""Seconds: as far as somebody who was called looks back first."""
BATCH: Final = 500
"""Records that are taken in before others in the same process get their turn: some milliseconds."""
WAIT_MS: Final = 250
LOOK_SECONDS: Final = 1.0
"""How often Kafka is asked where the topics end, and so whether it is there."""
ANSWER_SECONDS: Final = 5.0
ODD: Final = 1_000
"""Unreadable messages that are counted."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 5.0
STRAGGLING_MS: Final = 30_000
"""A record may come so much later than the deadline of its request says: restarts, checkpoints, retries."""

_T = TypeVar("_T")
_log = get_logger(__name__)


class _Grown(Exception):
    """A topic has more partitions than are read."""


class _Anew(Exception):
    """A topic ends before what was read of it: somebody has made it anew."""


class Live:
    """What a ledger does, kept up to date while `run` runs; one event loop."""

    def __init__(self, settings: Settings, *, window: int = WINDOW, keep: Keep = DEFAULT) -> None:
        """Nothing is read yet.

        Args:
            settings: Of the ledger's worker: topics, and the deadlines by which requests are taken for open.
            window: Seconds that figures speak of; at the start the topics are read from so long ago.
            keep: Bounds of memory.
        """
        self._settings, self._window, self._keep = settings, window, keep
        self._version = 0
        self._news = asyncio.Event()
        self._troubles: dict[str, str] = {}
        self._odd: deque[int] = deque(maxlen=ODD)
        self._behind: dict[str, int] = {}
        self._positions: dict[str, dict[int, int]] = {}
        self._takes: Mapping[str, Callable[[int, Any], None]] = {
            settings.chunk_topic: self._take_chunk,
            settings.record_topic: self._take_record,
            settings.dead_topic: self._take_letter,
        }
        self._picture = self._blank()

    async def run(self) -> None:
        """Follow the topics until cancelled; an outage, or a topic that is missing, is waited for and told."""
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    for topic in self._takes:
                        group.create_task(self._follow(topic))
            except* _Anew:
                _log.warning("a topic was made anew: what was read before is forgotten")
                self._picture = self._blank()
                self._positions.clear()
                self._behind.clear()

    # -- what is to be seen

    def snapshot(
        self,
        where: Filter = ALL,
        *,
        strips: int = 50,
        order: Literal["newest", "oldest"] = "newest",
        money: Sequence[str] = ("model", "provider"),
    ) -> Snapshot:
        """Everything now.

        Args:
            where: Which requests are meant.
            strips: How many requests are shown at most, …
            order: … and from which end: by the time they began.
            money: What usage and cost are grouped by: `model`, `provider`, `label.NAME`.

        Raises:
            UsageError: there is no such thing to group by.
        """
        now = int(time.time() * 1_000)
        seen = look(self._picture, now, where, money)
        return Snapshot(
            version=self._version,
            taken_at=now,
            ledger=self._settings.ledger,
            headline=seen.headline(self.behind),
            strips=seen.strips(strips, order),
            money=seen.money(self._keep.rows),
            dead=seen.dead(),
            trouble=self.trouble,
        )

    def strip(self, request_id: str) -> Strip | None:
        """One request, as far as it is remembered; None where it is not."""
        request = self._picture.find(request_id)
        return None if request is None else self._picture.draw(request)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of labels that were seen, as many as are kept."""
        return self._picture.labels

    @property
    def trouble(self) -> str | None:
        """What is wrong, in one plain sentence; None when all is well."""
        if self._troubles:
            return next(iter(self._troubles.values()))
        if self._picture.overflown:
            return f"more than {self._keep.requests + self._keep.bare:,} requests are open: the rest is not counted"
        since = int(time.time() - self._window) * 1_000
        if odd := sum(at > since for at in self._odd):
            return f"messages that could not be read: {odd:,}; no records, or of a version that is not known here"
        return None

    @property
    def behind(self) -> int:
        """Offsets that were not read yet when Kafka was last asked for the ends."""
        return sum(self._behind.values())

    @property
    def caught_up(self) -> bool:
        """Whether all topics were read up to the ends that they had when they were last asked."""
        return len(self._behind) == len(self._takes) and not any(self._behind.values())

    async def changed(self, since: int, timeout: float) -> int:  # noqa: ASYNC109 (its caller waits for either)
        """Wait until there is a version after `since`, `timeout` seconds at most.

        Returns:
            The version.
        """
        if self._version <= since:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), timeout)
        return self._version

    # -- what is read

    def _take(self, topic: str, taken: Mapping[int, Sequence[Any]]) -> None:
        """Take messages in; one that can't be is counted and holds up nothing (G4)."""
        take = self._takes[topic]
        for partition, records in taken.items():
            if topic == self._settings.chunk_topic:
                self._picture.chunks_rate.add_all([record.timestamp for record in records])
            for record in records:
                try:
                    take(partition, record)
                except Exception as error:  # noqa: BLE001 (whatever it is, it belongs to this message)
                    place = {"topic": topic, "partition": partition, "offset": record.offset}
                    _log.error("a message can't be shown", error=type(error).__name__, **place)
                    self._odd.append(record.timestamp)

    def _take_chunk(self, partition: int, record: Any) -> None:
        value = record.value
        if value is None or len(value) > self._settings.max_chunk_bytes:
            return  # what is refused comes as a dead letter
        try:
            chunk: Any = decode(value)
        except ChunkRejected:
            return
        if record.key == chunk.request_id.encode():
            self._picture.chunk(chunk, partition, record.offset, record.timestamp)

    def _take_record(self, partition: int, record: Any) -> None:
        told = told_by(record, partition)
        if told is None:
            self._odd.append(record.timestamp)
        else:
            self._picture.record(told)

    def _take_letter(self, _: int, record: Any) -> None:
        letter = refused_by(record)
        if letter is not None:
            self._picture.letter(letter)

    def _blank(self) -> Picture:
        told = self._settings
        longest = max(told.session_window, told.attempt_grace) + told.finish_grace
        patience = longest + told.clock_slack + told.checkpoint_interval + STRAGGLING_MS
        return Picture(self._keep, self._window * 1_000, told.chunk_topic, patience)

    # -- how it is read

    async def _follow(self, topic: str) -> None:
        """One topic, on and on."""
        pause = FIRST_PAUSE
        while True:
            try:
                if topic not in self._positions:
                    await self._begin(topic)
                async with following(self._settings, topic, self._positions[topic]) as tail:
                    pause = FIRST_PAUSE
                    await self._flow(topic, tail)
            except _Grown:
                _log.info("the topic has new partitions", topic=topic)
            except FoundProblem:
                await self._again(topic)
            except (StreamledgerError, TimeoutError) as error:
                self._say(topic, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # a consumer that stops may swallow it
                raise asyncio.CancelledError

    async def _begin(self, topic: str) -> None:
        """Find where the window begins."""
        now = int(time.time() * 1_000)
        since = now - self._window * 1_000
        firsts: dict[int, int] = {}
        async with asyncio.timeout(60), reading(self._settings, lambda _: None) as topics:
            for number in range(topics.partitions(topic)):
                firsts[number], _ = await topics.bounds(topic, number, Bound("", time=since))
        if topic == self._settings.chunk_topic:
            for number, first in firsts.items():
                if first > 0:
                    self._picture.begin(number, since + self._settings.session_window)
        self._positions[topic] = firsts

    async def _flow(self, topic: str, tail: Tail) -> None:
        """Read until something is in the way.

        Raises:
            _Grown: the topic has new partitions.
            KafkaUnreachable: no broker answers any more.
            FoundProblem: what was to be read next is not kept any more, or the topic was made anew.
        """
        loop = asyncio.get_running_loop()
        positions, ends, looked = self._positions[topic], dict[int, int](), 0.0
        positions |= await tail.positions()
        while True:
            taken: dict[int, list[Any]] = {}
            if looked:
                taken = await tail.batch(BATCH, WAIT_MS)
                self._take(topic, taken)
                positions |= await tail.positions()
            if loop.time() - looked >= LOOK_SECONDS or not looked:
                ends = await self._answered(topic, tail.ends())
                looked = loop.time()
                if tail.count() > len(tail.partitions):
                    raise _Grown
            behind = sum(max(end - positions[number], 0) for number, end in ends.items())
            well = self._troubles.pop(topic, None) is not None
            if taken or well or behind != self._behind.get(topic):
                self._behind[topic] = behind
                self._changed()

    async def _answered(self, topic: str, asked: Awaitable[_T]) -> _T:
        """An answer of Kafka.

        Raises:
            KafkaUnreachable: there is none in time.
        """
        try:
            return await asyncio.wait_for(asked, ANSWER_SECONDS)
        except (TimeoutError, KafkaUnreachable) as error:
            gone = KafkaUnreachable("Kafka stopped answering", hint="check the brokers")
            self._say(topic, gone)  # before the consumer is closed, which takes its time without a broker
            raise gone from error

    async def _again(self, topic: str) -> None:
        """Go on behind what retention has taken.

        Raises:
            _Anew: the topic ends before our position.
        """
        try:
            positions = self._positions[topic]
            async with asyncio.timeout(60), reading(self._settings, lambda _: None) as topics:
                for number in range(topics.partitions(topic)):
                    begin, end = await topics.bounds(topic, number)
                    if positions.get(number, begin) > end:
                        raise _Anew
                    positions[number] = max(positions.get(number, begin), begin)
        except (StreamledgerError, TimeoutError) as error:
            self._say(topic, error)
            await asyncio.sleep(FIRST_PAUSE)

    def _say(self, topic: str, error: StreamledgerError | TimeoutError) -> None:
        """Tell what is in the way; once for each trouble in the log too."""
        message = error.message if isinstance(error, StreamledgerError) else "Kafka stopped answering"
        hint = error.hint if isinstance(error, StreamledgerError) and error.hint else "it is tried again"
        text = f"{message} — {hint}"
        if self._troubles.get(topic) != text:
            self._troubles[topic] = text
            _log.warning("waiting", topic=topic, reason=message)
            self._changed()

    def _changed(self) -> None:
        """There is a new version."""
        self._version += 1
        self._news.set()
        self._news = asyncio.Event()
