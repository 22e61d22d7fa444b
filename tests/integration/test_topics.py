"""Topics on a real Kafka: created once, then held to their definitions."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from pipeline.errors import BrokerFault, KafkaUnreachable, UsageError
from pipeline.settings import Settings, client
from pipeline.testing import eventually
from pipeline.topics.admin import Drift, compare, create, create_even, definitions, describe
from schemas.topics import Topic

T = TypeVar("T")


async def with_admin(settings: Settings, *actions: str) -> None:
    """Change topics behind the ledger's back: `topic key=value` sets, `topic +N` widens to N partitions."""
    admin = AIOKafkaAdminClient(**client(settings))
    await admin.start()
    try:
        for action in actions:
            topic, change = action.split()
            if change.startswith("+"):
                await admin.create_partitions({topic: NewPartitions(int(change))})
            else:
                key, value = change.split("=")
                await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {key: value})])
    finally:
        await admin.close()


def run(work: Coroutine[None, None, T]) -> T:
    """Run to the end."""
    return asyncio.run(work)


async def check(settings: Settings, wanted: list[Topic]) -> list[Drift]:
    """What `topics --check` does."""
    return compare(wanted, await describe(client(settings), [topic.name for topic in wanted]))


def drifts_once_told(settings: Settings, wanted: list[Topic], count: int) -> list[Drift]:
    """The drifts, when there are that many: a broker learns what its controller has decided a little later."""

    def told() -> list[Drift]:
        drifts = run(check(settings, wanted))
        assert len(drifts) >= count
        return drifts

    return eventually(told)


def test_created_topics_are_as_defined(settings: Settings) -> None:
    """What `topics` creates, `topics --check` finds nothing wrong with."""
    wanted = definitions(settings)

    created = run(create(client(settings), wanted))

    assert created == [topic.name for topic in wanted]
    assert run(check(settings, wanted)) == []


def test_creating_again_changes_nothing(settings: Settings, ledger_topics: list[Topic]) -> None:
    """Idempotent: only what is missing is created."""
    assert run(create(client(settings), ledger_topics)) == []


def test_every_setting_of_a_definition_reaches_the_topic(settings: Settings, ledger_topics: list[Topic]) -> None:
    """Kafka holds each value that the definition names, not its own default."""
    found = run(describe(client(settings), [topic.name for topic in ledger_topics]))

    for topic in ledger_topics:
        actual = found[topic.name].config
        assert topic.config == {key: actual[key] for key in topic.config}
        assert found[topic.name].partitions == 2


def test_nothing_is_created_beside_topics_of_another_count(settings: Settings, ledger_topics: list[Topic]) -> None:
    """No worker would work on them, and they can't be made smaller; with the count that is there they are created."""
    wrong = settings.model_copy(update={"ledger": f"{settings.ledger}-b", "partitions": 3})
    right = wrong.model_copy(update={"partitions": 2})
    changelogs = [topic.name for topic in definitions(right) if topic not in ledger_topics]

    assert run(create_even(client(wrong), definitions(wrong))) == []
    assert run(describe(client(wrong), changelogs)) == {}
    assert run(create_even(client(right), definitions(right))) == changelogs


def test_missing_topics_are_drift(settings: Settings) -> None:
    """Before `topics` has run, each is reported missing and none appears by being asked for."""
    wanted = definitions(settings)

    drifts = run(check(settings, wanted))

    assert [(drift.topic, drift.found) for drift in drifts] == [(topic.name, "missing") for topic in wanted]
    assert run(describe(client(settings), [topic.name for topic in wanted])) == {}


def test_changed_topics_are_drift(settings: Settings, ledger_topics: list[Topic]) -> None:
    """The closing clock, a size limit and a chunk retention that outgrew the markers are all found at once."""
    chunks, records = settings.chunk_topic, settings.record_topic
    run(
        with_admin(
            settings,
            f"{records} max.message.bytes=1048588",
            # An alteration replaces all of a topic's own settings: append time and limits of the chunks go, too.
            f"{chunks} retention.ms=2592000000",
        )
    )

    drifts = {(drift.topic, drift.what): drift.found for drift in drifts_once_told(settings, ledger_topics, 4)}

    assert drifts[chunks, "message.timestamp.type"] == "CreateTime"
    assert drifts[records, "max.message.bytes"] == "1048588"
    assert drifts[f"{settings.ledger}-markers-changelog", "retention.ms"] == "691200000"


def test_topic_that_was_widened_is_drift(settings: Settings, ledger_topics: list[Topic]) -> None:
    """More partitions for the chunks alone part requests from their state."""
    run(with_admin(settings, f"{settings.chunk_topic} +3"))

    drifts = drifts_once_told(settings, ledger_topics, 1)

    assert [(drift.topic, drift.what, drift.found) for drift in drifts] == [(settings.chunk_topic, "partitions", "3")]


def test_replication_can_be_left_to_the_cluster(settings: Settings) -> None:
    """The default of the settings, -1, works."""
    wanted = definitions(settings.model_copy(update={"replication": -1}))

    run(create(client(settings), wanted))

    assert run(check(settings, wanted)) == []


def test_more_replicas_than_brokers_is_bad_usage(settings: Settings) -> None:
    """The error names the topic and what to change."""
    wanted = definitions(settings.model_copy(update={"replication": 30}))

    with pytest.raises(UsageError, match="set replication to less"):
        run(create(client(settings), wanted))


def test_refusal_of_the_cluster_is_passed_on(settings: Settings) -> None:
    """Kafka's own words against a definition are in the error."""
    wanted = definitions(settings)
    wrong = wanted[0].model_copy(update={"config": {"no.such.setting": "1"}})

    with pytest.raises(BrokerFault, match=r"no\.such\.setting"):
        run(create(client(settings), [wrong]))


def test_no_kafka_is_one_clear_error() -> None:
    """Exit 3, the address, and how to get a Kafka."""
    with pytest.raises(KafkaUnreachable, match=r"no Kafka answers at 127\.0\.0\.1:1 .*streamledger broker") as caught:
        run(describe({"bootstrap_servers": ["127.0.0.1:1"]}, ["any"]))

    assert caught.value.exit_code == 3
