"""The buffer: bounds, order, and how long anybody waits."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from pipeline.ingest.publish.engine import Engine
from pipeline.ingest.publish.item import Item
from pipeline.ingest.publish.outbox import Outbox
from pipeline.ingest.publish.policy import Policy
from pipeline.settings import Settings
from tests.unit.ingest.publish.flows import Wire

SECONDS = 60.0
BUDGET = 0.2


def item(number: int) -> Item:
    """A chunk."""
    return Item(b"r", b"%d" % number, b"", number)


def full(*, budget: float = BUDGET, chunks: int = 2) -> Outbox:
    """A buffer without room."""
    outbox = Outbox(Policy(buffer_chunks=chunks, budget=budget), lambda: None)
    for number in range(chunks):
        assert outbox.put(item(number))
    return outbox


def test_chunks_come_out_in_order_and_what_is_put_back_is_first() -> None:
    """What was not delivered is sent before what came after it."""
    outbox = full(chunks=4)
    first = outbox.take(1 << 20, 2)
    outbox.put_back(first)
    assert [one.accepted for one in outbox.take(1 << 20, 10)] == [0, 1, 2, 3]


def test_a_round_has_one_chunk_however_large_and_no_more_than_its_bytes() -> None:
    """A picture larger than a round must get through too."""
    outbox = full(chunks=3)
    assert len(outbox.take(1, 10)) == 1
    assert len(outbox.take(1 << 20, 10)) == 2


def test_what_is_under_way_takes_room_until_it_is_delivered() -> None:
    """Memory is what is bounded, wherever the chunk is on its way."""
    outbox = full(budget=0.0)
    taken = outbox.take(1 << 20, 10)
    assert not outbox.offer(item(9))
    outbox.free(taken)
    assert outbox.offer(item(9))
    assert outbox.held == 1


def test_whoever_finds_no_room_waits_its_budget_once_and_then_nobody_waits() -> None:
    """Past the budget a chunk gets in over the bounds; past twice the bounds it is refused, at once."""
    outbox = full()
    start = time.monotonic()
    assert outbox.put(item(2))
    first = time.monotonic() - start
    start = time.monotonic()
    assert [outbox.put(item(number)) for number in (3, 4, 5)] == [True, False, False]
    assert first >= BUDGET
    assert time.monotonic() - start < BUDGET
    assert outbox.longest_wait >= BUDGET


def test_room_ends_the_wait() -> None:
    """A waiting thread goes on as soon as Kafka or the disk has taken something."""
    outbox = full(budget=SECONDS)
    taken = outbox.take(1 << 20, 1)
    done = threading.Thread(target=outbox.put, args=(item(2),))
    done.start()
    while not outbox._waiting:
        assert done.is_alive()
    outbox.free(taken)
    done.join(SECONDS)
    assert not done.is_alive()
    assert outbox.longest_wait < SECONDS


async def waiting(outbox: Outbox, put: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that waits for room."""
    task = asyncio.create_task(put)
    async with asyncio.timeout(SECONDS):
        while not outbox._waiting:  # noqa: ASYNC110  nothing tells that somebody waits
            await asyncio.sleep(0)
    return task


def test_a_task_waits_without_blocking_its_loop() -> None:
    """And goes on when another thread makes room."""

    async def main() -> None:
        outbox = full(budget=SECONDS)
        taken = outbox.take(1 << 20, 1)
        task = await waiting(outbox, outbox.put_async(item(2)))
        threading.Thread(target=outbox.free, args=(taken,)).start()
        assert await asyncio.wait_for(task, SECONDS)

    asyncio.run(main())


def test_a_task_waits_no_longer_than_its_budget() -> None:
    """The user's stream goes on."""

    async def main() -> None:
        outbox = full()
        assert await outbox.put_async(item(2))
        assert outbox.longest_wait >= BUDGET
        assert await outbox.put_async(item(3))
        assert not await outbox.put_async(item(4))

    asyncio.run(main())


def test_a_task_that_is_cancelled_while_it_waits_has_its_chunk_taken() -> None:
    """A client that breaks off must not take the last chunk with it."""

    async def main() -> None:
        engine = Engine(Settings(), Policy(buffer_chunks=2, budget=SECONDS))
        flow = Wire().flow
        for number in range(2):
            engine.put(item(number), flow)
        task = await waiting(engine.outbox, engine.put_async(item(2), flow))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [one.accepted for one in engine.outbox.take(1 << 20, 10)] == [0, 1, 2]

    asyncio.run(main())


def test_the_sender_is_woken_once_and_only_when_it_sleeps() -> None:
    """A wake is a system call: nobody pays it while the sender is awake."""
    rung: list[int] = []
    outbox = Outbox(Policy(), lambda: rung.append(1))
    for number in range(3):
        outbox.put(item(number))
    assert len(rung) == 1
    assert not outbox.sleep()
    outbox.take(1 << 20, 10)
    assert outbox.sleep()
    outbox.put(item(3))
    assert len(rung) == 2


def test_an_end_that_garbage_collection_publishes_inside_the_lock_is_taken() -> None:
    """A finalizer runs anywhere, also in a thread that is putting a chunk: it must not wait for itself."""
    outbox = full(chunks=9)
    with outbox._lock:
        assert outbox.put(item(9))
    assert outbox.waiting
    assert [one.accepted for one in outbox.take(1 << 20, 10)][-1] == 9
    assert outbox.accepted == outbox.held == 10
