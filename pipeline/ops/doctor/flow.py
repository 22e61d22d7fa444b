"""All checks in order: first what needs no Kafka, then Kafka, then the ledger's own topics.

Nothing is written to any topic, and no group is joined. What this user may not see is said and passed over. Imports its
siblings, `topics.group`, the price list and the settings.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from aiokafka.errors import KafkaError

from pipeline.errors import BrokerFault, UsageError
from pipeline.ops.doctor import brokers, disk, exposure, ledger, prices, program, topics
from pipeline.ops.doctor.cluster import Cluster, gather
from pipeline.ops.doctor.finding import Finding, fine, wrong
from pipeline.ops.doctor.ledger import Books
from pipeline.ops.doctor.newest import ends, listen
from pipeline.settings import Loaded, Settings
from pipeline.topics.admin import definitions
from pipeline.topics.group import Group, group_of

LISTEN_SECONDS: Final = 2.0
"""Longer than a checkpoint interval: a ledger with traffic appends something meanwhile."""
MESSAGES_BACK: Final = 16
ROWS_BACK: Final = 64
"""Offsets that are looked at; half of them may be marks of transactions, and restarts leave rows of their own."""
PATIENCE: Final = 10
"""Checkpoint intervals in which a position has to move while chunks wait; a busy machine needs some seconds for one."""
LOOK_SECONDS: Final = 0.5
"""Between two looks at positions that have not moved."""

Section = Literal["machine", "kafka", "ledger"]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Report:
    """What all checks said.

    Attributes:
        findings: By section, in the order in which they were looked at.
        reached: Whether Kafka answered.
    """

    findings: Sequence[tuple[Section, Finding]]
    reached: bool

    def count(self, state: str) -> int:
        """How many findings are so bad."""
        return sum(finding.state == state for _, finding in self.findings)


async def examine(
    loaded: Loaded,
    *,
    now: Clock = time.time,
    seconds: float = LISTEN_SECONDS,
    tell: Callable[[str], None] = lambda _: None,
) -> Report:
    """Look at everything.

    Args:
        loaded: The settings and where they came from.
        now: Our clock, seconds since the epoch.
        seconds: How long to listen for messages, to compare clocks and to see workers move.
        tell: Told what is looked at.

    Returns:
        All findings; that Kafka can't be reached is one of them.
    """
    settings = loaded.settings
    tell("this machine")
    found: list[tuple[Section, Finding]] = [("machine", each) for each in _machine(loaded, now)]
    tell("Kafka")
    try:
        cluster = await gather(settings)
    except (BrokerFault, UsageError) as error:
        found.append(("machine", disk.check_open_files(disk.open_files(), settings.partitions)))
        found.append(("kafka", wrong("kafka", error.message, error.hint or "check bootstrap_servers and its logs")))
        return Report(found, reached=False)
    chunks = cluster.topics.get(settings.chunk_topic)
    partitions = settings.partitions if chunks is None else chunks.partitions
    found.append(("machine", disk.check_open_files(disk.open_files(), partitions)))
    found += [("kafka", each) for each in _kafka(cluster, settings)]
    tell("the ledger")
    found += [("ledger", each) for each in await _ledger(cluster, settings, now, seconds)]
    return Report(found, reached=True)


def _machine(loaded: Loaded, now: Clock) -> Iterator[Finding]:
    """What needs no Kafka."""
    from pipeline.pricing.catalog import Catalog  # noqa: PLC0415 (half a second)

    settings, needed = loaded.settings, program.requirements()
    yield program.check_python()
    yield from program.check_libraries(needed)
    yield from program.check_extras(needed, settings)
    data_dir = settings.data_dir.absolute()
    there = disk.existing(data_dir)
    why_not = disk.refusal(there)
    yield disk.check_directory(data_dir, there, why_not)
    yield program.check_store(there if why_not is None else None)
    yield from disk.check_room(disk.look(there))
    yield disk.check_slots(disk.slots(data_dir, settings.ledger))
    yield from exposure.check_files(exposure.secret_files(loaded))
    yield from exposure.check_addresses(settings)
    yield exposure.check_transport(settings)
    today, catalog = datetime.fromtimestamp(now(), UTC).date(), Catalog()
    yield prices.check_list(catalog.newest(today), today, catalog.version)
    yield from prices.check_overlay(settings.price_overlay, today)


def _kafka(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    """Brokers and topics."""
    yield fine("kafka", f"cluster {cluster.cluster_id} answers")
    yield from brokers.check_brokers(cluster)
    yield from brokers.check_listeners(cluster)
    yield from brokers.check_settings(cluster)
    yield from brokers.check_internal(cluster)
    yield from topics.check_topics(cluster, settings)
    yield topics.check_partitions(cluster, settings)
    yield from topics.check_replicas(cluster)
    yield topics.check_retention(cluster, settings)


async def _ledger(cluster: Cluster, settings: Settings, now: Clock, seconds: float) -> list[Finding]:
    """What lies in the topics, and who works on it."""
    started = time.monotonic()
    before = await _group(settings)
    books, newest = await _books(cluster, settings)
    measured = await _measured(cluster, settings, seconds, now)
    patience = PATIENCE * settings.checkpoint_interval / 1_000
    while True:
        after = await _group(settings)
        books = replace(books, before=before, after=after, seconds=time.monotonic() - started)
        if not ledger.still(books) or books.seconds >= patience:
            break
        await asyncio.sleep(LOOK_SECONDS)
    partitions = 0 if books.chunks is None else len(books.chunks)
    return [
        *ledger.check_versions(books, settings.record_topic),
        ledger.check_format(books),
        ledger.check_clock(measured, newest, now(), settings.clock_slack),
        *ledger.check_group(books, partitions, settings.ledger),
        *ledger.check_positions(books, patience),
    ]


async def _group(settings: Settings) -> Group | None:
    """The workers' group; None where it may not be seen."""
    try:
        return await group_of(settings, settings.ledger, settings.chunk_topic)
    except BrokerFault:
        return None


async def _books(cluster: Cluster, settings: Settings) -> tuple[Books, int | None]:
    """The ends of the topics, and the newest append time in them."""
    changelog = next(topic.name for topic in definitions(settings) if topic.role == "requests")
    looks: dict[str, tuple[int, Callable[[Any], Any]]] = {
        settings.chunk_topic: (MESSAGES_BACK, ledger.version_of),
        settings.record_topic: (MESSAGES_BACK, ledger.version_of),
        changelog: (ROWS_BACK, ledger.row_of),
    }
    logs, told, denied = {}, {}, {}
    for topic, (back, look) in looks.items():
        if topic not in cluster.topics:
            if topic in cluster.denied:
                denied[topic] = "not allowed to look"
            continue
        try:
            logs[topic], told[topic] = await ends(settings, topic, cluster.topics[topic].partitions, back, look)
        except (KafkaError, TimeoutError) as error:
            denied[topic] = f"can't be read ({type(error).__name__})"
    times = [
        log.newest
        for topic, found in logs.items()
        for log in found.values()
        if log.newest is not None and _append_time(cluster, topic)
    ]
    versions = {topic: max(told[topic].values()) for topic in looks if topic != changelog and told.get(topic)}
    books = Books(
        chunks=logs.get(settings.chunk_topic),
        changelog=logs.get(changelog),
        rows=told.get(changelog, {}),
        versions=versions,
        denied=denied,
    )
    return books, max(times, default=None)


async def _measured(cluster: Cluster, settings: Settings, seconds: float, now: Clock) -> float | None:
    """Our clock minus the brokers', if something is appended while we listen."""
    heard = {name: topic.partitions for name, topic in cluster.topics.items() if _append_time(cluster, name)}
    if not heard:
        return None
    try:
        return await listen(settings, heard, seconds, now)
    except (KafkaError, TimeoutError):
        return None


def _append_time(cluster: Cluster, topic: str) -> bool:
    return cluster.topics[topic].config.get("message.timestamp.type") == "LogAppendTime"
