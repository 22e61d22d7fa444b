"""Keeps out of the log what looks like a failure and is none, and says a thing once that a library says many times.

Owns a list of messages of aiokafka, mode and asyncio with why they are harmless. Imports the standard library and
aiokafka's errors.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final

from aiokafka.errors import KafkaError, NotEnoughReplicasError

REPEAT_SECONDS: Final = 30.0

REMEMBERED: Final = 1_000
"""Messages remembered at most."""

LIBRARY: Final = logging.getLogger("mode.engine")
"""Of our subclasses of Faust: mode would log their starts and stops under our own modules' names."""

CHATTY: Final = (
    "aiokafka",
    "aiokafka.client",
    "aiokafka.conn",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.producer.sender",
)
"""Loggers that report every attempt of a retry; a filter acts only on the logger it is set on."""


class Once(logging.Filter):
    """Lets a message through once in a while, whatever its arguments."""

    def __init__(self, seconds: float = REPEAT_SECONDS) -> None:
        """Remember a message for `seconds`."""
        super().__init__()
        self._seconds = seconds
        self._seen: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        if _harmless(record):
            return False
        template, now = str(record.msg), time.monotonic()
        if now - self._seen.get(template, -self._seconds) < self._seconds:
            return False
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()  # a library that formats before it logs makes every message a new one
        self._seen[template] = now
        return True


def quiet() -> None:
    """Filter the loggers of aiokafka."""
    for name in CHATTY:
        logger = logging.getLogger(name)
        if not any(isinstance(each, Once) for each in logger.filters):
            logger.addFilter(Once())


def _harmless(record: logging.LogRecord) -> bool:
    """Kafka 4 answers the first produce of a transaction by an older protocol with a retriable error (KIP-890)."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    return record.name == "aiokafka.producer.sender" and any(_is_not_enough_replicas(each) for each in arguments)


def _is_not_enough_replicas(argument: object) -> bool:
    return argument is NotEnoughReplicasError or isinstance(argument, NotEnoughReplicasError)


def on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A report of asyncio on a future that nobody looked at; aiokafka leaves one behind at every failed transaction."""
    error = context.get("exception")
    if isinstance(error, KafkaError) and "future" in context:
        return
    loop.default_exception_handler(context)
