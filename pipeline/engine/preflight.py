"""Before the worker starts: are the topics there and such that the promises can be kept (CONTRACT §3)?

Owns the few checks whose failure would lose or double records; `streamledger topics --check` says more. Imports
aiokafka, `schemas.topics` and `pipeline.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code

from pipeline.engine.config import Config
from pipeline.errors import BrokerFault, TopicDrift
from pipeline.log import get_logger
from pipeline.settings import TOPIC_DENIED, denied, kept_off, unreached
from schemas.topics import CO_PARTITIONED, Role, partition_mismatch

log = get_logger(__name__)

CREATE_THEM: Final = "`streamledger topics` creates it"
TIMESTAMP_TYPE: Final = "message.timestamp.type"
CLEANUP: Final = "cleanup.policy"
DELETE_RETENTION: Final = "delete.retention.ms"


@dataclass(frozen=True)
class Cluster:
    """What the engine needs to know of the cluster.

    Attributes:
        cluster_id: Kafka's own id of the cluster.
        partitions: Of the chunk topic, and so of all but the dead letters.
        dead_partitions: Of the dead letter topic.
        store_age: Age in seconds up to which a local store has missed no tombstone.
    """

    cluster_id: str
    partitions: int
    dead_partitions: int
    store_age: float


async def preflight(config: Config) -> Cluster:
    """Look at the topics.

    Raises:
        KafkaUnreachable: No broker answers.
        AccessRefused: It refuses the login, or the right to look at a topic.
        BrokerFault: It answers with an error.
        TopicDrift: A topic is missing or would break a promise.
    """
    admin = AIOKafkaAdminClient(**config.client, request_timeout_ms=int(config.timing.request * 1_000))
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
        counts = await _partitions(admin, config)
        looked_at = (config.source, config.changelog, config.markers)
        settings = await _settings(admin, [name for name in looked_at if name in counts])
    except KafkaConnectionError as error:
        raise await unreached(config.client) from error
    except (KafkaError, TimeoutError) as error:
        raise kept_off(error, "DESCRIBE", "Kafka can't be asked for its topics") from error
    finally:
        await admin.close()
    return check(config, str(cluster["cluster_id"]), counts, settings)


def check(
    config: Config, cluster_id: str, counts: Mapping[str, int], settings: Mapping[str, Mapping[str, str]]
) -> Cluster:
    """Hold what is there to what must be.

    Args:
        config: The names.
        cluster_id: Kafka's id of the cluster.
        counts: Partition count by topic, of those that exist.
        settings: Topic settings by topic, values as Kafka writes them.

    Raises:
        TopicDrift: The first thing that would break a promise.
    """
    missing = [topic.name for topic in config.topics.values() if topic.name not in counts]
    if missing:
        raise TopicDrift(f"no topic {', '.join(missing)}", hint=CREATE_THEM)
    wrong = partition_mismatch({config.topics[role].name: counts[config.topics[role].name] for role in _order(config)})
    if wrong is not None:
        raise TopicDrift(wrong, hint="state, chunks and records of a request must share a partition number")
    _check_clock(config, settings[config.source].get(TIMESTAMP_TYPE, ""))
    if settings[config.changelog].get(CLEANUP) != "compact":
        text = f"{CLEANUP} is {settings[config.changelog].get(CLEANUP)}: open requests would be deleted by age"
        raise TopicDrift(text, hint=f"set it to compact: {CLEANUP}=compact", topic=config.changelog)
    if "compact" in settings[config.markers].get(CLEANUP, ""):
        text = f"{CLEANUP} is {settings[config.markers].get(CLEANUP)}: it would never get smaller"
        raise TopicDrift(text, hint="set it to delete", topic=config.markers)
    retention = int(settings[config.changelog].get(DELETE_RETENTION, "0"))
    return Cluster(cluster_id, counts[config.source], counts[config.dead], retention / 2_000)


def _order(config: Config) -> list[Role]:
    return [role for role in config.topics if role in CO_PARTITIONED]


def _check_clock(config: Config, kind: str) -> None:
    """Append time closes requests; a producer's time is taken only if that was asked for (CONTRACT §3)."""
    if kind == "LogAppendTime":
        return
    lost = "producers' clocks then decide when requests close, and one that is wrong closes them too early or too late"
    if config.append_clock:
        raise TopicDrift(
            f"{TIMESTAMP_TYPE} is {kind or 'unknown'}, requests are closed by append time",
            hint=f"set it to LogAppendTime, or set clock=create: {lost}",
            topic=config.source,
        )
    log.warning("requests close by the producers' clock", topic=config.source, lost=lost)


async def _partitions(admin: Any, config: Config) -> dict[str, int]:
    described = await admin.describe_topics([topic.name for topic in config.topics.values()])
    for each in described:
        if each["error_code"] == TOPIC_DENIED:  # not even to be seen, which either right would allow
            written = each["topic"] in (config.records, config.dead)
            raise denied("WRITE" if written else "READ", "topic", each["topic"])
    return {each["topic"]: len(each["partitions"]) for each in described if each["error_code"] == 0}


async def _settings(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    found = {}
    for code, _, _, name, entries in (resource for answer in answers for resource in answer.resources):
        if code == TOPIC_DENIED:
            raise denied("DESCRIBE_CONFIGS", "topic", name)
        if code != 0:
            raise BrokerFault(f"Kafka does not tell the settings of a topic: {for_code(code).__name__}", topic=name)
        found[name] = {entry[0]: entry[1] for entry in entries}
    return found
