"""The topics as data: one YAML file each in `schemas/topics/`, made concrete here for a ledger (CONTRACT §3).

Owns names, partitions, retention and every other setting that a topic is created with or held to. Imports pydantic,
PyYAML and the standard library.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

Role = Literal["chunks", "records", "dead_letters", "requests", "markers"]

FOLDER: Final = Path(__file__).parent / "topics"
FILES: Final = ("llm.chunks", "llm.accumulated", "llm.chunks.dead", "requests-changelog", "markers-changelog")

CO_PARTITIONED: Final[frozenset[Role]] = frozenset({"chunks", "records", "requests", "markers"})
"""Roles that must have equally many partitions: whatever follows from a chunk has its partition number."""

DAY: Final = 86_400_000
"""Milliseconds."""

CHUNK_RETENTION: Final = 7 * DAY
"""How long chunks are kept unless the topic says otherwise: a week is time to notice a fault and replay."""

FOREVER: Final = -1
"""Kafka's word for a retention without end."""


class Topic(BaseModel):
    """A topic as it should be."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    role: Role = Field(description="What the ledger uses it for.")
    name: str = Field(min_length=1, max_length=249, description="Name in Kafka.")
    description: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    schema_name: str | None = Field(
        alias="schema", description="Model of the value in `schemas`; null: bytes without one."
    )
    partitions: int = Field(ge=1)
    replication: int = Field(ge=-1, description="Replicas; -1 is the cluster's own default.")
    config: dict[str, str] = Field(description="Kafka's topic settings, values as Kafka writes them.")


def topics(  # noqa: PLR0913 (settings of a ledger, each with its default)
    *,
    ledger: str = "main",
    chunk_topic: str = "llm.chunks",
    record_topic: str = "llm.accumulated",
    dead_topic: str = "llm.chunks.dead",
    partitions: int = 8,
    replication: int = -1,
    marker_retention: int = DAY,
    chunk_retention: int = CHUNK_RETENTION,
    min_insync: int | None = None,
    clock: Literal["append", "create"] = "append",
) -> list[Topic]:
    """All topics of a ledger, concrete.

    Args:
        ledger: Name of the ledger; the changelogs are named after it.
        chunk_topic: Name of the topic of chunks.
        record_topic: Name of the topic of records.
        dead_topic: Name of the topic of dead letters.
        partitions: Partitions of each.
        replication: Replicas of each; -1 is the cluster's default.
        marker_retention: How long a closed request is remembered, in ms of append time.
        chunk_retention: How long chunks are kept, in ms; -1 is forever.
        min_insync: Replicas that must have a record before it counts; default 2 where there are two or more, and the
            cluster's own where it decides the replication.
        clock: `create` takes the producers' time as the closing clock (CONTRACT §3 says what is lost).
    """
    if min_insync is None and replication != -1:
        min_insync = min(2, replication)
    values = {
        "ledger": ledger,
        "chunk_topic": chunk_topic,
        "record_topic": record_topic,
        "dead_topic": dead_topic,
        "partitions": partitions,
        "replication": replication,
        "chunk_clock": "LogAppendTime" if clock == "append" else "CreateTime",
        "chunk_retention": chunk_retention,
        "marker_log_retention": FOREVER if chunk_retention == FOREVER else marker_retention + chunk_retention,
    }
    # With an unclean leader acknowledged records can vanish, and with them the promise of exactly one (G1).
    shared = {"unclean.leader.election.enable": "false"}
    if min_insync is not None:
        shared["min.insync.replicas"] = str(min_insync)
    return [_concrete(name, values, shared) for name in FILES]


def partition_mismatch(counts: Mapping[str, int]) -> str | None:
    """What is wrong if topics that belong together have different partition counts; None if nothing is.

    With unequal counts the state of a request and its chunks part: the worker refuses to start (CONTRACT §3).

    Args:
        counts: Partition count by topic name, of the CO_PARTITIONED topics.
    """
    if len(set(counts.values())) <= 1:
        return None
    listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
    return f"partition counts differ: {listed}"


@functools.cache
def _template(name: str) -> dict[str, Any]:
    """One file of the folder, as it is written."""
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def _concrete(name: str, values: Mapping[str, object], shared: Mapping[str, str]) -> Topic:
    """A template with its placeholders filled in."""
    template = _template(name)
    config = {key: value.format_map(values) for key, value in template["config"].items()}
    filled = {key: template[key].format_map(values) for key in ("name", "partitions", "replication")}
    return Topic.model_validate({**template, **filled, "config": {**config, **shared}})
