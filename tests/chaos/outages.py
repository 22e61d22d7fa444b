"""What is done to brokers and to the network between them and the workers. Imports the siblings and broker errors."""

from __future__ import annotations

import asyncio
import random
from typing import Final

from pipeline.errors import BrokerUnavailable, PortTaken
from pipeline.ops.broker.process import Node
from tests.chaos.stage import Stage

STARTS: Final = 3
"""Tries to start a broker again on a loaded machine."""


async def start_again(node: Node) -> None:
    """Start a broker that was stopped.

    Raises:
        BrokerUnavailable: It does not start, however often it is tried.
    """
    for left in reversed(range(STARTS)):
        try:
            await asyncio.to_thread(node.start)
        except (BrokerUnavailable, PortTaken):
            if not left:
                raise
        else:
            return


async def broker_kill(stage: Stage, draw: random.Random) -> bool:
    """SIGKILL to a broker, and its restart."""
    node = draw.choice(stage.cluster.nodes)
    await asyncio.to_thread(node.kill)
    await asyncio.sleep(draw.uniform(0, 2))
    await start_again(node)
    return True


async def bounce(stage: Stage, draw: random.Random) -> bool:
    """Every broker in turn, stopped in order or killed.

    Whoever leads a partition, the quorum of controllers, the group or its transactions is gone once, and moves.
    """
    for node in draw.sample(stage.cluster.nodes, len(stage.cluster.nodes)):
        await asyncio.to_thread(draw.choice((node.kill, node.stop)))
        await asyncio.sleep(draw.uniform(0, 2))
        await start_again(node)
        await asyncio.sleep(draw.uniform(2, 4))
    return True


async def cut(stage: Stage, draw: random.Random) -> bool:
    """Connections to the brokers are reset, and for a while no new ones come through."""
    doors = stage.proxies.doors
    lines = 0
    for door in doors:
        door.refuse(refusing=True)
        lines += door.cut()
    await asyncio.sleep(draw.uniform(0.2, 4))
    for door in doors:
        door.refuse(refusing=False)
    return lines > 0


async def stall(stage: Stage, draw: random.Random) -> bool:
    """Connections stay open and nothing passes."""
    doors = stage.proxies.doors
    before = sum(door.held for door in doors)
    for door in doors:
        door.stall(stalled=True)
    await asyncio.sleep(draw.uniform(1, 9))
    for door in doors:
        door.stall(stalled=False)
    return sum(door.held for door in doors) > before


async def delay(stage: Stage, draw: random.Random) -> bool:
    """Everything takes longer."""
    doors = stage.proxies.doors
    before = sum(door.held for door in doors)
    for door in doors:
        door.delay(draw.uniform(0.05, 0.3))
    await asyncio.sleep(draw.uniform(4, 8))
    for door in doors:
        door.delay(0)
    return sum(door.held for door in doors) > before
