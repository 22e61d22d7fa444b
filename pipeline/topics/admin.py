"""Topics on the cluster: create what is missing, and say where what is there breaks a promise (CONTRACT §3).

Nothing that exists is changed: retention and partitions of a topic with money in it are its operator's decision.
Imports aiokafka, `schemas.topics`, `pipeline.settings` and `pipeline.errors`.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code

from pipeline.errors import BrokerFault, UsageError
from pipeline.settings import TOPIC_DENIED, Settings, denied, right, unreached
from schemas.topics import FOREVER, Topic, topics

Client = Mapping[str, Any]
"""Keyword arguments of aiokafka's clients, as `pipeline.settings.client` makes them."""

REQUEST_MILLISECONDS: Final = 15_000
"""Time for one request; aiokafka's 40 s are long for a person who mistyped an address."""

VISIBLE_SECONDS: Final = 15.0
"""Deadline until every broker asked knows a new topic and its leaders."""


@dataclass(frozen=True)
class Found:
    """A topic as it is on the cluster."""

    partitions: int
    replication: int
    config: Mapping[str, str]


@dataclass(frozen=True)
class Sighting:
    """Topics as a cluster tells of them; those that do not exist are left out.

    Attributes:
        parts: Their partitions, as Kafka describes each: leader, replicas, isr.
        hidden: Those that this user may not see, there or not.
    """

    parts: Mapping[str, Sequence[Mapping[str, Any]]]
    hidden: frozenset[str]

    def found(self, topic: str, config: Mapping[str, str]) -> Found:
        """One of them, with its settings."""
        parts = self.parts[topic]
        return Found(len(parts), min((len(part["replicas"]) for part in parts), default=0), config)


@dataclass(frozen=True)
class Counts:
    """Topics as anyone may see them who may DESCRIBE them.

    Attributes:
        partitions: How many, of those that are there.
        hidden: Those that this user may not see, there or not.
    """

    partitions: Mapping[str, int]
    hidden: frozenset[str]

    def of(self, topic: str, operation: str = "READ") -> int:
        """How many partitions a topic has.

        Args:
            topic: Its name.
            operation: What it is asked for: the right to it is what is missing where the topic is hidden.

        Raises:
            UsageError: it does not exist.
            AccessRefused: this user may not see it.
        """
        if topic in self.hidden:
            raise denied(operation, "topic", topic)
        if topic not in self.partitions:
            raise UsageError(f"topic {topic} does not exist", hint="create it: streamledger topics; or name another")
        return self.partitions[topic]


@dataclass(frozen=True)
class Drift:
    """One thing about a topic that is not as it must be."""

    topic: str
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.found}, should be {self.expected}"


def definitions(settings: Settings) -> list[Topic]:
    """The topics of the ledger that the settings describe."""
    return topics(
        ledger=settings.ledger,
        chunk_topic=settings.chunk_topic,
        record_topic=settings.record_topic,
        dead_topic=settings.dead_topic,
        partitions=settings.partitions,
        replication=settings.replication,
        marker_retention=settings.marker_retention,
        clock=settings.clock,
    )


async def create(client: Client, wanted: Sequence[Topic]) -> list[str]:
    """Create the topics that are not there; idempotent.

    Args:
        client: How to reach Kafka.
        wanted: Definitions.

    Returns:
        Names of those that were created now.

    Raises:
        KafkaUnreachable: No broker answers.
        UsageError: The cluster has fewer brokers than replicas are wanted.
        BrokerFault: The cluster refuses for another reason, which is in the text.
    """
    created = []
    async with administering(client) as admin:
        answer = await admin.create_topics([_new_topic(topic) for topic in wanted])
        for name, code, message in answer.topic_errors:
            reason = for_code(code).__name__
            if reason == "InvalidReplicationFactorError":
                raise UsageError(f"can't create the topic: {message}", topic=name, hint="set replication to less")
            if reason == "NoError":
                created.append(name)
            elif code == TOPIC_DENIED:
                raise denied("CREATE", "topic", name)
            elif reason != "TopicAlreadyExistsError":
                raise BrokerFault(f"can't create the topic: {message or reason}", topic=name, hint="ask its operator")
        await _until_visible(admin, created)
    return created


async def create_even(client: Client, wanted: Sequence[Topic]) -> list[str]:
    """The same, but nothing where a topic is there that has another number of partitions.

    A ledger of uneven counts refuses to work (CONTRACT §3), and a topic that was created can't be made smaller.

    Raises:
        As `create`.
    """
    there = await describe(client, [topic.name for topic in wanted])
    if any(topic.name in there and there[topic.name].partitions != topic.partitions for topic in wanted):
        return []
    return await create(client, wanted)


async def counts(client: Client, names: Sequence[str]) -> Counts:
    """How many partitions the named topics have.

    Raises:
        KafkaUnreachable: No broker answers.
        AccessRefused: The login is refused.
    """
    async with administering(client) as admin:
        seen = await sighted(admin, names)
    return Counts({name: len(parts) for name, parts in seen.parts.items()}, seen.hidden)


async def sighted(admin: AIOKafkaAdminClient, names: Sequence[str]) -> Sighting:
    """Ask for topics by name; without their settings, which are another right."""
    described = await admin.describe_topics(list(names)) if names else []
    return Sighting(
        {each["topic"]: each["partitions"] for each in described if each["error_code"] == 0},
        frozenset(each["topic"] for each in described if each["error_code"] == TOPIC_DENIED),
    )


async def describe(client: Client, names: Sequence[str], *, operation: str = "DESCRIBE") -> dict[str, Found]:
    """The named topics as they are, with their settings; those that are not there are left out.

    Args:
        client: How to reach Kafka.
        names: Of the topics.
        operation: What it is done for: the right to it is what is missing where a topic is not even to be seen.

    Raises:
        KafkaUnreachable: No broker answers.
        AccessRefused: A login is refused, or the right to DESCRIBE or DESCRIBE_CONFIGS one of them.
    """
    async with administering(client) as admin:
        return await _describe(admin, names, operation)


def compare(wanted: Sequence[Topic], found: Mapping[str, Found]) -> list[Drift]:
    """Every difference that breaks a promise or contradicts the settings, in the order of the definitions."""
    drifts = []
    for topic in wanted:
        actual = found.get(topic.name)
        if actual is None:
            drifts.append(Drift(topic.name, "the topic", "there", "missing"))
            continue
        if actual.partitions != topic.partitions:
            drifts.append(Drift(topic.name, "partitions", str(topic.partitions), str(actual.partitions)))
        if topic.replication not in {-1, actual.replication}:
            drifts.append(Drift(topic.name, "replication", str(topic.replication), str(actual.replication)))
        drifts += _compare_config(topic, actual)
    return drifts + _compare_marker_retention(wanted, found)


Rule = Callable[[str, str], bool]


def _same(expected: str, found: str) -> bool:
    """Equal but for the order of a list."""
    return set(expected.split(",")) == set(found.split(","))


def _at_least(expected: str, found: str) -> bool:
    """More is fine."""
    return int(found) >= int(expected)


RULES: Final[Mapping[str, Rule]] = {
    "cleanup.policy": _same,
    "message.timestamp.type": _same,
    "max.message.bytes": _at_least,
    "delete.retention.ms": _at_least,
    "min.insync.replicas": _at_least,
    "unclean.leader.election.enable": _same,
}
"""Settings that a promise hangs on, and what fulfils it. All others are the operator's to tune; the retention of
markers depends on that of the chunks and has a function of its own."""


def _compare_config(topic: Topic, actual: Found) -> list[Drift]:
    """Settings of one topic under RULES."""
    drifts = []
    for key, holds in RULES.items():
        expected = topic.config.get(key)
        if expected is None:
            continue
        value = actual.config.get(key, "unknown")
        if value == "unknown" or not holds(expected, value):
            words = f"at least {expected}" if holds is _at_least else expected
            drifts.append(Drift(topic.name, key, words, value))
    return drifts


def _compare_marker_retention(wanted: Sequence[Topic], found: Mapping[str, Found]) -> list[Drift]:
    """Markers must outlive the chunks that are really kept, by marker_retention (DESIGN §3)."""
    by_role = {topic.role: topic for topic in wanted}
    chunks, markers = by_role["chunks"], by_role["markers"]
    if chunks.name not in found or markers.name not in found:
        return []
    told = [found[name].config.get("retention.ms") for name in (chunks.name, markers.name)]
    if None in told:
        return [Drift(markers.name, "retention.ms", f"comparable with that of {chunks.name}", "unknown")]
    kept, actual = (int(text or 0) for text in told)
    defined = int(markers.config["retention.ms"])
    needed = FOREVER
    if FOREVER not in {kept, defined}:
        needed = defined - int(chunks.config["retention.ms"]) + kept
    if actual == FOREVER or (needed != FOREVER and actual >= needed):
        return []
    reason = f"at least {needed}" if needed != FOREVER else f"{FOREVER} (forever)"
    return [Drift(markers.name, "retention.ms", f"{reason}, because {chunks.name} keeps chunks {kept} ms", str(actual))]


@contextlib.asynccontextmanager
async def administering(client: Client) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client; whatever Kafka says against it comes out as an error of ours."""
    admin = AIOKafkaAdminClient(**{"request_timeout_ms": REQUEST_MILLISECONDS, **client})
    try:
        await admin.start()
        yield admin
    except KafkaConnectionError as error:
        raise await unreached(client) from error
    except (KafkaError, TimeoutError) as error:
        refused = right(error, "DESCRIBE")
        raise refused or BrokerFault(f"Kafka did not do as asked: {error or type(error).__name__}") from error
    finally:
        await admin.close()


def _new_topic(topic: Topic) -> NewTopic:
    """The request for one topic; aiokafka takes -1, the cluster's own replication, only beside (empty) assignments."""
    assigned: dict[int, list[int]] | None = {} if topic.replication == -1 else None
    return NewTopic(topic.name, topic.partitions, topic.replication, assigned, topic.config)


async def _describe(admin: AIOKafkaAdminClient, names: Sequence[str], operation: str) -> dict[str, Found]:
    """Partitions, replicas and settings of those topics that exist."""
    seen = await sighted(admin, names)
    if seen.hidden:
        raise denied(operation, "topic", min(seen.hidden))
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in seen.parts]
    answers = await admin.describe_configs(resources) if resources else []
    config = {}
    for code, _, _, name, entries in (resource for answer in answers for resource in answer.resources):
        if code == TOPIC_DENIED:
            raise denied("DESCRIBE_CONFIGS", "topic", name)
        if code == 0:
            config[name] = {entry[0]: entry[1] for entry in entries}
    return {name: seen.found(name, config.get(name, {})) for name in seen.parts}


async def _until_visible(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    """Wait until the broker that is asked has the topics with a leader everywhere: creation is told to it later."""
    deadline = time.monotonic() + VISIBLE_SECONDS
    while names:
        described = await admin.describe_topics(list(names))
        leaders = [part["leader"] for topic in described for part in topic["partitions"]]
        if all(topic["error_code"] == 0 for topic in described) and all(leader >= 0 for leader in leaders):
            return
        if time.monotonic() > deadline:
            raise BrokerFault(f"new topics have no leaders after {VISIBLE_SECONDS:g} s", hint="look at the brokers")
        await asyncio.sleep(0.05)
