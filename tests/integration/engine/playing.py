"""The closing table played on a broker: every row at its pace, all at once, under keys of their own.

What came too late or too early for its row, by the broker's own append times, is played again under another key: a
machine that stood still for a second proves nothing about graces. What is left of it must still be what `fold` says.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from pipeline.settings import Settings, client
from tests.closing.scenario import PROPORTIONS, Scenario

MARGIN: Final = 0.3 * PROPORTIONS["finish_grace"]
"""Ms by which a chunk may come later than its row says."""

EARLY: Final = 150.0
"""The same for earlier: clocks that turn by milliseconds, and a producer that hears of its append later than it was."""

TRIES: Final = 6


@dataclass(frozen=True)
class Played:
    """How a row came to lie in the topic: under which key, and where each of its chunks."""

    scenario: Scenario
    request_id: str
    partition: int
    offsets: tuple[int, ...]


async def play(settings: Settings, scenarios: Sequence[Scenario]) -> list[Played]:
    """Play all rows; those that are alone share the last partition, the others the rest."""
    producer = AIOKafkaProducer(**client(settings), acks="all", enable_idempotence=True)
    await producer.start()
    try:
        rows = enumerate(scenarios)
        places = [(row, settings.partitions - 1 if row.alone else at % (settings.partitions - 1)) for at, row in rows]
        return await asyncio.gather(*(_play(producer, settings.chunk_topic, *place) for place in places))
    finally:
        await producer.stop()


async def _play(producer: Any, topic: str, scenario: Scenario, partition: int) -> Played:
    for attempt in range(TRIES):
        request_id = scenario.name + (f"~{attempt}" if attempt else "")
        offsets = await _once(producer, topic, scenario, request_id, partition)
        if offsets is not None:
            return Played(scenario, request_id, partition, offsets)
    raise AssertionError(f"{scenario.name} did not come at its pace in {TRIES} tries: the machine is too slow")


async def _once(
    producer: Any, topic: str, scenario: Scenario, request_id: str, partition: int
) -> tuple[int, ...] | None:
    """Offsets of its chunks; None once one of them came at another time than it should have."""
    offsets: list[int] = []
    appended, heard = 0, time.monotonic()
    for wait, document in scenario.sends(request_id):
        await asyncio.sleep(max(0.0, heard + wait / 1_000 - time.monotonic()))
        value, key = json.dumps(document).encode(), request_id.encode()
        place = await producer.send_and_wait(topic, value, key=key, partition=partition)
        heard = time.monotonic()
        if offsets and not -EARLY <= place.timestamp - appended - wait <= MARGIN:
            return None
        appended = place.timestamp
        offsets.append(place.offset)
    return tuple(offsets)
