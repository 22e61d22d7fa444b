"""What counts as drift, rule by rule, without a broker."""

import pytest

from pipeline.settings import Settings
from pipeline.topics.admin import Drift, Found, compare, definitions
from schemas.topics import DAY, FOREVER, Role, Topic, topics

WANTED = topics(ledger="led", replication=3, partitions=4)
BY_ROLE = {topic.role: topic.name for topic in WANTED}


def as_defined(wanted: list[Topic] = WANTED) -> dict[str, Found]:
    """A cluster on which all is as it should be."""
    return {topic.name: Found(topic.partitions, topic.replication, topic.config) for topic in wanted}


def changed(role: Role, **config: str) -> dict[str, Found]:
    """The same with some settings of one topic changed; underscores stand for dots."""
    found = as_defined()
    name = BY_ROLE[role]
    dotted = {key.replace("_", "."): value for key, value in config.items()}
    found[name] = Found(4, 3, {**found[name].config, **dotted})
    return found


def test_nothing_drifts_when_all_is_as_defined() -> None:
    """No false alarm."""
    assert compare(WANTED, as_defined()) == []


def test_missing_topic_is_one_drift() -> None:
    """It is named once, without a list of all that it lacks."""
    found = as_defined()
    del found["llm.accumulated"]

    assert compare(WANTED, found) == [Drift("llm.accumulated", "the topic", "there", "missing")]


def test_drift_reads_as_a_sentence() -> None:
    """What, where, how it is and how it should be, in one line."""
    drift = Drift("llm.chunks", "cleanup.policy", "delete", "compact")

    assert str(drift) == "llm.chunks: cleanup.policy is compact, should be delete"


@pytest.mark.parametrize(
    ("role", "key", "bad", "good"),
    [
        ("chunks", "message.timestamp.type", "CreateTime", "LogAppendTime"),
        ("requests", "message.timestamp.type", "CreateTime", "LogAppendTime"),
        ("chunks", "cleanup.policy", "compact", "delete"),
        ("requests", "cleanup.policy", "delete", "compact"),
        ("requests", "cleanup.policy", "compact,delete", "compact"),
        ("markers", "cleanup.policy", "compact", "delete"),
        ("chunks", "max.message.bytes", "1048588", "20000000"),
        ("dead_letters", "max.message.bytes", "16777216", "16842752"),
        ("requests", "max.message.bytes", "1048588", "8388608"),
        ("requests", "delete.retention.ms", "3600000", "172800000"),
        ("records", "min.insync.replicas", "1", "3"),
        ("records", "unclean.leader.election.enable", "true", "false"),
    ],
)
def test_setting_that_breaks_a_promise_is_drift(role: Role, key: str, bad: str, good: str) -> None:
    """Each setting a promise hangs on is held to it (CONTRACT §3); better than needed is fine."""
    name = BY_ROLE[role]
    underscored = key.replace(".", "_")

    drifts = compare(WANTED, changed(role, **{underscored: bad}))

    assert [(drift.topic, drift.what, drift.found) for drift in drifts] == [(name, key, bad)]
    assert compare(WANTED, changed(role, **{underscored: good})) == []


def test_setting_the_cluster_does_not_tell_is_drift() -> None:
    """Unknown is not the same as right."""
    found = as_defined()
    found["llm.chunks"] = Found(4, 3, {})

    drifts = compare(WANTED, found)

    assert {drift.found for drift in drifts} == {"unknown"}
    assert {(drift.topic, drift.what) for drift in drifts} > {
        ("llm.chunks", "message.timestamp.type"),
        (BY_ROLE["markers"], "retention.ms"),
    }


def test_retention_of_chunks_and_records_is_the_operators() -> None:
    """Keeping records for a year, or chunks for a day, breaks no promise."""
    assert compare(WANTED, changed("records", retention_ms=str(365 * DAY))) == []
    assert compare(WANTED, changed("chunks", retention_ms=str(DAY))) == []


@pytest.mark.parametrize(
    ("chunks", "markers", "fine"),
    [
        (7 * DAY, 8 * DAY, True),
        (7 * DAY, 8 * DAY - 1, False),
        (30 * DAY, 8 * DAY, False),
        (30 * DAY, 31 * DAY, True),
        (FOREVER, 31 * DAY, False),
        (FOREVER, FOREVER, True),
        (DAY, 2 * DAY, True),
        (7 * DAY, FOREVER, True),
    ],
)
def test_markers_must_outlive_the_chunks_that_are_really_kept(chunks: int, markers: int, *, fine: bool) -> None:
    """By marker_retention (a day) beyond the chunks' actual retention; forever if that is forever (DESIGN §3)."""
    found = changed("chunks", retention_ms=str(chunks))
    found |= {BY_ROLE["markers"]: changed("markers", retention_ms=str(markers))[BY_ROLE["markers"]]}

    assert (compare(WANTED, found) == []) is fine


def test_markers_defined_forever_must_be_kept_forever() -> None:
    """A ledger set up to keep chunks forever is not content with a markers topic that forgets."""
    wanted = topics(ledger="led", replication=3, partitions=4, chunk_retention=FOREVER)
    found = as_defined(wanted)
    found[BY_ROLE["markers"]] = Found(4, 3, {**found[BY_ROLE["markers"]].config, "retention.ms": str(9 * DAY)})

    assert [drift.what for drift in compare(wanted, found)] == ["retention.ms"]


def test_partitions_and_replication_are_held_to_the_settings() -> None:
    """Both are fixed at creation, so a difference is worth a line."""
    found = as_defined()
    found["llm.chunks"] = Found(5, 2, found["llm.chunks"].config)

    assert [(drift.what, drift.found) for drift in compare(WANTED, found)] == [
        ("partitions", "5"),
        ("replication", "2"),
    ]


def test_replication_left_to_the_cluster_is_not_held_to_anything() -> None:
    """-1 asks for the cluster's own default, and for its own idea of in-sync replicas."""
    wanted = topics(ledger="led", partitions=4)
    found = {topic.name: Found(4, 5, topic.config) for topic in wanted}

    assert compare(wanted, found) == []


def test_definitions_follow_the_settings() -> None:
    """Names, widths, retention and clock come from the settings and nowhere else."""
    settings = Settings(
        ledger="blue",
        chunk_topic="c",
        record_topic="r",
        dead_topic="d",
        partitions=3,
        replication=2,
        marker_retention=2 * DAY,
        clock="create",
    )

    made = {topic.role: topic for topic in definitions(settings)}

    assert [topic.name for topic in made.values()] == [
        "c",
        "r",
        "d",
        "blue-requests-changelog",
        "blue-markers-changelog",
    ]
    assert {topic.partitions for topic in made.values()} == {3}
    assert {topic.replication for topic in made.values()} == {2}
    assert made["markers"].config["retention.ms"] == str(9 * DAY)
    assert made["chunks"].config["message.timestamp.type"] == "CreateTime"
