"""What is done to workers, brokers, network, disks and offsets; each fault has a name and draws from the seed.

Imports the siblings, aiokafka and the standard library.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from pipeline.engine.failpoint import NAMES
from pipeline.settings import Settings
from tests.chaos.kafka import ProxiedCluster
from tests.chaos.proxy import Proxies
from tests.chaos.workers import TIMING, Fleet, Worker

DISK_BYTES: Final = "320k"
"""Of the small disk: enough to open the stores of some partitions, too little to go on."""


@dataclass
class Stage:
    """What faults act on."""

    settings: Settings
    fleet: Fleet
    cluster: ProxiedCluster
    proxies: Proxies
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def count(self, what: str) -> None:
        """One more of these."""
        self.counts[what] = self.counts.get(what, 0) + 1

    def fenced(self) -> int:
        """How often a worker has noticed that another one owns its partition."""
        names = ("fenced, working set dropped", "fenced while releasing, working set dropped")
        return sum(len(worker.events(name)) for worker in self.fleet.everyone for name in names)


OPEN: Final = ("after_begin", "after_send", "after_delivery", "before_commit")
"""Points of a checkpoint at which its transaction is open."""

Fault = Callable[[Stage, random.Random], Awaitable[None]]


def deck(seed: int, names: Sequence[str]) -> Iterator[tuple[str, random.Random, float]]:
    """Faults without end: each name once, in an order drawn anew each time; its choices, and the rest before it."""
    draw = random.Random(f"{seed}-faults")
    for number in itertools.count():
        for name in draw.sample(names, len(names)):
            yield name, random.Random(f"{seed}-{number}-{name}"), draw.uniform(1.0, 5.0)


def _one(stage: Stage, draw: random.Random) -> Worker:
    return draw.choice(stage.fleet.workers)


async def kill(stage: Stage, draw: random.Random) -> None:
    """SIGKILL; the same data directory."""
    worker = _one(stage, draw)
    await worker.kill()
    await asyncio.sleep(draw.uniform(0, 2))
    worker.start()


async def term(stage: Stage, draw: random.Random) -> None:
    """SIGTERM; it must leave in time."""
    worker = _one(stage, draw)
    if not await worker.terminate():
        stage.fleet.late_leaves += 1
    worker.start()


async def pause(stage: Stage, draw: random.Random) -> None:
    """SIGSTOP past the session, then SIGCONT: a zombie with a transaction in hand."""
    worker = _one(stage, draw)
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(TIMING["session"] + draw.uniform(1, 4))
    worker.signal(signal.SIGCONT)


async def zombie(stage: Stage, draw: random.Random) -> None:
    """Stopped with a transaction open, past the session; what it commits after SIGCONT must fail (G2)."""
    worker = _one(stage, draw)
    await worker.terminate()
    worker.failpoints = f"checkpoint.{draw.choice(OPEN)}@{draw.randint(1, 8)}:stop"
    worker.start()
    stopped = await _until(worker.stopped, 20)
    worker.failpoints = ""
    if not stopped:
        stage.count("zombie without a checkpoint")
        return  # the load is over, or the others have everything that moves
    before, process = stage.fenced(), worker.process
    await asyncio.sleep(TIMING["session"] + draw.uniform(2, 5))
    worker.signal(signal.SIGCONT)
    if not await _until(lambda: stage.fenced() > before or worker.process is not process, 20):
        stage.notes.append(f"{worker.name} was stopped for longer than its session and not fenced")


async def crash(stage: Stage, draw: random.Random) -> None:
    """SIGKILL at a named point of the engine."""
    worker = _one(stage, draw)
    await worker.terminate()
    name = draw.choice(sorted(NAMES))
    rare = name.startswith(("restore", "assign", "revoke", "fence", "expire")) or "drop" in name
    worker.failpoints = f"{name}@{draw.randint(1, 2 if rare else 30)}"
    worker.start()
    worker.wanted = False
    await worker.ended(8)
    worker.failpoints = ""
    await worker.kill()
    worker.start()


async def _settled(stage: Stage, worker: Worker) -> None:
    """Start a worker and wait until it has its partitions, or has ended over them."""
    before = len(worker.events("assigned"))
    worker.start()
    if not await _until(lambda: len(worker.events("assigned")) > before or not worker.running, 30):
        stage.count(f"{worker.name} without partitions")


async def _until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether a condition comes true in so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True


async def emptied(stage: Stage, draw: random.Random) -> None:
    """SIGKILL and an empty data directory."""
    worker = _one(stage, draw)
    await worker.kill()
    worker.empty()
    worker.start()


async def older_copy(stage: Stage, draw: random.Random) -> None:
    """The data directory as it was some seconds and restarts ago."""
    worker = _one(stage, draw)
    data = worker.settings.data_dir
    copy = data.with_name("copy")
    await worker.terminate()
    shutil.rmtree(copy, ignore_errors=True)
    if data.exists():
        shutil.copytree(data, copy)
    worker.start()
    await asyncio.sleep(draw.uniform(6, 10))
    await worker.kill()
    worker.empty()
    if copy.exists():
        copy.rename(data)
    worker.start()


async def joined(stage: Stage, draw: random.Random) -> None:
    """One more worker for a while."""
    guest = stage.fleet.guest("guest")
    await _settled(stage, guest)
    await asyncio.sleep(draw.uniform(1, 5))
    if not await guest.terminate():
        stage.fleet.late_leaves += 1


async def broker_kill(stage: Stage, draw: random.Random) -> None:
    """SIGKILL to a broker, and its restart."""
    node = draw.choice(stage.cluster.nodes)
    await asyncio.to_thread(node.kill)
    await asyncio.sleep(draw.uniform(0, 2))
    await asyncio.to_thread(node.start)


async def cut(stage: Stage, draw: random.Random) -> None:
    """Connections to the brokers are reset, and for a while no new ones come through."""
    for door in stage.proxies.doors:
        door.refuse(refusing=True)
        door.cut()
    await asyncio.sleep(draw.uniform(0.2, 4))
    for door in stage.proxies.doors:
        door.refuse(refusing=False)


async def stall(stage: Stage, draw: random.Random) -> None:
    """Connections stay open and nothing passes."""
    for door in stage.proxies.doors:
        door.stall(stalled=True)
    await asyncio.sleep(draw.uniform(1, 9))
    for door in stage.proxies.doors:
        door.stall(stalled=False)


async def delay(stage: Stage, draw: random.Random) -> None:
    """Everything takes longer."""
    for door in stage.proxies.doors:
        door.delay(draw.uniform(0.05, 0.3))
    await asyncio.sleep(draw.uniform(4, 8))
    for door in stage.proxies.doors:
        door.delay(0)


async def disk_full(stage: Stage, draw: random.Random) -> None:
    """The data directory lies on a disk that is soon full; later on the old disk again, with what it last held."""
    worker = _one(stage, draw)
    await worker.kill()
    data = worker.settings.data_dir
    data.mkdir(parents=True, exist_ok=True)
    mount = f'mount -t tmpfs -o size={DISK_BYTES} none "$0" && exec "$@"'
    prefix = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(data))
    failures = len(full_disks(worker))
    worker.start(prefix=prefix)
    worker.wanted = False  # a supervisor would start it on the same disk again and again
    await worker.ended(20)
    if len(full_disks(worker)) == failures:
        stage.count("disk_full with room to the end")
    await worker.kill()
    worker.start()


def full_disks(worker: Worker) -> list[dict[str, Any]]:
    """Ends of a worker because of its store."""
    return [event for event in worker.events("worker ends") if "store" in str(event)]


async def lost_batches(stage: Stage, draw: random.Random) -> None:
    """The consumer loses batches; the chain shows it, and they are read again."""
    worker = _one(stage, draw)
    await worker.terminate()
    worker.options["lose"] = draw.randint(5, 15)
    before = len(worker.events("batch lost on purpose"))
    await _settled(stage, worker)
    await asyncio.sleep(draw.uniform(6, 9))
    await worker.terminate()
    del worker.options["lose"]
    worker.start()
    if len(worker.events("batch lost on purpose")) == before:
        stage.count("lost_batches without a loss")
    elif not worker.events("a batch is missing, reading again"):
        stage.notes.append(f"{worker.name} lost a batch and noticed nothing")


async def offsets_moved(stage: Stage, draw: random.Random) -> None:
    """An operator moves the group's offsets, forward and back, while nobody is in it."""
    await stage.fleet.terminate()
    moved = await _move_offsets(stage, draw)
    stage.fleet.start()
    if not moved:
        stage.notes.append("the group's offsets could not be moved")


async def _move_offsets(stage: Stage, draw: random.Random) -> bool:
    settings = stage.settings
    parts = [TopicPartition(settings.chunk_topic, number) for number in range(settings.partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stage.cluster.bootstrap_servers, group_id=settings.ledger, enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        for _ in range(20):
            try:
                await consumer.commit({part: draw.randint(0, ends[part]) for part in parts})
            except KafkaError:
                await asyncio.sleep(0.5)  # the group is not empty yet
            else:
                return True
        return False
    finally:
        await consumer.stop()


async def rogue(stage: Stage, draw: random.Random) -> None:
    """A second deployment of the same ledger in another group: two owners of every partition, one epoch."""
    guest = stage.fleet.guest("rogue", rogue=True)
    await _settled(stage, guest)
    await asyncio.sleep(draw.uniform(2, 8))
    await guest.kill()


async def twin(stage: Stage, draw: random.Random) -> None:
    """A second worker under the name of a static member."""
    worker = _one(stage, draw)
    await worker.terminate()
    worker.instance = "static"
    await _settled(stage, worker)
    guest = stage.fleet.guest("twin", instance="static")
    await _settled(stage, guest)
    await asyncio.sleep(draw.uniform(2, 6))
    await guest.kill()
    await worker.kill()
    worker.instance = None
    worker.start()


async def bounce(stage: Stage, draw: random.Random) -> None:
    """Every broker in turn, stopped in order or killed: leaders, controller and coordinators all move."""
    for node in draw.sample(stage.cluster.nodes, len(stage.cluster.nodes)):
        await asyncio.to_thread(draw.choice((node.kill, node.stop)))
        await asyncio.sleep(draw.uniform(0, 2))
        await asyncio.to_thread(node.start)
        await asyncio.sleep(draw.uniform(2, 4))


CORE: Final[dict[str, Fault]] = {
    "kill": kill,
    "term": term,
    "pause": pause,
    "zombie": zombie,
    "crash": crash,
    "emptied": emptied,
    "broker_kill": broker_kill,
}
"""What dies every day; the short round of `make test` draws from these."""

FAULTS: Final[dict[str, Fault]] = CORE | {
    "older_copy": older_copy,
    "joined": joined,
    "cut": cut,
    "stall": stall,
    "delay": delay,
    "disk_full": disk_full,
    "lost_batches": lost_batches,
    "offsets_moved": offsets_moved,
    "rogue": rogue,
    "twin": twin,
    "bounce": bounce,
}
