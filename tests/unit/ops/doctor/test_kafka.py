"""Doctor's judgement of a Kafka: brokers, replicas, topics, the state, the clock, the group, positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.segment import FORMAT
from pipeline.ops.doctor import brokers, ledger, topics
from pipeline.ops.doctor.cluster import POSITIONS, TRANSACTIONS, Cluster, Part
from pipeline.ops.doctor.finding import Finding
from pipeline.ops.doctor.ledger import UNREADABLE, Books, Row
from pipeline.ops.doctor.newest import Log, difference
from pipeline.settings import Settings
from pipeline.topics.admin import Found, definitions
from pipeline.topics.group import Group

NEW: Mapping[int, int] = {26: 5, 24: 5, 22: 5, 28: 5}
SETTINGS = Settings(partitions=2, replication=3)
TOPICS = {topic.name: Found(2, 3, topic.config) for topic in definitions(SETTINGS)}
CHUNKS = SETTINGS.chunk_topic
WELL = Cluster(
    cluster_id="c",
    brokers={1: "a:9092", 2: "b:9092", 3: "c:9092"},
    unreachable={},
    versions=dict.fromkeys((1, 2, 3), NEW),
    settings={1: {"transaction.max.timeout.ms": "900000"}},
    topics=TOPICS,
    parts={name: [Part(1, 3, 3)] * 2 for name in (*TOPICS, TRANSACTIONS, POSITIONS)},
    denied=frozenset(),
)
GROUP = Group(2, {0: 5, 1: 5}, "Stable", ("w-0-" + "0" * 36, "w-1-" + "1" * 36))
BOOKS = Books(
    chunks={0: Log(0, 5, 1), 1: Log(0, 5, 1)},
    changelog={0: Log(0, 3, 1), 1: Log(0, 3, 1)},
    rows={0: Row(5, FORMAT), 1: Row(5, FORMAT)},
    versions={CHUNKS: 1},
    before=GROUP,
    after=GROUP,
    seconds=9.0,
)


def states(findings: Iterable[Finding]) -> list[str]:
    """How bad each is."""
    return [finding.state for finding in findings]


def changed(name: str, **config: str) -> Cluster:
    """A cluster in which a topic has other settings; `_` stands for a dot."""
    found = TOPICS[name]
    told = {key.replace("_", "."): value for key, value in config.items()}
    return replace(WELL, topics={**TOPICS, name: replace(found, config={**found.config, **told})})


def test_a_cluster_as_it_should_be_is_fine() -> None:
    """Three brokers, three replicas, all in sync: nothing asks for anything."""
    found = [
        *brokers.check_brokers(WELL),
        *brokers.check_listeners(WELL),
        *brokers.check_settings(WELL),
        *brokers.check_internal(WELL),
        *topics.check_topics(WELL, SETTINGS),
        topics.check_partitions(WELL, SETTINGS),
        *topics.check_replicas(WELL),
        topics.check_retention(WELL, SETTINGS),
    ]

    assert set(states(found)) == {"ok"}


class TestBrokers:
    """What brokers say of themselves."""

    @pytest.mark.parametrize(
        ("versions", "release"),
        [({26: 5}, "4.0"), ({26: 4, 24: 4}, "3.5"), ({22: 4}, "2.7"), ({22: 3, 28: 3}, "2.5"), ({28: 2}, None)],
    )
    def test_the_version_is_told_by_the_requests_that_are_taken(
        self, versions: Mapping[int, int], release: str | None
    ) -> None:
        """No broker says its version in words."""
        assert brokers.release(versions) == release

    def test_an_old_broker_among_new_ones_is_named(self) -> None:
        """Its partitions' transactions could not be fenced."""
        found = list(brokers.check_brokers(replace(WELL, versions={**WELL.versions, 2: {28: 2}})))

        assert states(found) == ["wrong"]
        assert "broker 2 is older than Kafka 2.5" in found[0].text

    def test_a_broker_that_does_not_answer_is_named(self) -> None:
        """Its address comes from the others."""
        found = list(brokers.check_brokers(replace(WELL, versions={1: NEW, 3: NEW})))
        silent = list(brokers.check_brokers(replace(WELL, versions={})))

        assert states(found) == ["wrong", "ok"]
        assert "broker 2 does not answer" in found[0].text
        assert states(silent) == ["wrong", "unknown"]

    def test_addresses_that_clients_can_not_reach_are_told(self) -> None:
        """advertised.listeners is the commonest fault of a new Kafka."""
        found = list(brokers.check_listeners(replace(WELL, unreachable={"a:9092": "no route", "z:1": "refused"})))

        assert states(found) == ["wrong", "warn"]
        assert "advertised.listeners" in (found[0].advice or "")

    @pytest.mark.parametrize(
        ("name", "value", "state"),
        [
            ("transaction.max.timeout.ms", "5000", "wrong"),
            ("group.min.session.timeout.ms", "11000", "wrong"),
            ("group.max.session.timeout.ms", "9000", "wrong"),
            ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "60000", "warn"),
            ("auto.create.topics.enable", "true", "warn"),
        ],
    )
    def test_settings_that_the_engine_depends_on_are_held_to_its_timings(
        self, name: str, value: str, state: str
    ) -> None:
        """A worker that would be refused is told before it starts."""
        found = list(brokers.check_settings(replace(WELL, settings={1: {name: value}})))

        assert states(found) == [state]
        assert name in found[0].text
        assert "set it to" in (found[0].advice or "")

    def test_without_the_right_to_look_the_right_is_named(self) -> None:
        """And the doctor goes on."""
        found = list(brokers.check_settings(replace(WELL, settings={})))

        assert states(found) == ["unknown"]
        assert "DescribeConfigs" in (found[0].advice or "")

    def test_the_topics_of_kafka_itself_count(self) -> None:
        """They hold transactions and positions."""
        few = replace(WELL, parts={**WELL.parts, TRANSACTIONS: [Part(1, 1, 1)]})
        none: dict[str, Any] = {name: parts for name, parts in WELL.parts.items() if name in TOPICS}

        assert states(brokers.check_internal(few)) == ["warn"]
        assert states(brokers.check_internal(replace(WELL, parts=none))) == ["unknown"]
        hidden = brokers.check_internal(replace(WELL, parts=none, denied=frozenset({TRANSACTIONS})))
        assert [finding.text for finding in hidden] == ["not allowed to look"]


class TestTopics:
    """What differs from the definitions, and what is not safe."""

    def test_a_topic_that_may_not_be_seen_is_no_drift(self) -> None:
        """`missing` would send somebody to create what is there."""
        hidden = {name: found for name, found in TOPICS.items() if name != CHUNKS}
        dead = replace(WELL, denied=frozenset({SETTINGS.dead_topic}))

        assert states(topics.check_topics(dead, SETTINGS))[0] == "unknown"
        assert states(topics.check_topics(replace(WELL, topics=hidden, denied=frozenset({CHUNKS})), SETTINGS)) == [
            "unknown"
        ]
        assert topics.check_partitions(replace(WELL, topics=hidden), SETTINGS).state == "unknown"
        assert topics.check_retention(replace(WELL, topics=hidden), SETTINGS).state == "unknown"

    def test_counts_that_the_settings_name_otherwise_are_no_fault(self) -> None:
        """They are for topics that are still to be made."""
        found = list(topics.check_topics(WELL, Settings(partitions=8, replication=2)))

        assert states(found) == ["warn", "warn"]
        assert [finding.text.split(":")[0] for finding in found] == ["partitions", "replication"]

    @pytest.mark.parametrize(
        ("part", "state", "text"),
        [
            (Part(-1, 3, 0), "wrong", "partition 0, 1 has no leader"),
            (Part(1, 3, 1), "wrong", "fewer than min.insync.replicas 2"),
            (Part(1, 3, 2), "warn", "not in sync on all"),
        ],
    )
    def test_replicas_that_are_away_are_told(self, part: Part, state: str, text: str) -> None:
        """Now, not only when one more is lost."""
        cluster = replace(WELL, parts={**WELL.parts, CHUNKS: [part, part]})
        found = list(topics.check_replicas(replace(cluster, topics={CHUNKS: TOPICS[CHUNKS]})))

        assert states(found) == [state]
        assert text in found[0].text

    @pytest.mark.parametrize(("least", "text"), [("1", "safe with one copy"), ("3", "one broker away"), ("4", "every")])
    def test_min_insync_is_held_to_the_replicas(self, least: str, text: str) -> None:
        """Too low loses, too high stops."""
        found = list(topics.check_replicas(changed(CHUNKS, min_insync_replicas=least)))

        assert text in found[0].text

    @pytest.mark.parametrize(("kept", "state"), [("-1", "ok"), ("86400000", "ok"), ("86399999", "wrong")])
    def test_chunks_outlast_what_is_remembered_of_them(self, kept: str, state: str) -> None:
        """A day by default."""
        assert topics.check_retention(changed(CHUNKS, retention_ms=kept), SETTINGS).state == state


class TestLedger:
    """What lies in the topics, and who works on it."""

    def test_books_as_they_should_be_are_fine(self) -> None:
        """Nothing asks for anything."""
        found = [
            *ledger.check_versions(BOOKS, "r"),
            ledger.check_format(BOOKS),
            ledger.check_clock(0.0, None, 0.0, 5_000),
            *ledger.check_group(BOOKS, 2, "main"),
            *ledger.check_positions(BOOKS, 3.0),
        ]

        assert states(found) == ["ok"] * 5
        assert states(ledger.check_versions(Books(), "r")) == ["ok"]

    def test_chunks_of_a_newer_gateway_become_dead_letters(self) -> None:
        """And what may not be read is told, not guessed."""
        found = list(ledger.check_versions(replace(BOOKS, versions={CHUNKS: 2}, denied={"r": "no right"}), "r"))

        assert states(found) == ["wrong", "unknown"]
        assert "unsupported_version" in (found[0].advice or "")

    @pytest.mark.parametrize(
        ("form", "state"), [(FORMAT, "ok"), (FORMAT - 1, "warn"), (FORMAT + 1, "wrong"), (UNREADABLE, "wrong")]
    )
    def test_state_of_another_format_is_told(self, form: int, state: str) -> None:
        """An older one is read; of a newer one nothing may be assumed."""
        assert ledger.check_format(replace(BOOKS, rows={0: Row(1, form)})).state == state
        assert ledger.check_format(replace(BOOKS, changelog=None)).state == "unknown"

    @pytest.mark.parametrize(
        ("measured", "newest", "state"),
        [
            (None, None, "unknown"),
            (None, 99_000, "unknown"),
            (None, 103_000, "warn"),
            (None, 160_000, "wrong"),
            (0.0, 99_000, "ok"),
            (-60.0, None, "wrong"),
            (60.0, None, "wrong"),
        ],
    )
    def test_clocks_are_compared_as_far_as_it_is_proved(
        self, measured: float | None, newest: int | None, state: str
    ) -> None:
        """At second 100, with 5 s of slack: a message from the future proves one direction without any traffic."""
        assert ledger.check_clock(measured, newest, 100.0, 5_000).state == state

    @pytest.mark.parametrize(("appended", "found"), [(10.5, 0.0), (12.0, -1.0), (8.999, 1.0)])
    def test_a_message_that_came_while_we_listened_bounds_the_difference(self, appended: float, found: float) -> None:
        """Asked at 10, arrived at 11: what was appended in between proves nothing."""
        assert difference(appended, 10.0, 11.0) == pytest.approx(found)

    @pytest.mark.parametrize(
        ("after", "partitions", "state", "text"),
        [
            (Group(0, {}, "Empty"), 2, "warn", "no worker runs (Empty)"),
            (replace(GROUP, state="PreparingRebalance"), 2, "warn", "rebalancing"),
            (GROUP, 1, "warn", "1 are idle"),
            (replace(GROUP, names=("w-0-" + "9" * 36, "w-1-" + "1" * 36)), 2, "warn", "static member w-0 was replaced"),
            (replace(GROUP, names=("streamledger-main-" + "9" * 36,)), 2, "ok", "2 workers"),
        ],
    )
    def test_the_group_is_judged_by_two_looks(self, after: Group, partitions: int, state: str, text: str) -> None:
        """Nobody there, too many, or two that share a name."""
        before = replace(GROUP, names=(*GROUP.names, "streamledger-main-" + "8" * 36)) if state == "ok" else GROUP
        found = list(ledger.check_group(replace(BOOKS, before=before, after=after), partitions, "main"))

        assert states(found) == [state]
        assert text in found[0].text

    @pytest.mark.parametrize(
        ("change", "state", "text"),
        [
            ({"rows": {0: Row(3, FORMAT)}}, "warn", "is not the checkpoint's"),
            ({"chunks": {0: Log(7, 9, 1)}}, "wrong", "2 offsets were deleted before they were read"),
            ({"changelog": {0: Log(0, 0, None)}, "rows": {}}, "wrong", "state was lost"),
            ({"chunks": {0: Log(0, 9, 1)}}, "warn", "none moved in 9 s"),
            ({"chunks": {0: Log(0, 9, 1)}, "seconds": 1.0}, "ok", "4 offsets behind"),
            ({"chunks": None}, "unknown", "can't be read"),
        ],
    )
    def test_positions_are_judged_by_checkpoint_log_and_group(
        self, change: dict[str, Any], state: str, text: str
    ) -> None:
        """The row decides; what differs from it is told."""
        found = list(ledger.check_positions(replace(BOOKS, **change), 3.0))

        assert (state, True) in [(finding.state, text in finding.text) for finding in found]

    def test_without_the_right_to_see_the_group_the_right_is_named(self) -> None:
        """And the doctor goes on."""
        assert states(ledger.check_group(replace(BOOKS, before=None), 2, "main")) == ["unknown"]
