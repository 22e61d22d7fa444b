"""What a consumer group has come to: its committed offsets of a topic, and whether it has members.

Imports aiokafka, `topics.admin`, settings.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka.errors import GroupAuthorizationFailedError, KafkaError

from pipeline.settings import GROUP_DENIED, Settings, client, denied
from pipeline.topics.admin import administering

COORDINATOR_SECONDS: Final = 15.0
"""A cluster that is asked of a group for the first time makes the topic of its positions first."""


@dataclass(frozen=True)
class Group:
    """A consumer group at one moment.

    Attributes:
        members: How many it has; 0 where there is no such group.
        offsets: Committed position by partition, of one topic; a partition without one is left out.
        state: As Kafka names it; Dead where there is no such group.
        names: What the group calls its members; that of a static one begins with its name.
    """

    members: int
    offsets: Mapping[int, int]
    state: str = "Dead"
    names: tuple[str, ...] = ()


async def group_of(settings: Settings, name: str, topic: str) -> Group:
    """Ask for a group.

    Raises:
        KafkaUnreachable: no broker answers.
        AccessRefused: this user may not ask for it.
        BrokerFault: the cluster refuses for another reason.
    """
    async with administering(client(settings)) as admin:
        deadline = time.monotonic() + COORDINATOR_SECONDS
        while True:
            try:
                described = await admin.describe_consumer_groups([name])
                committed = await admin.list_consumer_group_offsets(name)
                break
            except GroupAuthorizationFailedError as error:
                raise denied("DESCRIBE", "group", name) from error
            except KafkaError as error:
                if not error.retriable or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
    told = described[0].groups[0]
    if told[0] == GROUP_DENIED:
        raise denied("DESCRIBE", "group", name)  # of which nothing is told, not even that it has members
    names = tuple(sorted(member[0] for member in told[5]))
    offsets = {place.partition: each.offset for place, each in committed.items() if place.topic == topic}
    kept = {partition: offset for partition, offset in offsets.items() if offset >= 0}
    return Group(len(names), kept, told[2], names)
