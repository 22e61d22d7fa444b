"""The topic definitions are data, and the data is tested against CONTRACT §3 and DESIGN §3."""

import pytest

from schemas.chunk import StreamChunk
from schemas.record import AccumulatedData
from schemas.topics import (
    CHUNK_RETENTION,
    CO_PARTITIONED,
    DAY,
    FILES,
    FOLDER,
    FOREVER,
    Role,
    partition_mismatch,
    topics,
)

BY_ROLE = {topic.role: topic for topic in topics()}


def test_every_file_is_used_and_every_role_is_filled() -> None:
    """No orphan definition, none missing."""
    assert {path.stem for path in FOLDER.iterdir()} == set(FILES)
    assert set(BY_ROLE) == {"chunks", "records", "dead_letters", "requests", "markers"}


def test_names_are_those_of_the_contract() -> None:
    """Topics by CONTRACT §3; changelogs derive from the ledger."""
    assert [topic.name for topic in topics(ledger="blue")] == [
        "llm.chunks",
        "llm.accumulated",
        "llm.chunks.dead",
        "blue-requests-changelog",
        "blue-markers-changelog",
    ]


@pytest.mark.parametrize(
    ("role", "limit"),
    [
        ("chunks", 16 << 20),
        ("dead_letters", (16 << 20) + (64 << 10)),
        ("records", 8 << 20),
        ("requests", 8 << 20),
        ("markers", 8 << 20),
    ],
)
def test_message_sizes_are_those_of_the_contract(role: Role, limit: int) -> None:
    """max.message.bytes by CONTRACT §3."""
    assert BY_ROLE[role].config["max.message.bytes"] == str(limit)


@pytest.mark.parametrize("role", sorted(BY_ROLE))
def test_clock_is_the_brokers(role: Role) -> None:
    """Chunks for closing, changelogs for the measure of clock_slack (CONTRACT §4), all others for honest retention."""
    assert BY_ROLE[role].config["message.timestamp.type"] == "LogAppendTime"


def test_producers_clock_must_be_asked_for() -> None:
    """clock=create changes the chunks and nothing else."""
    changed = [topic.role for topic in topics(clock="create") if topic.config["message.timestamp.type"] == "CreateTime"]

    assert changed == ["chunks"]


def test_only_the_state_of_requests_is_compacted() -> None:
    """Markers go by age, so that they leave no compaction debt (DESIGN §3)."""
    compacted = {role for role, topic in BY_ROLE.items() if topic.config["cleanup.policy"] == "compact"}

    assert compacted == {"requests"}
    assert BY_ROLE["requests"].config["delete.retention.ms"] == str(DAY)


def test_markers_outlive_the_chunks() -> None:
    """Retention of markers is marker_retention and that of the chunks together (DESIGN §3)."""
    made = {topic.role: topic for topic in topics(marker_retention=2 * DAY, chunk_retention=5 * DAY)}

    assert BY_ROLE["markers"].config["retention.ms"] == str(DAY + CHUNK_RETENTION)
    assert made["markers"].config["retention.ms"] == str(7 * DAY)
    assert made["chunks"].config["retention.ms"] == str(5 * DAY)


def test_chunks_kept_forever_need_markers_kept_forever() -> None:
    """-1 is no number to add to."""
    made = {topic.role: topic for topic in topics(chunk_retention=FOREVER)}

    assert made["markers"].config["retention.ms"] == "-1"


@pytest.mark.parametrize(("replication", "insync"), [(1, "1"), (2, "2"), (3, "2"), (5, "2"), (-1, None)])
def test_in_sync_replicas_follow_the_replication(replication: int, insync: str | None) -> None:
    """Two where there are two or more (G1); whoever leaves replication to the cluster leaves this to it, too."""
    made = topics(replication=replication)

    assert {topic.config.get("min.insync.replicas") for topic in made} == {insync}
    assert {topic.config["min.insync.replicas"] for topic in topics(replication=3, min_insync=3)} == {"3"}


def test_no_topic_elects_an_unclean_leader() -> None:
    """An acknowledged record that vanishes would break G1 without a trace."""
    assert {topic.config["unclean.leader.election.enable"] for topic in topics()} == {"false"}


def test_who_writes_and_reads_is_said() -> None:
    """Each topic has a description, a producer and a consumer; its schema is a model of the contract."""
    assert all(topic.description and topic.producers and topic.consumers for topic in BY_ROLE.values())
    assert BY_ROLE["chunks"].schema_name == StreamChunk.__name__
    assert BY_ROLE["records"].schema_name == AccumulatedData.__name__
    assert {role for role, topic in BY_ROLE.items() if topic.schema_name is None} == {
        "dead_letters",
        "requests",
        "markers",
    }


def test_equal_partition_counts_are_fine() -> None:
    """Equal, one topic, or none to compare."""
    assert partition_mismatch({"a": 3, "b": 3}) is None
    assert partition_mismatch({"a": 3}) is None
    assert partition_mismatch({}) is None


def test_dead_letters_may_have_their_own_width() -> None:
    """They are looked up by coordinates, not by partition; all others belong together (CONTRACT §3)."""
    assert set(BY_ROLE) - CO_PARTITIONED == {"dead_letters"}


def test_unequal_partition_counts_are_named() -> None:
    """Which topic has how many."""
    assert partition_mismatch({"a": 3, "b": 4}) == "partition counts differ: a has 3, b has 4"
