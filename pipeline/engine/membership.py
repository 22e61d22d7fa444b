"""Notices when the group does not take this worker in: a coordinator that is gone, or a client that never joins again.

aiokafka keeps trying by itself and says nothing to the program; after a broker's restart it was seen to hang for good
(FAUST R2). Imports the standard library, `pipeline.errors`, what its settings' room
knows of refusals, and logging.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple, Protocol

from pipeline.errors import BrokerFault
from pipeline.log import get_logger
from pipeline.settings import right

log = get_logger(__name__)

TURN_SECONDS: Final = 1.0

TELL_SECONDS: Final = 10
"""Outside for so long it is said once; a rebalance among healthy workers is over before."""


class Place(NamedTuple):
    """Whether the group knows us and wants nothing of us, partitions or not; and its generation when it last did.

    Attributes:
        refused: Why it will never take us in, as far as aiokafka knows.
    """

    joined: bool
    generation: int
    refused: BaseException | None = None


OUTSIDE: Final = Place(joined=False, generation=-1)


class Member(Protocol):
    """Who may be in the group."""

    def place(self) -> Place:
        """Ours, now."""


async def watch(member: Member, patience: float) -> None:
    """Look every second, for ever; counts its own turns, because a process that was paused was not kept out.

    Raises:
        AccessRefused: This user may not join the group.
        BrokerFault: The worker was out of the group for `patience` seconds without an interruption.
    """
    outside, generation = 0, -1
    while outside * TURN_SECONDS <= patience:
        await asyncio.sleep(TURN_SECONDS)
        place = member.place()
        if place.refused is not None and (refused := right(place.refused, "READ")) is not None:
            raise refused from place.refused
        if place.joined or place.generation != generation:  # the latter: it was in between two looks
            generation = place.generation
            if outside >= TELL_SECONDS:
                log.info("in the group again", seconds=outside * TURN_SECONDS)
            outside = 0
            continue
        outside += 1
        if outside == TELL_SECONDS:
            log.warning("not in the group, trying", seconds=outside * TURN_SECONDS)
    raise BrokerFault(f"the group did not take this worker in for {patience:g} s", hint="is its coordinator there?")


def place_of(consumer: Any) -> Place:
    """Of aiokafka's consumer: in is who knows a coordinator, has an assignment, and need not join again.

    Leans on aiokafka.consumer.group_coordinator.GroupCoordinator.need_rejoin, coordinator_dead, _coordination_task and
    _pending_exception: what the consumer would raise if anyone asked it for records, and nobody does without a
    partition. A task that has ended, which no error of Kafka's makes it do, joins no group any more.
    """
    coordinator = consumer._coordinator
    subscription = consumer._subscription.subscription
    if coordinator is None or subscription is None:
        return OUTSIDE
    known = coordinator.coordinator_id is not None and not coordinator._coordination_task.done()
    return Place(
        known and not coordinator.need_rejoin(subscription), coordinator.generation, coordinator._pending_exception
    )


def silence_of(consumer: Any, now: float) -> float:
    """Seconds since a broker last answered aiokafka's consumer, at monotonic time `now`; 0 without a connection.

    A member hears its coordinator every heartbeat. Leans on AIOKafkaClient._conns and AIOKafkaConnection._last_action,
    which each answer sets.
    """
    answers = [connection._last_action for connection in list(consumer._client._conns.values())]
    return max(0.0, now - max(answers)) if answers else 0.0
