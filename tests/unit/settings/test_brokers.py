"""A client of aiokafka that knows no broker yet waits for one, and does not stumble over it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import CoordinatorNotAvailableError, KafkaConnectionError

from pipeline.settings import patient

VERSIONS, METADATA, COORDINATOR = 18, 3, 10
"""Kinds of requests."""


class Kafka:
    """A broker that names none, itself included, until it was asked `silent` times: as after a pause.

    Attributes:
        port: Where it listens.
        asked: How often it was asked for metadata.
    """

    def __init__(self, silent: float) -> None:
        """It does not listen yet."""
        self._silent, self.asked, self.port = silent, 0, 0
        self.tasks: set[Any] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection by the oldest versions."""
        self.tasks.add(asyncio.current_task())
        try:
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                request = await reader.readexactly(size)
                body = request[4:8] + self._body(struct.unpack(">h", request[:2])[0])
                writer.write(struct.pack(">i", len(body)) + body)
        except asyncio.IncompleteReadError:
            writer.close()
            await writer.wait_closed()

    def _body(self, kind: int) -> bytes:
        if kind == VERSIONS:
            return struct.pack(">hi", 0, 3) + b"".join(
                struct.pack(">hhh", each, 0, 0) for each in (VERSIONS, METADATA, COORDINATOR)
            )
        if kind == COORDINATOR:
            return struct.pack(">hi", CoordinatorNotAvailableError.errno, -1) + struct.pack(">hi", 0, 0)
        self.asked += 1
        host = b"127.0.0.1"
        known = self.asked > self._silent
        named = struct.pack(">iih", 1, 1, len(host)) + host + struct.pack(">i", self.port) if known else bytes(4)
        return named + bytes(4)


def at(kafka: Kafka, scenario: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    """Run a scenario with its address."""

    async def inside() -> None:
        server = await asyncio.start_server(kafka.answer, "127.0.0.1", 0)
        kafka.port = server.sockets[0].getsockname()[1]
        async with server:
            await scenario(f"127.0.0.1:{kafka.port}")
            await asyncio.wait(kafka.tasks)

    asyncio.run(inside())


def test_without_patience_the_library_stumbles() -> None:
    """Why there is anything to do: once aiokafka waits by itself, `patient` can go."""

    async def scenario(servers: str) -> None:
        kafka = AIOKafkaClient(bootstrap_servers=servers)
        try:
            await kafka.bootstrap()
            with pytest.raises(AssertionError, match="Did we not perform bootstrap"):
                await kafka.coordinator_lookup(CoordinationType.GROUP, "g")
        finally:
            await kafka.close()

    at(Kafka(silent=1), scenario)


@pytest.mark.parametrize("kind", [AIOKafkaConsumer, AIOKafkaProducer])
def test_a_client_starts_when_a_broker_is_named(kind: Any) -> None:
    """What it asks for then is answered, if only by an error of Kafka's; no connection is left from before."""
    kafka = Kafka(silent=3)

    async def scenario(servers: str) -> None:
        made = patient(kind(bootstrap_servers=servers))
        inner = made.client if kind is AIOKafkaProducer else made._client
        try:
            await made.start()
            assert [broker.nodeId for broker in inner.cluster.brokers()] == [1]
            assert [number for number in inner._conns if number[0] == "bootstrap"] == []
            with pytest.raises(CoordinatorNotAvailableError):
                await inner.coordinator_lookup(CoordinationType.GROUP, "g")
        finally:
            await made.stop()

    at(kafka, scenario)
    assert kafka.asked == 4


def test_a_kafka_that_never_names_a_broker_counts_as_not_there() -> None:
    """Within the time of one request."""

    async def scenario(servers: str) -> None:
        consumer = patient(AIOKafkaConsumer(bootstrap_servers=servers, request_timeout_ms=300))
        try:
            with pytest.raises(KafkaConnectionError, match="names no broker"):
                await consumer.start()
        finally:
            await consumer.stop()

    at(Kafka(silent=float("inf")), scenario)
