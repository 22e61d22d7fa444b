"""Partitions move: workers join, leave, are restarted in turn, and one that was paused too long can't commit (G2)."""

from __future__ import annotations

import asyncio
import fcntl
import signal
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import Settings, client
from pipeline.topics.admin import create, definitions
from tests.integration.engine.harness import (
    QUICK,
    SECONDS,
    Stream,
    Worker,
    committed,
    expectations,
    interleaved,
    own,
    records,
    running,
    send,
    streams,
)

Play = Callable[[Settings, str, Path], Coroutine[Any, Any, None]]
"""What happens at one failpoint."""

LEAVES_WITHIN = 10.0
"""Seconds from SIGTERM to the end (CONTRACT of every orchestrator)."""

PAUSES = ["apply.after", "checkpoint.before_begin", "checkpoint.before_offsets", "checkpoint.before_commit"]
"""Where a worker is stopped: with chunks folded, with a snapshot in hand, in the middle of its transaction."""

UNHURRIED = {**QUICK, "checkpoint": SECONDS + 20, "transaction": SECONDS + 30}
"""Of a worker whose checkpoint may last longer than its pause: only the broker can stop it."""

REVOKING = ["revoke.before", "revoke.after_checkpoint", "revoke.after"]


@pytest.mark.usefixtures("ledger_topics")
def test_a_second_worker_takes_over_its_share_and_gives_it_back(brisk: Settings, tmp_path: Path) -> None:
    """Joining and leaving under load moves partitions with their open requests; nothing is lost or doubled.

    Nor does the first worker keep the lock of a store that it gave away.
    """
    made = streams(300, seed=7)

    async def scenario() -> None:
        sending = asyncio.create_task(send(brisk, interleaved(made, together=40, seed=7), per_second=300))
        first = Worker(brisk, tmp_path / "first", timing=QUICK)
        second = None
        try:
            await asyncio.to_thread(first.wait_for, "folded", count=5)
            second = Worker(brisk, tmp_path / "second", timing=QUICK)
            share = await asyncio.to_thread(second.wait_for, "assigned")
            assert len(share["partitions"]) == 1
            assert first.events("released")[0]["partitions"] == [0, 1]
            kept = (await asyncio.to_thread(first.wait_for, "assigned", count=2))["partitions"]
            assert kept == locked(brisk, "worker-0")
            assert share["partitions"] == locked(brisk, "worker-1")
            await asyncio.to_thread(second.wait_for, "folded")
            assert (await asyncio.to_thread(second.terminate))[0] == 0
            await sending
            await committed(brisk, brisk.record_topic, at_least=len(made))
            assert first.process.poll() is None
        finally:
            first.kill()
            if second is not None and second.process.poll() is None:
                second.kill()

    asyncio.run(scenario())
    assert expectations(made) == records(brisk, at_least=len(made))


def locked(settings: Settings, worker: str) -> list[int]:
    """Partitions whose store in the directory of a worker is held open by a process."""
    found = []
    for path in sorted((settings.data_dir / settings.ledger / worker).rglob("requests-*.db/LOCK")):
        with path.open("r+") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                found.append(int(path.parent.stem.removeprefix("requests-")))
    return found


async def at_each(
    points: Iterable[str],
    play: Callable[[Settings, str, Path], Coroutine[Any, Any, None]],
    settings: Settings,
    tmp_path: Path,
) -> None:
    """Play at all failpoints at once, each with topics and a ledger of its own."""
    async with asyncio.TaskGroup() as plays:
        for point in points:
            plays.create_task(play(own(settings, point.replace(".", "-")), point, tmp_path))


def test_the_first_commit_after_a_pause_fails(brisk: Settings, tmp_path: Path) -> None:
    """Stopped past its session, wherever it is, and continued: the broker refuses it, and nothing it had is visible.

    It drops what it holds and joins again. (With the usual deadline of a checkpoint it would have ended before.)
    """
    asyncio.run(at_each(PAUSES, _pause, brisk, tmp_path))


async def _pause(settings: Settings, point: str, tmp_path: Path) -> None:
    await create(client(settings), definitions(settings))
    made = streams(100, seed=9)
    sending = asyncio.create_task(send(settings, interleaved(made, together=20, seed=9), per_second=100))
    first = Worker(settings, tmp_path / f"{point}-first", timing=UNHURRIED, failpoints=f"{point}@2:stop")
    workers = [first]
    try:
        await asyncio.to_thread(first.wait_until_paused)
        workers.append(Worker(settings, tmp_path / f"{point}-second", timing=QUICK))
        both = await asyncio.to_thread(workers[1].wait_for, "assigned")
        assert len(both["partitions"]) == settings.partitions
        before = len(first.events("assigned"))  # more than one if the group learned of the new topics meanwhile
        first.process.send_signal(signal.SIGCONT)
        await asyncio.to_thread(first.wait_for, "assigned", count=before + 1)
        assert _refused(first), first.text()
        await sending
        seen = await asyncio.to_thread(records, settings, at_least=len(made))
        assert expectations(made) == seen
    finally:
        for worker in workers:
            worker.kill()


def _refused(worker: Worker) -> bool:
    """Whether the broker has told a worker that another one owns its partition."""
    told = ("fenced, working set dropped", "fenced while releasing, working set dropped")
    return any(worker.events(event) for event in told)


def test_killed_while_a_rebalance_takes_its_partitions_a_worker_loses_nothing(brisk: Settings, tmp_path: Path) -> None:
    """Before its last checkpoint, after it, and when all is given up: whoever joined takes all and goes on."""
    asyncio.run(at_each(REVOKING, _killed, brisk, tmp_path))


async def _killed(settings: Settings, point: str, tmp_path: Path) -> None:
    await create(client(settings), definitions(settings))
    made = streams(60, seed=11)
    sending = asyncio.create_task(send(settings, interleaved(made, together=20, seed=11), per_second=100))
    first = Worker(settings, tmp_path / f"{point}-first", timing=QUICK, failpoints=point)
    workers = [first]
    try:
        await asyncio.to_thread(first.wait_for, "folded", count=3)
        workers.append(Worker(settings, tmp_path / f"{point}-second", timing=QUICK))
        assert await asyncio.to_thread(first.wait) == -signal.SIGKILL
        await sending
        seen = await asyncio.to_thread(records, settings, at_least=len(made))
        assert expectations(made) == seen
    finally:
        for worker in workers:
            worker.kill()


def test_workers_restarted_in_turn_lose_no_progress(brisk: Settings, tmp_path: Path) -> None:
    """Each of three leaves under load within ten seconds and comes again; every chunk is folded exactly once."""
    settings = own(brisk, "rolling", partitions=3, session_window=120_000)
    made = [Stream(each.request_id, each.words) for each in streams(400, seed=21)]

    async def scenario() -> None:
        await create(client(settings), definitions(settings))
        sending = asyncio.create_task(send(settings, interleaved(made, together=60, seed=21), per_second=250))
        workers = [Worker(settings, tmp_path / f"{number}-0", timing=QUICK) for number in range(3)]
        try:
            await _one_each(workers)
            for number in range(3):
                status, seconds = await asyncio.to_thread(workers[number].terminate)
                assert (status, seconds < LEAVES_WITHIN) == (0, True), workers[number].text()
                workers.append(Worker(settings, tmp_path / f"{number}-1", timing=QUICK))
                await _one_each(workers[number + 1 :])
            sent = await sending
            await committed(settings, settings.record_topic, at_least=len(made))
            for worker in workers[3:]:
                assert (await asyncio.to_thread(worker.terminate))[0] == 0
            assert sent == sum(worker.wait_for("stopped")["chunks"] for worker in workers)
        finally:
            for worker in workers:
                worker.kill()

    asyncio.run(scenario())
    assert expectations(made) == records(settings, at_least=len(made))


async def _one_each(workers: Sequence[Worker]) -> None:
    """Returns when each of so many workers has one of so many partitions."""

    def shares() -> list[list[int]]:
        return sorted(worker.events("assigned")[-1]["partitions"] for worker in workers if worker.events("assigned"))

    deadline = asyncio.get_running_loop().time() + SECONDS
    while shares() != [[number] for number in range(len(workers))]:
        assert asyncio.get_running_loop().time() < deadline, shares()
        await asyncio.sleep(0.1)


@pytest.mark.usefixtures("ledger_topics")
def test_a_quick_restart_of_a_static_member_moves_nothing(brisk: Settings, tmp_path: Path) -> None:
    """The other worker keeps folding its own partition and is not even asked; the name has its partition again."""
    with (
        running(brisk, tmp_path / "one", timing=QUICK, instance="one") as one,
        running(brisk, tmp_path / "two", timing=QUICK, instance="two") as two,
    ):
        asyncio.run(_one_each([one, two]))
        before, released = two.events("assigned")[-1]["partitions"], len(one.events("released"))
        assert two.terminate()[0] == 0
        with running(brisk, tmp_path / "again", timing=QUICK, instance="two") as again:
            assert again.wait_for("assigned")["partitions"] == before
            made = [Stream(f"s-{number}", ("a ", "b ")) for number in range(10)]
            asyncio.run(send(brisk, interleaved(made, together=3, seed=1)))
            assert expectations(made) == records(brisk, at_least=len(made))
            assert len(one.events("released")) == released


@pytest.mark.usefixtures("ledger_topics")
def test_sigterm_in_the_middle_of_a_backlog_loses_no_progress(brisk: Settings, tmp_path: Path) -> None:
    """With tens of thousands of chunks ahead it leaves in time, and the next one folds the rest and nothing again."""
    made = [Stream(each.request_id, each.words) for each in streams(2_000, seed=31)]
    sent = asyncio.run(send(brisk, interleaved(made, together=200, seed=31)))
    with running(brisk, tmp_path / "first", timing=QUICK, instance="one") as first:
        first.wait_for("folded", count=2)
        status, seconds = first.terminate()
        assert (status, seconds < LEAVES_WITHIN) == (0, True)
        folded = first.wait_for("stopped")["chunks"]
    assert 0 < folded < sent
    with running(brisk, tmp_path / "second", timing=QUICK, instance="one", drain=True) as second:
        assert second.wait() == 0
        assert sent - folded == second.wait_for("stopped")["chunks"]
    assert expectations(made) == records(brisk, at_least=len(made))
