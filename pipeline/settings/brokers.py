"""A client of aiokafka is connected when it knows a broker: not before.

A Kafka whose only broker was paused answers before its controller takes the broker in again, and then names none.
aiokafka takes that for an answer, and what asks for a coordinator ends with an AssertionError ("Did we not perform
bootstrap?"); a client that loses this first connection never learns of a broker any more. Imports aiokafka.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

PAUSE_SECONDS: Final = 0.2
"""Between two questions. A controller takes a broker in at its next heartbeat, which comes every 2 s."""


def patient(made: Any) -> Any:
    """A producer, consumer or admin client whose `start` returns when a broker is known; the same object.

    It waits as long as for one answer (`request_timeout_ms`), then it raises KafkaConnectionError as for a Kafka that
    does not answer. Wraps AIOKafkaClient.bootstrap of this one client; leans on its `_conns` and `_request_timeout_ms`.
    """
    kafka = made.client if hasattr(made, "client") else made._client  # noqa: SLF001 (a consumer's has no other name)
    ask = kafka.bootstrap

    async def bootstrap() -> None:
        from aiokafka.errors import KafkaConnectionError  # noqa: PLC0415 (commands without Kafka do without it)

        loop = asyncio.get_running_loop()
        deadline = loop.time() + kafka._request_timeout_ms / 1_000  # noqa: SLF001
        await ask()
        while not kafka.cluster.brokers():
            for number in [each for each in kafka._conns if each[0] == "bootstrap"]:  # noqa: SLF001
                kafka._conns.pop(number).close()  # noqa: SLF001 (kept for updates, of which there is no other way)
            if loop.time() > deadline:
                raise KafkaConnectionError("Kafka answers and names no broker")
            await asyncio.sleep(PAUSE_SECONDS)
            await ask()

    kafka.bootstrap = bootstrap
    return made
