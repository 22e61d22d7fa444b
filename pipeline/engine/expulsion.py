"""The group gives partitions out anew: whoever has some of them is made to join again.

A worker whose partition somebody else has taken over for a moment drops what it held of it and waits for the group to
name the new owner, which there is none of. A member that the group does not know any more joins again at its next
heartbeat, as after a pause, and restores what it is given. Imports aiokafka.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError, NoError, UnknownMemberIdError, for_code
from aiokafka.protocol.group import LeaveGroupRequest

from pipeline.engine.config import Config
from pipeline.errors import BrokerFault
from pipeline.settings import right

RESTART: Final = "the worker ends with exit 70 within half a minute, to be started again; nothing is lost"


async def expel(config: Config, partitions: Collection[int]) -> int:
    """Make the members of the ledger's group that have these partitions of the chunks join again; how many.

    Leans on AIOKafkaAdminClient._send_request, because it has no such call.

    Raises:
        BrokerFault: the coordinator does not do it.
    """
    admin = AIOKafkaAdminClient(**config.client, request_timeout_ms=int(config.timing.request * 1_000))
    try:
        await admin.start()
        coordinator = await admin.find_coordinator(config.group)
        answer = await admin.describe_consumer_groups([config.group], coordinator)
        members = [member for group in answer[0].groups for member in group[5] if _has(config, member, partitions)]
        for member in members:
            left = await admin._send_request(LeaveGroupRequest(config.group, member[0]), coordinator)
            error = for_code(left.error_code)
            if error not in (NoError, UnknownMemberIdError):  # the latter: it has left by itself
                raise error
    except (KafkaError, TimeoutError) as error:
        refused = right(error, "READ", group=config.group)
        text = f"the group {config.group} can't be made to give its partitions out anew: {type(error).__name__}"
        raise refused or BrokerFault(text, hint=RESTART) from error
    finally:
        await admin.close()
    return len(members)


def _has(config: Config, member: Any, partitions: Collection[int]) -> bool:
    """Whether a member of a DescribeGroups answer has one of the partitions."""
    if not member[4]:
        return False  # it is joining
    assigned = ConsumerProtocolMemberAssignment.decode(member[4])
    return any(place.topic == config.source and place.partition in partitions for place in assigned.partitions())
