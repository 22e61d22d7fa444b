"""Dead letters on a real Kafka: sending what is refused, reading the topic, redriving."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pipeline.ops.dead import Choice, Order, Report, place_of, redrive
from pipeline.ops.dead.letter import Letter, Receipt, read
from pipeline.settings import MESSAGE_BYTES, Settings
from pipeline.testing.chunk import encoded
from pipeline.testing.topic import append
from tests.integration.engine.harness import SECONDS, committed

Message = tuple[bytes | None, bytes | None]
"""Key and value."""

LONG_AFTER: Final = 7_200_000
"""ms: two hours from now every window of a record is over."""


def keyed(*chunks: Mapping[str, Any]) -> list[Message]:
    """Chunks under their own keys."""
    return [(str(each["request_id"]).encode(), encoded(each)) for each in chunks]


async def put(settings: Settings, messages: Iterable[Message]) -> None:
    """Messages to the chunk topic, all to partition 0, one after the other."""
    placed = [(key, value, 0) for key, value in messages]
    await append(settings, settings.chunk_topic, placed, max_request_size=MESSAGE_BYTES)


async def on_topic(settings: Settings, *, letters: int = 0, receipts: int = 0) -> tuple[list[Letter], list[Receipt]]:
    """What lies on the dead letter topic, once there is so much."""
    deadline = time.monotonic() + SECONDS
    while True:
        found = [read(each) for each in await committed(settings, settings.dead_topic)]
        told = [each for each in found if isinstance(each, Letter)]
        notes = [each for each in found if isinstance(each, Receipt)]
        if len(told) >= letters and len(notes) >= receipts:
            return told, notes
        assert time.monotonic() < deadline, f"{len(told)} letters, {len(notes)} receipts"


async def records(settings: Settings, at_least: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Records by request, in the order in which they were written."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in await committed(settings, settings.record_topic, at_least=at_least):
        told = json.loads(each.value or b"")
        found.setdefault(told["request_id"], []).append(told)
    return found


async def size(settings: Settings) -> list[int]:
    """How much lies on the three topics."""
    topics = (settings.chunk_topic, settings.record_topic, settings.dead_topic)
    return [len(await committed(settings, topic)) for topic in topics]


async def sent_back(settings: Settings, *places: str, later: int = 0, execute: bool = True, **order: Any) -> Report:
    """A redrive of these places, or of all; `later`: so many ms from now."""
    choice = order.pop("choice", Choice(places=frozenset(map(place_of, places)) or None))
    now = int(time.time() * 1_000) + later
    return await redrive(Order(choice, **order), settings, now, lambda _: None, execute=execute)


def outcomes(report: Report) -> dict[str, str]:
    """Outcome by request id."""
    return {str(verdict.request_id): verdict.outcome.value for verdict in report.verdicts}
