"""Whether the ledger's topics are as they must be, and whether what is written to them is safe.

Pure judgement; differences from the definitions are those of `streamledger topics --check`. Imports `topics.admin` and
`schemas.topics`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.ops.doctor.brokers import SAFE_COPIES
from pipeline.ops.doctor.cluster import Cluster
from pipeline.ops.doctor.finding import Finding, fine, thin, unseen, wrong
from pipeline.settings import Settings
from pipeline.topics.admin import Drift, Found, compare, definitions
from schemas.topics import CO_PARTITIONED, FOREVER, partition_mismatch

MIN_INSYNC: Final = "min.insync.replicas"
RETENTION: Final = "retention.ms"
_CHOSEN: Final = frozenset({"partitions", "replication"})
"""What the settings say for topics that are still to be made; those that are there have what they have."""
_LEAST_IN_SYNC: Final = 2


def check_topics(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    """Every difference from the definitions that breaks a promise, each with the command that mends it."""
    wanted = []
    for topic in definitions(settings):
        if topic.name in cluster.denied:
            there = topic.name in cluster.topics
            text = f"{topic.name}: not allowed to look" + (" at its settings" if there else "")
            rights = "DescribeConfigs" if there else "Describe and DescribeConfigs"
            yield unseen("topics", text, f"grant {rights} on {topic.name}")
        else:
            wanted.append(topic)
    roles = {topic.role for topic in wanted}
    if not {"chunks", "markers"} <= roles:  # what `compare` holds against each other
        return
    drifts = compare(wanted, cluster.topics)
    chosen = [drift for drift in drifts if drift.what in _CHOSEN]
    for drift in drifts:
        if drift not in chosen:
            yield wrong("topics", str(drift), _mend(drift, settings))
    for what in sorted({drift.what for drift in chosen}):
        told = [drift for drift in chosen if drift.what == what]
        text = f"{what}: the setting is {told[0].expected}, {', '.join(f'{d.topic} has {d.found}' for d in told)}"
        yield thin("topics", text, f"set {what} to what they have: workers go by the topics")
    if not drifts:
        yield fine("topics", f"all {len(wanted)} there and as defined")


def check_partitions(cluster: Cluster, settings: Settings) -> Finding:
    """Whether what belongs together has equally many partitions."""
    names = [topic.name for topic in definitions(settings) if topic.role in CO_PARTITIONED]
    counts = {name: cluster.topics[name].partitions for name in names if name in cluster.topics}
    mismatch = partition_mismatch(counts)
    if mismatch is not None:
        advice = (
            "workers refuse to start: partitions can't be taken away, so make the ledger anew under other names "
            "(`ledger` and the topics), with equal counts, and drain this one"
        )
        return wrong("co-partitioning", mismatch, advice)
    if len(counts) < len(names):
        return unseen("co-partitioning", "not all topics are there or may be seen")
    return fine("co-partitioning", f"{', '.join(names)}: {next(iter(counts.values()))} partitions each")


def check_replicas(cluster: Cluster) -> Iterator[Finding]:
    """Whether writes are accepted now, and what survives a lost broker (G1)."""
    troubled = False
    for name, topic in cluster.topics.items():
        found = list(_availability(cluster, name, topic))
        troubled = troubled or bool(found)
        yield from found
    few = {name: topic.replication for name, topic in cluster.topics.items() if topic.replication < SAFE_COPIES}
    if few:
        counts = sorted(set(few.values()))
        text = f"{len(few)} topics have {' or '.join(map(str, counts))} replica{'s' if counts != [1] else ''}"
        advice = f"on a cluster of {SAFE_COPIES} or more: kafka-reassign-partitions.sh; promise G1 needs {SAFE_COPIES}"
        yield thin("replicas", f"{text}: a lost disk can lose records", advice)
    elif cluster.topics and not troubled:
        yield fine("replicas", f"{SAFE_COPIES} or more, all in sync")


def check_retention(cluster: Cluster, settings: Settings) -> Finding:
    """Whether chunks are kept long enough to be read late, and read again."""
    topic = cluster.topics.get(settings.chunk_topic)
    kept = _number(topic, RETENTION)
    if kept is None:
        return unseen("retention", f"{RETENTION} of {settings.chunk_topic} is not to be seen")
    if kept == FOREVER:
        return fine("retention", "chunks are kept for ever")
    hours = f"chunks are kept {kept / 3_600_000:g} h"
    if kept < settings.marker_retention:
        text = f"{hours}, marker_retention is {settings.marker_retention / 3_600_000:g} h"
        advice = (
            f"keep them longer ({_command(settings, settings.chunk_topic, f'{RETENTION}=604800000')}): "
            "a worker that is down for longer loses chunks, and nothing can be replayed"
        )
        return wrong("retention", text, advice)
    return fine("retention", hours)


def _availability(cluster: Cluster, name: str, topic: Found) -> Iterator[Finding]:
    """What is wrong with the replicas of a topic."""
    parts = cluster.parts.get(name, ())
    least = _number(topic, MIN_INSYNC)
    headless = [number for number, part in enumerate(parts) if part.leader < 0]
    if headless:
        yield wrong("replicas", f"{name}: {_numbers(headless)} has no leader", "start the brokers that hold it")
    if least is None:
        return
    short = [number for number, part in enumerate(parts) if part.leader >= 0 and part.in_sync < least]
    behind = [number for number, part in enumerate(parts) if least <= part.in_sync < part.replicas]
    if topic.replication < least:
        text = f"{name}: {MIN_INSYNC} is {least} with {topic.replication} replicas: every write is refused"
        yield wrong("replicas", text, f"set {MIN_INSYNC} to {max(1, topic.replication - 1)}, or add replicas")
    elif short:
        text = f"{name}: {_numbers(short)} has fewer than {MIN_INSYNC} {least} in sync: writes are refused"
        yield wrong("replicas", text, "bring the other brokers back")
    elif behind:
        yield thin("replicas", f"{name}: {_numbers(behind)} is not in sync on all brokers", "look at the brokers")
    if topic.replication >= SAFE_COPIES and least < _LEAST_IN_SYNC:
        text = f"{name}: {MIN_INSYNC} is {least}: a record counts as safe with one copy"
        yield thin("replicas", text, f"set {MIN_INSYNC} to {_LEAST_IN_SYNC} (G1)")
    elif 1 < topic.replication == least:
        text = f"{name}: {MIN_INSYNC} equals its {least} replicas: one broker away, and every write is refused"
        yield thin("replicas", text, f"set {MIN_INSYNC} to {least - 1}")


def _mend(drift: Drift, settings: Settings) -> str:
    """The command against a difference."""
    if drift.found == "missing":
        return "run `streamledger topics`"
    value = drift.expected.split(", ")[0].removeprefix("at least ").split(" ")[0]
    return _command(settings, drift.topic, f"{drift.what}={value}")


def _command(settings: Settings, topic: str, change: str) -> str:
    servers = settings.bootstrap_servers
    return f"kafka-configs.sh --bootstrap-server {servers} --alter --topic {topic} --add-config {change}"


def _number(topic: Found | None, key: str) -> int | None:
    value = None if topic is None else topic.config.get(key)
    return None if value is None else int(value)


def _numbers(partitions: Sequence[int]) -> str:
    shown = ", ".join(map(str, partitions[:5])) + (" …" if len(partitions) > 5 else "")
    return f"partition {shown}"
