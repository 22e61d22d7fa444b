"""The worker's event loop: a connection that a broker resets is a broken connection, and nothing else."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionRequest

from pipeline.engine.loop import loop_factory


class Resets(asyncio.Protocol):
    """A broker that answers once what its versions are, and resets the connection at the next request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self.transport, self.asked = transport, 0

    def data_received(self, data: bytes) -> None:
        """No versions, then a reset."""
        self.asked += 1
        if self.asked == 1:
            body = data[8:12] + struct.pack(">hi", 0, 0)
            self.transport.write(struct.pack(">i", len(body)) + body)  # type: ignore[attr-defined]  # a transport
            return
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()  # type: ignore[attr-defined]  # as above


def test_what_is_written_to_a_connection_that_has_just_broken_is_an_error_of_kafka_s() -> None:
    """The client takes note of a reset a few turns of the loop later; who sends between gets what it can deal with."""

    async def scenario() -> list[BaseException | None]:
        server = await asyncio.get_running_loop().create_server(Resets, "127.0.0.1", 0)
        connection = AIOKafkaConnection("127.0.0.1", server.sockets[0].getsockname()[1])
        await connection.connect()
        broken: list[BaseException | None] = []
        protocol, lost = connection._protocol, connection._protocol.connection_lost

        def send() -> None:
            with pytest.raises(KafkaConnectionError):
                connection.send(ApiVersionRequest())
            broken.append(None)

        def connection_lost(error: Exception | None) -> None:
            asyncio.get_running_loop().call_soon(send)
            lost(error)

        protocol.connection_lost = connection_lost
        with pytest.raises(KafkaConnectionError):
            await connection.send(ApiVersionRequest())
        server.close()
        return broken

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        assert runner.run(scenario()) == [None]
