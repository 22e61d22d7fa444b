"""The closing table live on a broker (CONTRACT §4): three ledgers read one topic, each with a worker of its own.

`steady` has its worker all the time, and closes idle partitions by the wall clock. The worker of `stopped` is killed
while requests are open and comes back three session windows later, when the rest has long been waiting in the topic:
hours of downtime, with windows of seconds. `strict` refuses late chunks, has low limits, and no wall clock: time passes
only with chunks. Offline: tests/unit/ops/test_closing.py.
"""

from __future__ import annotations

import asyncio
import json
import operator
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline.settings import Settings, client
from pipeline.testing.chunk import chat
from pipeline.testing.ledger import fresh_name, ledger_settings
from pipeline.testing.topic import append, messages
from pipeline.topics.admin import create, definitions
from tests.closing.scenario import LIMITS, PROPORTIONS, Scenario, differences
from tests.closing.table import SCENARIOS
from tests.integration.engine.harness import Seen, Worker, committed, running
from tests.integration.engine.playing import Played, play
from tests.integration.engine.rereading import Live, assert_equal, live, refold
from tests.replay import Folded

LEDGERS: Final = ("steady", "stopped", "strict")
WINDOWS_GONE: Final = 3
"""session_windows for which the worker of `stopped` is away."""

HOUR: Final = 3_600_000
PARTITIONS: Final = 3


@dataclass
class Run:
    """What came of it, by ledger.

    Attributes:
        played: the rows, by name.
        folded, seen: records and dead letters as `fold` makes them of the topic, and as the worker did.
        early: those of `strict` before a chunk told how late it is.
        open_when_killed: requests that `stopped` found open when it came back.
    """

    settings: dict[str, Settings]
    played: dict[str, Played] = field(default_factory=dict)
    folded: dict[str, Folded] = field(default_factory=dict)
    seen: dict[str, Live] = field(default_factory=dict)
    early: Live = field(default_factory=Live)
    open_when_killed: int = 0


@pytest.fixture(scope="module")
def run(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run of the module's docstring."""
    folder = tmp_path_factory.mktemp("closing")
    made = Run({name: ledger(kafka, name, folder) for name in LEDGERS})
    for settings in made.settings.values():
        asyncio.run(create(client(settings), definitions(settings)))
    with ExitStack() as held:
        workers = {name: held.enter_context(running(made.settings[name], folder / f"{name}.log")) for name in LEDGERS}
        for worker in workers.values():
            worker.wait_for("assigned")
        asyncio.run(scenario(made, workers, folder))
    return made


_RUN: Final = fresh_name()


def ledger(kafka: str, name: str, folder: Path) -> Settings:
    """Settings of one of the three; they share the chunk topic only."""
    own: dict[str, Any] = {**LIMITS, "clock_slack": HOUR} if name == "strict" else {"clock_slack": 1_000}
    changes: dict[str, Any] = {**PROPORTIONS, **own, "partitions": PARTITIONS}
    return ledger_settings(kafka, f"{_RUN}-{name}", folder / name, chunks=_RUN, **changes)


async def scenario(made: Run, workers: dict[str, Worker], folder: Path) -> None:
    """Play the table, kill and bring back one worker meanwhile, and read everything."""
    playing = asyncio.create_task(play(made.settings["steady"], SCENARIOS))
    await asyncio.to_thread(workers["stopped"].wait_for, "folded", count=20)
    await asyncio.to_thread(workers["stopped"].kill)
    killed = time.monotonic()
    made.played = {each.scenario.name: each for each in await playing}
    gone = WINDOWS_GONE * PROPORTIONS["session_window"] / 1_000
    await asyncio.sleep(max(0.0, killed + gone - time.monotonic()))
    chunks = await committed(made.settings["steady"], made.settings["steady"].chunk_topic)
    with running(made.settings["stopped"], folder / "stopped-again.log") as again:
        for name in ("steady", "stopped"):
            await read(made, name, chunks, folder)
        made.open_when_killed = sum(event["open"] for event in again.events("restored"))
    strict = made.settings["strict"]
    made.early = await live(strict, Folded())
    await tell_the_time(strict)
    await read(made, "strict", await committed(strict, strict.chunk_topic), folder)


async def read(made: Run, name: str, chunks: list[Seen], folder: Path) -> None:
    """Fold a topic for a ledger, and wait until its worker has as much."""
    settings = made.settings[name]
    made.folded[name] = await asyncio.to_thread(refold, settings, chunks, folder / f"{name}-again")
    made.seen[name] = await live(settings, made.folded[name])


async def tell_the_time(settings: Settings) -> None:
    """A chunk to each partition: append time passes all deadlines."""
    ticks = [
        message
        for number in range(settings.partitions)
        for message in messages([chat(0, "tick", finish="stop", is_final=True, request_id=f"tick-{number}")], number)
    ]
    await append(settings, settings.chunk_topic, ticks)


@pytest.mark.parametrize("name", LEDGERS)
def test_live_records_are_those_of_a_fold_of_the_topic(run: Run, name: str) -> None:
    """Byte for byte, whenever the worker was there, by wall clock or by stream time; dead letters by their place."""
    assert len(run.folded[name].records) >= len(SCENARIOS)
    assert_equal(run.folded[name], run.seen[name])


@pytest.mark.parametrize("name", LEDGERS)
@pytest.mark.parametrize("row", SCENARIOS, ids=lambda row: row.name)
def test_a_request_closes_live_as_the_table_says(run: Run, row: Scenario, name: str) -> None:
    """What was written by hand for the row holds on the broker."""
    expected, played, seen = row.expected(strict=name == "strict"), run.played[row.name], run.seen[name]
    assert differences(expected.records, seen.of(played.request_id)) == []
    dead = [
        (reason, played.offsets.index(offset))
        for reason, partition, offset in seen.dead.elements()
        if partition == played.partition and offset in played.offsets
    ]
    assert sorted(expected.dead) == sorted(dead)


def test_an_absence_of_windows_expires_nothing(run: Run) -> None:
    """The records are those of the worker that was there all the time, but for what the ledger's name makes other."""
    named = ("record_id", "supersedes", "config_digest", "digest")
    here, away = (
        [{name: leaf for name, leaf in json.loads(record).items() if name not in named} for record in seen.records]
        for seen in (run.seen["steady"], run.seen["stopped"])
    )
    order = operator.itemgetter("request_id", "revision", "chunk_count")
    assert sorted(here, key=order) == sorted(away, key=order)


def test_requests_were_open_when_the_worker_was_killed(run: Run) -> None:
    """Else its absence of three windows would prove nothing: what was silent for it was not so by append time."""
    assert run.open_when_killed > 5


def test_without_a_wall_clock_only_chunks_tell_the_time(run: Run) -> None:
    """A request alone in its partition is closed live by the wall clock, and without one by the next chunk."""
    (alone,) = [run.played[row.name].request_id for row in SCENARIOS if row.alone]
    assert run.early.of(alone) == []
    assert [record["closed_by"] for record in run.seen["strict"].of(alone)] == ["expiry"]
    assert [record["closed_by"] for record in run.seen["steady"].of(alone)] == ["expiry"]
