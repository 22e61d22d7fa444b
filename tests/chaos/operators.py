"""What operators and deployments do wrong, and what a consumer may lose. Imports the siblings and aiokafka."""

from __future__ import annotations

import asyncio
import random

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tests.chaos.stage import Stage, settled, until

HEALED = ("a batch is missing, reading again", "no progress, reading again")
"""Events of a worker that has noticed a hole: by the next batch, or by the watchdog if none came."""


async def lost_batches(stage: Stage, draw: random.Random) -> bool:
    """The consumer loses batches; the chain shows it, and they are read again."""
    worker = stage.one(draw)
    await worker.terminate()
    worker.options["lose"] = draw.randint(5, 15)

    def healed() -> int:
        return sum(len(worker.events(name)) for name in HEALED)

    lost, before = len(worker.events("batch lost on purpose")), healed()
    await settled(worker)
    effect = await until(lambda: len(worker.events("batch lost on purpose")) > lost, 15)
    if effect and not await until(lambda: healed() > before, 20):
        stage.notes.append(f"{worker.name} lost a batch and noticed nothing")
    await asyncio.sleep(draw.uniform(1, 4))
    await worker.terminate()
    del worker.options["lose"]
    worker.start()
    return effect


async def offsets_moved(stage: Stage, draw: random.Random) -> bool:
    """An operator moves the group's offsets, forward and back, while nobody is in it."""
    noticed = "group offset differs, the checkpoint row decides"
    before = stage.seen(noticed)
    await stage.fleet.terminate()
    moved = await _move_offsets(stage, draw)
    stage.fleet.start()
    return moved and await until(lambda: stage.seen(noticed) > before, 30)


async def _move_offsets(stage: Stage, draw: random.Random) -> bool:
    """Whether some offsets came to lie before those of the group and others after them."""
    settings = stage.settings
    parts = [TopicPartition(settings.chunk_topic, number) for number in range(settings.partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stage.cluster.bootstrap_servers, group_id=settings.ledger, enable_auto_commit=False
    )
    try:
        await consumer.start()
        consumer.assign(parts)
        for _ in range(20):
            before = {part: await consumer.committed(part) or 0 for part in parts}
            ends = await consumer.end_offsets(parts)
            after = {part: draw.choice((ends[part], draw.randint(0, before[part]))) for part in parts}
            try:
                await consumer.commit(after)
            except KafkaError:
                await asyncio.sleep(0.5)  # the group is not empty yet
            else:
                moves = [after[part] - before[part] for part in parts]
                return min(moves) < 0 < max(moves)
    except KafkaError:
        return False
    finally:
        await consumer.stop()
    return False


async def rogue(stage: Stage, draw: random.Random) -> bool:
    """A second deployment of the same ledger in another group: two owners of every partition, one epoch."""
    before = _noticed(stage)
    guest = stage.fleet.guest("rogue", rogue=True)
    effect = await settled(guest)
    await asyncio.sleep(draw.uniform(2, 8))
    effect &= await until(lambda: _noticed(stage) > before, 20)
    await guest.kill()
    return effect


async def twin(stage: Stage, draw: random.Random) -> bool:
    """A second worker under the name of a static member."""
    worker = stage.one(draw)
    await worker.terminate()
    worker.instance = "static"
    effect = await settled(worker)
    before = _noticed(stage)
    guest = stage.fleet.guest("twin", instance="static")
    await settled(guest)
    effect &= await until(lambda: _noticed(stage) > before, 20)
    await asyncio.sleep(draw.uniform(1, 4))
    await guest.kill()
    await worker.kill()
    worker.instance = None
    worker.start()
    return effect


def _noticed(stage: Stage) -> int:
    """How often a worker was told that it is not the owner, or has ended over it."""
    return stage.fenced() + stage.seen("worker ends")
