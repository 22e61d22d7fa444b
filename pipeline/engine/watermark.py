"""Ends of partitions, asked of the broker at this moment: what expiry and the watchdog decide by.

A watermark that came with an earlier fetch is worth nothing after the process was stopped for a while. Owns two clients
that read nothing: one sees what is in the log (high watermark), one what a read_committed reader can see (last stable
offset). Imports aiokafka and the configuration.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from pipeline.engine.config import Config
from pipeline.settings import patient

ANSWER_SECONDS: Final = 5.0
"""A broker that needs longer is not answering, and then nothing expires."""


class Watermarks:
    """Asks for ends; an answer of None means the broker did not answer in time."""

    def __init__(self, config: Config) -> None:
        """Keep the configuration; `start` connects."""
        self._config = config
        self._clients: dict[str, Any] = {}
        self._starting = asyncio.Lock()

    async def high(self, tp: TopicPartition) -> int | None:
        """End of the log, open transactions included."""
        return await self._ask("read_uncommitted", tp)

    async def stable(self, tp: TopicPartition) -> int | None:
        """End of what a read_committed reader can see."""
        return await self._ask("read_committed", tp)

    async def _ask(self, isolation: str, tp: TopicPartition) -> int | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                client = await self._client(isolation)
                ends: dict[TopicPartition, int] = await client.end_offsets([tp])
                return ends[tp]
        except (KafkaError, TimeoutError):
            return None

    async def _client(self, isolation: str) -> Any:
        async with self._starting:
            if isolation not in self._clients:
                client = patient(
                    AIOKafkaConsumer(
                        **self._config.client,
                        isolation_level=isolation,
                        enable_auto_commit=False,
                        request_timeout_ms=int(self._config.timing.request * 1_000),
                    )
                )
                try:
                    await client.start()
                except BaseException:
                    await client.stop()
                    raise
                self._clients[isolation] = client
            return self._clients[isolation]

    async def stop(self) -> None:
        """Close the connections."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.stop()
