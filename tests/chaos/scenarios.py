"""Faults that need a stage of their own: the changelog deleted under a ledger, and a broker gone for several windows.

Imports the siblings, aiokafka and `pipeline.ops`.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient

from pipeline.settings import Settings, client
from pipeline.topics.admin import create, definitions
from tests.chaos.generator import HEADER, Ledger, Send, Sender, own_draw
from tests.chaos.kafka import ProxiedCluster
from tests.chaos.proxy import Proxies
from tests.chaos.reader import Reader, chunks
from tests.chaos.reconcile import Result, reconcile
from tests.chaos.report import Verdict
from tests.chaos.requests import request
from tests.chaos.stage import Stage, until
from tests.chaos.workers import Fleet

REQUESTS: Final = 40
WINDOW: Final = 5_000
"""session_window of the scenario in ms: two of these pass between two parts of a request, but not by append time."""

WINDOWS_GONE: Final = 3
SECONDS: Final = 60.0


@contextlib.asynccontextmanager
async def stage(seed: int, *, workers: int, **changed: Any) -> AsyncIterator[Stage]:
    """A cluster with topics and a fleet that is not started."""
    async with contextlib.AsyncExitStack() as held:
        home = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        cluster = ProxiedCluster(home / "kafka")
        held.callback(cluster.discard)
        await asyncio.to_thread(cluster.start)
        proxies = await held.enter_async_context(Proxies(cluster.doors))
        settings = Settings(
            bootstrap_servers=cluster.proxied_servers, ledger=f"scenario-{seed}", replication=1, partitions=2, **changed
        )
        direct = settings.model_copy(update={"bootstrap_servers": cluster.bootstrap_servers})
        await create(client(direct), definitions(direct))
        fleet = Fleet(settings, home, size=workers)
        held.push_async_callback(fleet.kill)
        yield Stage(direct, fleet, cluster, proxies)


async def broker_gone(seed: int) -> Result:
    """Requests are half sent; the other half is in the log but unread when the broker goes for three windows.

    What is in the log came in time, so that it must be in the one record of its request: had anything expired while no
    broker answered, it would come as a revision.
    """
    ledger, names = Ledger(seed), [f"gone-{seed}-{number}" for number in range(REQUESTS)]
    made = [request(own_draw(seed, name), name) for name in names]
    ledger.requests = {each.request_id: each.expected for each in made}
    ledger.chunks = sum(len(each.chunks) for each in made)
    halves: list[list[Send]] = [[], []]
    for each in made:
        for place, chunk in enumerate(each.chunks):
            halves[place >= 2].append(Send(0, place, each.request_id.encode(), chunk))
    windows = {"finish_grace": WINDOW, "attempt_grace": WINDOW, "session_window": WINDOW, "clock_slack": 1_000}
    async with stage(seed, workers=1, **windows) as on:
        reader = Reader(
            on.settings.bootstrap_servers, records=on.settings.record_topic, dead=on.settings.dead_topic, partitions=2
        )
        on.fleet.start()
        await _until(lambda: bool(on.fleet.workers[0].events("assigned")), "assigned")
        tasks = [asyncio.create_task(reader.run()), asyncio.create_task(on.fleet.supervise())]
        try:
            await _send(on.settings, halves[0])
            await asyncio.sleep(1)  # folded, or else read later: both are right
            for door in on.proxies.doors:
                door.stall(stalled=True)
            await _send(on.settings, halves[1])
            (node,) = on.cluster.nodes
            await asyncio.to_thread(node.kill)
            await asyncio.sleep(WINDOWS_GONE * WINDOW / 1_000)
            for door in on.proxies.doors:
                door.stall(stalled=False)
                door.cut()
            await asyncio.to_thread(node.start)
            await _until(lambda: reader.records.keys() >= ledger.requests.keys(), "all records")
            sent = await chunks(on.settings.bootstrap_servers, on.settings.chunk_topic, partitions=2, header=HEADER)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return reconcile(ledger, sent, reader.records, reader.dead, grace=WINDOW)


async def broker_gone_holds(seed: int) -> Verdict:
    """Nothing expires while no broker answers, for three windows with requests open."""
    result = await broker_gone(seed)
    shown = f"{result.requests} open requests, {result.records} records, {result.revised} revised"
    return Verdict("broker gone for three windows", result.clean and result.requests == result.records, shown)


async def changelog_deleted_holds(seed: int) -> Verdict:
    """A worker refuses in one clear line to go on without its changelog, and nothing is sent again."""
    without, empty, records = await changelog_deleted(seed)
    refused = len(without) == 1 and "no topic" in without[0] and len(empty) == 1 and "changelog is gone" in empty[0]
    once = bool(records) and set(records.values()) == {1}
    shown = f"{'refused' if refused else 'not refused'}, {len(records)} records, {'once' if once else 'more than once'}"
    return Verdict("changelog deleted", refused and once, shown)


async def changelog_deleted(seed: int) -> tuple[list[str], list[str], Mapping[str, int]]:
    """A ledger whose changelog is deleted: what a worker says, then what it says once there is an empty one again.

    Returns:
        Lines in which it refuses to start without the topic, and with an empty one; and records by request.
    """
    made = [request(own_draw(seed, name), name) for name in (f"lost-{seed}-{number}" for number in range(REQUESTS))]
    async with stage(seed, workers=1) as on:
        settings, worker = on.settings, on.fleet.workers[0]
        reader = Reader(
            settings.bootstrap_servers, records=settings.record_topic, dead=settings.dead_topic, partitions=2
        )
        reading = asyncio.create_task(reader.run())
        try:
            on.fleet.start()
            await _send(
                settings, [Send(0, 0, each.request_id.encode(), chunk) for each in made for chunk in each.chunks]
            )
            await _until(lambda: len(reader.records) > REQUESTS // 2, "records")
            await on.fleet.terminate()
            (changelog,) = [topic for topic in definitions(settings) if topic.role == "requests"]
            admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
            await admin.start()
            await admin.delete_topics([changelog.name])
            await admin.close()
            without = await _refusal(on)
            await create(client(settings), [changelog])
            empty = await _refusal(on)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        assert not worker.running
    return without, empty, {request_id: len(seen) for request_id, seen in reader.records.items()}


async def _refusal(on: Stage) -> list[str]:
    """Lines with which a worker ends that is started now."""
    worker = on.fleet.workers[0]
    before = len(worker.log.read_text(encoding="utf-8").splitlines())
    worker.start()
    if not await worker.ended(SECONDS):
        await worker.kill()
        return []
    lines = worker.log.read_text(encoding="utf-8").splitlines()[before:]
    return [line for line in lines if line.startswith("REFUSED") or '"worker ends"' in line]


async def _send(settings: Settings, sends: list[Send]) -> None:
    await Sender(settings.bootstrap_servers, settings.chunk_topic).run(iter(sends))


async def _until(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    if not await until(holds, SECONDS):
        raise AssertionError(f"waited {SECONDS:g} s in vain: {what}")
