"""What is done to worker processes and their disks. Imports the siblings and the failpoints' names."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
from pathlib import Path
from typing import Any, Final

from pipeline.engine.failpoint import NAMES
from tests.chaos.stage import Stage, fenced, settled, takeover, until
from tests.chaos.workers import LEAVE_SECONDS, TIMING, Worker

OPEN: Final = ("after_send", "after_offsets", "after_delivery", "before_commit")
"""Points of a checkpoint at which its transaction is open at the broker, not in the client alone."""

POINTS: Final = sorted(name for name in NAMES if not name.endswith("_drop"))
"""Markers are dropped by the hour, and no round lasts one."""

RARE: Final = ("restore", "assign", "revoke", "fence", "expire")
"""Points that are passed a few times in a life, some of them at its end."""

DISK_BYTES: Final = "4m"
"""Of the small disk: enough for the stores to open."""

TAKEOVER_SECONDS: Final = 40.0
"""Deadline for the others to own everything: session, rebalance and restore take about 10 of them."""


async def kill(stage: Stage, draw: random.Random) -> bool:
    """SIGKILL; the same data directory."""
    worker = stage.one(draw)
    was_there = worker.running
    await worker.kill()
    await asyncio.sleep(draw.uniform(0, 2))
    worker.start()
    return was_there


async def term(stage: Stage, draw: random.Random) -> bool:
    """SIGTERM; it must leave in time."""
    worker = stage.one(draw)
    was_there = worker.running
    await worker.terminate()
    worker.start()
    return was_there


async def pause(stage: Stage, draw: random.Random) -> bool:
    """SIGSTOP until the others own what it had, then SIGCONT: a zombie that believes it owns its partitions."""
    worker = stage.one(draw)
    taken = takeover(stage, worker)
    worker.signal(signal.SIGSTOP)
    effect = await until(taken, TAKEOVER_SECONDS)
    await asyncio.sleep(draw.uniform(0, 3))
    worker.signal(signal.SIGCONT)
    return effect


async def zombie(stage: Stage, draw: random.Random) -> bool:
    """Stopped with a transaction open until the others own all; what it commits after SIGCONT must fail (G2)."""
    worker = stage.one(draw)
    await worker.terminate()
    worker.failpoints = f"checkpoint.{draw.choice(OPEN)}@{draw.randint(1, 8)}:stop"
    worker.start()
    stopped = await until(worker.stopped, 20)
    worker.failpoints = ""
    if not stopped:
        return False  # the load is over, or the others have everything that moves
    before, process = fenced(worker), worker.process
    effect = await until(takeover(stage, worker), TAKEOVER_SECONDS)
    await asyncio.sleep(draw.uniform(0, 3))
    worker.signal(signal.SIGCONT)
    if not effect:
        return False
    if not await until(lambda: fenced(worker) > before or worker.process is not process, 20):
        stage.notes.append(f"{worker.name} stood still until others owned its partitions, and was not fenced")
    return True


async def crash(stage: Stage, draw: random.Random) -> bool:
    """SIGKILL at a named point of the engine; some are passed only when the worker leaves."""
    worker = stage.one(draw)
    await worker.terminate()
    name = draw.choice(POINTS)
    worker.failpoints = f"{name}@{draw.randint(1, 2 if name.startswith(RARE) else 30)}"
    worker.start()
    worker.wanted = False
    process = worker.process
    if not await worker.ended(TIMING["session"] + 4):
        worker.signal(signal.SIGTERM)
        await worker.ended(LEAVE_SECONDS + 1)
    effect = process is not None and process.poll() == -signal.SIGKILL
    worker.failpoints = ""
    await worker.kill()
    worker.start()
    return effect


async def emptied(stage: Stage, draw: random.Random) -> bool:
    """SIGKILL and an empty data directory."""
    worker = stage.one(draw)
    effect = await until(lambda: _stored(worker), 20)
    await worker.kill()
    worker.empty()
    worker.start()
    return effect


async def older_copy(stage: Stage, draw: random.Random) -> bool:
    """The data directory as it was some seconds and restarts ago."""
    worker = stage.one(draw)
    data = worker.settings.data_dir
    copy = data.with_name("copy")
    effect = await until(lambda: _stored(worker), 20)
    await worker.terminate()
    shutil.rmtree(copy, ignore_errors=True)
    if effect:
        await asyncio.to_thread(shutil.copytree, data, copy)
    effect &= await settled(worker)
    await asyncio.sleep(draw.uniform(4, 8))
    await worker.kill()
    worker.empty()
    if copy.exists():
        copy.rename(data)
    worker.start()
    return effect


async def joined(stage: Stage, draw: random.Random) -> bool:
    """One more worker for a while."""
    guest = stage.fleet.guest("guest")
    effect = await settled(guest)
    await asyncio.sleep(draw.uniform(1, 5))
    await guest.terminate()
    return effect


async def disk_full(stage: Stage, draw: random.Random) -> bool:
    """The data directory's disk fills up in mid-run; later on the old disk again, with what it last held."""
    worker = stage.one(draw)
    await worker.kill()
    data = worker.settings.data_dir
    data.mkdir(parents=True, exist_ok=True)
    mount = f'mount -t tmpfs -o size={DISK_BYTES} none "$0" && exec "$@"'
    prefix = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(data))
    before = len(full_disks(worker))
    effect = await settled(worker, prefix=prefix)
    worker.wanted = False  # a supervisor would start it on the same disk again and again
    if effect and worker.process is not None:
        await asyncio.sleep(draw.uniform(0, 2))
        await asyncio.to_thread(_fill, Path(f"/proc/{worker.process.pid}/root{data}") / "ballast")
        effect = await until(lambda: len(full_disks(worker)) > before, 20)
    await worker.kill()
    worker.start()
    return effect


def _stored(worker: Worker) -> bool:
    """Whether a partition has its store in the data directory."""
    return any(worker.settings.data_dir.rglob("CURRENT"))


def full_disks(worker: Worker) -> list[dict[str, Any]]:
    """Ends of a worker because of its store."""
    return [event for event in worker.events("worker ends") if "store" in str(event)]


def _fill(ballast: Path) -> None:
    """Write until there is no room; through /proc, because only the worker has the disk mounted."""
    try:
        with ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
    except OSError:
        return  # full, or the worker is gone with its disk: the caller sees which
