"""What Kafka says of itself: brokers, their versions and settings, the topics with their replicas.

Owns the asking; what it means is judged elsewhere. A broker or a topic that this user may not see is left out and
named. Imports aiokafka, `topics.admin` and the settings.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import ApiVersionRequest

from pipeline.settings import Settings, client, parted
from pipeline.topics.admin import REQUEST_MILLISECONDS, Found, administering, definitions, sighted

TRANSACTIONS: Final = "__transaction_state"
POSITIONS: Final = "__consumer_offsets"
CONNECT_SECONDS: Final = 3.0


class Part(NamedTuple):
    """One partition: who leads it (-1: nobody), on how many brokers it is, and how many of those are up to date."""

    leader: int
    replicas: int
    in_sync: int


@dataclass(frozen=True)
class Cluster:
    """A Kafka as this user sees it.

    Attributes:
        cluster_id: Kafka's own id of it.
        brokers: Address by number, as the cluster tells its clients.
        unreachable: Why, by address: of bootstrap servers and brokers that take no connection.
        versions: By broker, the highest version of each request that it takes.
        settings: By broker; without those that this user may not ask.
        topics: Of the ledger, those that are there and may be seen.
        parts: Their partitions, and those of Kafka's own topics.
        denied: Topics whose existence or settings this user may not see.
    """

    cluster_id: str
    brokers: Mapping[int, str]
    unreachable: Mapping[str, str]
    versions: Mapping[int, Mapping[int, int]]
    settings: Mapping[int, Mapping[str, str]]
    topics: Mapping[str, Found]
    parts: Mapping[str, Sequence[Part]]
    denied: frozenset[str]


async def gather(settings: Settings) -> Cluster:
    """Ask.

    Raises:
        KafkaUnreachable: No broker answers.
        BrokerFault: The cluster refuses what everybody may ask.
    """
    names = [topic.name for topic in definitions(settings)]
    kafka = client(settings)
    async with administering(kafka) as admin:
        described = await admin.describe_cluster()
        brokers = {broker["node_id"]: f"{broker['host']}:{broker['port']}" for broker in described["brokers"]}
        seen = await sighted(admin, [*names, TRANSACTIONS, POSITIONS])
        asked = await asyncio.gather(*(_asked(admin, ConfigResourceType.BROKER, str(number)) for number in brokers))
        there = [name for name in seen.parts if name in names]
        told = await asyncio.gather(*(_asked(admin, ConfigResourceType.TOPIC, name) for name in there))
    topics = {name: seen.found(name, config) for name, config in zip(there, told, strict=True)}
    addresses = dict.fromkeys([*settings.bootstrap_servers.split(","), *brokers.values()])
    return Cluster(
        cluster_id=str(described["cluster_id"]),
        brokers=brokers,
        unreachable=await _unreachable(addresses),
        versions=await _versions(kafka, brokers),
        settings={number: found for number, found in zip(brokers, asked, strict=True) if found},
        topics=topics,
        parts={
            name: [Part(part["leader"], len(part["replicas"]), len(part["isr"])) for part in parts]
            for name, parts in seen.parts.items()
        },
        denied=seen.hidden | {name for name, topic in topics.items() if not topic.config},
    )


async def _asked(admin: Any, kind: ConfigResourceType, name: str) -> dict[str, str]:
    """Settings of a broker or a topic; none where they may not be asked for, or the broker is away."""
    try:
        answers = await admin.describe_configs([ConfigResource(kind, name)])
    except (KafkaError, TimeoutError):
        return {}
    found = (resource for answer in answers for resource in answer.resources)
    return {entry[0]: entry[1] for code, _, _, _, entries in found if code == 0 for entry in entries}


async def _versions(kafka: Mapping[str, Any], brokers: Mapping[int, str]) -> dict[int, Mapping[int, int]]:
    """What each broker that answers can do."""
    found: dict[int, Mapping[int, int]] = {}
    asking = AIOKafkaClient(**kafka, request_timeout_ms=REQUEST_MILLISECONDS)
    try:
        with contextlib.suppress(KafkaError, TimeoutError):
            await asking.bootstrap()
        for number in brokers:
            with contextlib.suppress(KafkaError, TimeoutError):
                answer = await asking.send(number, ApiVersionRequest())
                found[number] = {api[0]: api[2] for api in answer.api_versions}
    finally:
        await asking.close()
    return found


async def _unreachable(addresses: Mapping[str, Any]) -> dict[str, str]:
    """Addresses that take no connection from here, and why."""
    reasons = await asyncio.gather(*map(_reason, addresses))
    return {address: reason for address, reason in zip(addresses, reasons, strict=True) if reason is not None}


async def _reason(address: str) -> str | None:
    """Why nobody answers there; None if somebody does."""
    host, port = parted(address)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"no answer in {CONNECT_SECONDS:g} s"
    except OSError as error:
        return error.strerror or type(error).__name__
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return None
