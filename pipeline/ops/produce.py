"""Chunk JSON lines → the chunk topic: idempotent, acks=all, in the order of the lines.

Owns reading the lines as they come, the Kafka key of each, and the delivery of all of them or a clear reason. Imports
aiokafka, the publisher's connection, settings and errors.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from io import BufferedIOBase
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from pipeline.errors import AccessRefused, BrokerFault, KafkaUnreachable, UsageError
from pipeline.ingest.publish.connection import require_topic
from pipeline.settings import MESSAGE_BYTES, Settings, client, right, unreached
from pipeline.settings import producer as arguments

CONNECT_SECONDS: Final = 5.0
"""Deadline for the first answer: covers a broker that is just starting."""
STALL_SECONDS: Final = 30.0
"""Longest wait for one delivery: covers the election of a new leader."""
RETRY_SECONDS: Final = 0.2
STOP_SECONDS: Final = 5.0
READ_BYTES: Final = 1 << 18
PENDING: Final = 10_000
"""Chunks under way at once; keeps memory flat when the input is faster than the broker."""


class Sent(NamedTuple):
    """What has been read and delivered so far."""

    chunks: int
    bytes_read: int


class Line(NamedTuple):
    """One chunk on its way: its number in the input from 1, its Kafka key and value."""

    number: int
    key: bytes
    value: bytes


Progress = Callable[[Sent], None]


async def produce(
    source: BufferedIOBase,
    settings: Settings,
    *,
    progress: Progress = lambda _: None,
    connect_seconds: float = CONNECT_SECONDS,
    stall_seconds: float = STALL_SECONDS,
) -> Sent:
    """Send every line of `source` to the chunk topic and wait until Kafka has them all.

    A live source works: what is there is sent, without waiting for more. It stops at the first bad line, after the good
    ones before it have been delivered; sending them again later does no harm, because repeats are dropped.

    Args:
        source: JSON lines, opened as binary; `_kafka` of a line is left out, empty lines are skipped.
        settings: where to, and how to connect.
        progress: told the state after each block of input.
        connect_seconds: deadline for the first answer of Kafka.
        stall_seconds: longest time without any delivery.

    Raises:
        UsageError: a line is no JSON object with a request_id, or too large; the topic does not exist.
        KafkaUnreachable: no broker answers, or none any more.
        BrokerFault: Kafka refuses the chunks.

    """
    producer = AIOKafkaProducer(**arguments(settings, seconds=stall_seconds))
    delivery = _Delivery(producer, settings, stall_seconds, progress)
    try:
        await connect(producer, settings, connect_seconds)
        return await delivery.send_all(source)
    finally:
        delivery.forget()
        await hang_up(producer)


def unanswered(error: BaseException) -> bool:
    """Whether an error of the client means that Kafka stopped answering; else it has refused."""
    return isinstance(error, TimeoutError | KafkaTimeoutError) or getattr(error, "retriable", False)


async def hang_up(producer: AIOKafkaProducer) -> None:
    """Stop a producer. After a failure it may wait for brokers that are gone; its connections end with the process."""
    await asyncio.wait([asyncio.ensure_future(producer.stop())], timeout=STOP_SECONDS)


def parse(number: int, line: bytes) -> Line:
    """Key and value of a line; the value keeps its bytes unless `_kafka` has to come out.

    Raises UsageError, with the line's number and nothing of its content, for what is no chunk.
    """
    try:
        chunk: Any = json.loads(line)
        key = chunk["request_id"].encode("utf-8")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        key = b""
    if not key:
        raise UsageError(
            f"line {number} is no JSON object with a request_id; the lines before it were sent",
            hint="correct it and run again: repeats are dropped by the ledger",
        )
    if "_kafka" in chunk:
        del chunk["_kafka"]
        line = json.dumps(chunk, separators=(",", ":")).encode("ascii")
    return Line(number, key, line)


class _Delivery:
    """The chunks under way, oldest first."""

    def __init__(
        self, producer: AIOKafkaProducer, settings: Settings, stall_seconds: float, progress: Progress
    ) -> None:
        self._producer = producer
        self._topic = settings.chunk_topic
        self._servers = settings.bootstrap_servers
        self._stall = stall_seconds
        self._progress = progress
        self._pending: deque[tuple[int, asyncio.Future[Any]]] = deque()
        self._delivered = 0
        self._read = 0

    async def send_all(self, source: BufferedIOBase) -> Sent:
        """Send line by line; a bad line is raised when the lines before it have been delivered."""
        number = 0
        bad: UsageError | None = None
        async for block, size in _blocks(source):
            self._read += size
            for line in block:
                number += 1
                if not line.strip():
                    continue
                try:
                    await self._send(parse(number, line))
                except UsageError as error:
                    bad = error
                    break
            if bad is not None:
                break
            await self._settle(keep=PENDING)
            self._progress(Sent(self._delivered, self._read))
        await self._settle(keep=0)
        self._progress(Sent(self._delivered, self._read))
        if bad is not None:
            raise bad
        return Sent(self._delivered, self._read)

    def forget(self) -> None:
        """Look at the outcome of what is still under way, so that asyncio reports no exception as forgotten."""
        for _, future in self._pending:
            future.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _send(self, line: Line) -> None:
        """Hand one chunk to the client, which batches it; waits while its buffers are full."""
        try:
            future = await self._producer.send(self._topic, line.value, key=line.key)
        except KafkaError as error:
            raise self._refused(line.number, error) from error
        self._pending.append((line.number, future))

    async def _settle(self, *, keep: int) -> None:
        """Take what has been delivered off the list, and wait until no more than `keep` are on it."""
        while self._pending and (len(self._pending) > keep or self._pending[0][1].done()):
            number, future = self._pending.popleft()
            try:
                await asyncio.wait_for(future, self._stall)
            except (KafkaError, TimeoutError) as error:
                raise self._refused(number, error) from error
            self._delivered += 1

    def _refused(self, number: int, error: Exception) -> Exception:
        """What to say of a chunk that could not be delivered."""
        if isinstance(error, MessageSizeTooLargeError):
            text = f"line {number} is larger than topic {self._topic} takes; the lines before it were sent"
            return UsageError(text, hint="leave it out: the worker would take it for oversize")
        if unanswered(error):
            text = f"Kafka at {self._servers} stopped answering at line {number}"
            return KafkaUnreachable(text, hint="run again when it is back: repeats are dropped by the ledger")
        refused = right(error, "WRITE", topic=self._topic)
        if refused is not None:
            return AccessRefused(f"{refused.message}: line {number} and what follows was not sent", hint=refused.hint)
        text = f"Kafka refused line {number}: {type(error).__name__}"
        return BrokerFault(text, hint=f"check the rights of this user on topic {self._topic}")


async def connect(producer: AIOKafkaProducer, settings: Settings, seconds: float = CONNECT_SECONDS) -> None:
    """Wait for a first answer and make sure of the topic: a topic that a broker makes up has the wrong clock.

    Raises:
        KafkaUnreachable: no broker answers.
        AccessRefused: a login or a right is refused.
        UsageError: the topic does not exist.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    started = False
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                if not started:
                    await producer.start()
                    started = True
                await require_topic(producer, settings)
            break
        except (KafkaError, TimeoutError, OSError) as error:
            refused = right(error, "DESCRIBE", topic=settings.chunk_topic)
            if isinstance(error, KafkaConnectionError):
                found = await unreached(client(settings))
                refused = found if isinstance(found, AccessRefused) else None
            if refused is not None:
                raise refused from error
            if loop.time() + RETRY_SECONDS >= deadline:
                raise KafkaUnreachable(
                    f"no Kafka answers at {settings.bootstrap_servers}",
                    hint="check bootstrap_servers and security_protocol; --log-level debug shows what the client tried",
                ) from error
        await asyncio.sleep(RETRY_SECONDS)


async def _blocks(source: BufferedIOBase) -> AsyncIterator[tuple[list[bytes], int]]:
    """Whole lines as soon as they are there, with the number of bytes read for them."""
    rest = b""
    while True:
        await _readable(source)
        data = source.read1(READ_BYTES)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > MESSAGE_BYTES:  # too long for any topic: let it be refused now, not when memory is full
            lines, rest = [*lines, rest], b""
        yield lines, len(data)
    if rest:
        yield [rest], 0


async def _readable(source: BufferedIOBase) -> None:
    """Wait until a pipe or terminal has data. Files and memory always do; the event loop can't watch them."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        descriptor = source.fileno()
        loop.add_reader(descriptor, ready.set)
    except OSError:
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
