"""Replay equality (G3): every case, recording and example folded live, over crashes, and offline, byte for byte.

Three ledgers read one topic that holds all of it, many requests at a time. The worker of `steady` lives; those of
`kept` and `emptied` are killed by SIGKILL, once in the midst of closing and once between a commit and its store, and
started again on their data directory or without it. Each ledger must have sent what `streamledger fold` makes of the
topic read again; and what has no clock of its own, the same canonical records as its plain lines give.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline.ops.fold import fold_lines
from pipeline.pricing import valuation
from pipeline.settings import Settings, client
from pipeline.testing.ledger import fresh_name, ledger_settings
from pipeline.topics.admin import create, definitions
from tests.integration.engine.corpus import CORPORA, shared, unique
from tests.integration.engine.crash import Forked
from tests.integration.engine.harness import SECONDS, Seen, committed, send
from tests.integration.engine.rereading import Live, assert_equal, live, refold
from tests.replay import Folded

LEDGERS: Final = ("steady", "kept", "emptied")
CRASHES: Final = ("finalize.before@20", "checkpoint.after_commit@2")
"""Where the workers of two ledgers die, one after the other."""

GRACE: Final = 10_000
TOGETHER: Final = 15
"""Streams that are sent at a time."""

PER_SECOND: Final = 250.0
"""Chunks; slow enough for several checkpoints."""


@dataclass
class Run:
    """What came of it, by ledger.

    Attributes:
        plain: the chunks as JSON lines, request by request in order of delivery.
        chunks: the topic.
        open_when_killed: requests that were open when a worker came back, for each time.
    """

    settings: dict[str, Settings]
    plain: list[tuple[bytes, bytes]] = field(default_factory=list)
    chunks: list[Seen] = field(default_factory=list)
    folded: dict[str, Folded] = field(default_factory=dict)
    seen: dict[str, Live] = field(default_factory=dict)
    open_when_killed: dict[str, list[int]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def run(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run of the module's docstring."""
    folder, name = tmp_path_factory.mktemp("replay"), fresh_name()
    made = Run({each: ledger(kafka, name, each, folder) for each in LEDGERS})
    streams = [unique(corpus, *stream) for corpus, read in CORPORA.items() for stream in read().items()]
    made.plain = [each for stream in streams for each in stream]
    for settings in made.settings.values():
        asyncio.run(create(client(settings), definitions(settings)))
    asyncio.run(scenario(made, streams, folder))
    return made


def ledger(kafka: str, run_name: str, name: str, folder: Path) -> Settings:
    """Settings of one of the three; they share the chunk topic only."""
    return ledger_settings(
        kafka,
        f"{run_name}-{name}",
        folder / name,
        chunks=run_name,
        finish_grace=GRACE,
        attempt_grace=GRACE,
        session_window=GRACE,
        clock_slack=1_000,
        checkpoint_interval=200,
    )


async def scenario(made: Run, streams: Sequence[Sequence[tuple[bytes, bytes]]], folder: Path) -> None:
    """Send everything past three ledgers, two of which lose their workers meanwhile."""
    steady, chunks = made.settings["steady"], list(interleaved(streams))
    half = len(chunks) // 2
    points = dict.fromkeys(LEDGERS, CRASHES[0]) | {"steady": ""}
    workers = {name: Forked(made.settings[name], folder / f"{name}-0.log", points[name]) for name in LEDGERS}
    try:
        for worker in workers.values():
            await worker.said("assigned")
        async with asyncio.TaskGroup() as group:
            group.create_task(send(steady, iter(chunks[:half]), per_second=PER_SECOND))
            for name in LEDGERS[1:]:
                group.create_task(crash(made, name, workers, folder))
        await send(steady, iter(chunks[half:]), per_second=PER_SECOND)
        made.chunks = await committed(steady, steady.chunk_topic, at_least=len(chunks))
        for name, settings in made.settings.items():
            made.folded[name] = await asyncio.to_thread(refold, settings, made.chunks, folder / f"{name}-again")
            made.seen[name] = await live(settings, made.folded[name])
    finally:
        for worker in workers.values():
            worker.kill()


async def crash(made: Run, name: str, workers: dict[str, Forked], folder: Path) -> None:
    """The worker of a ledger dies, so does the next one; the third lives."""
    settings = made.settings[name]
    for number, point in enumerate((*CRASHES[1:], ""), 1):
        gone = workers[name]
        assert await gone.ended(SECONDS), f"it lives:\n{gone.text()[-3_000:]}"
        assert gone.process.exitcode == -signal.SIGKILL, gone.text()[-3_000:]
        if name == "emptied":
            shutil.rmtree(settings.data_dir)
        workers[name] = Forked(settings, folder / f"{name}-{number}.log", point)
        await workers[name].said("assigned")
        restored = [line for line in workers[name].text().splitlines() if '"event": "restored"' in line]
        made.open_when_killed.setdefault(name, []).append(sum(json.loads(line)["open"] for line in restored))


def interleaved(streams: Sequence[Sequence[tuple[bytes, bytes]]]) -> Iterator[tuple[str, bytes]]:
    """(key, value) of all streams, TOGETHER of them at a time, each in its own order."""
    draw = random.Random(8)
    waiting = draw.sample([iter(stream) for stream in streams], len(streams))
    here = [waiting.pop() for _ in range(min(TOGETHER, len(waiting)))]
    while here:
        stream = draw.choice(here)
        for key, value in itertools.islice(stream, 1):
            yield key.decode(), value
            break
        else:
            here.remove(stream)
            here += [waiting.pop()] if waiting else []


@pytest.mark.parametrize("name", LEDGERS)
@pytest.mark.parametrize("corpus", CORPORA)
def test_live_records_are_those_of_a_fold_of_the_topic(run: Run, corpus: str, name: str) -> None:
    """For every request of a corpus, with a worker that lived and with workers that were killed."""
    present(corpus)
    keys = {key.decode() for key, _ in run.plain if key.startswith(corpus.encode())}
    expected = [record for record in run.folded[name].records if json.loads(record)["request_id"] in keys]
    assert {json.loads(record)["request_id"] for record in expected} == keys
    seen = [record for record in run.seen[name].records if json.loads(record)["request_id"] in keys]
    assert sorted(expected) == sorted(seen)


@pytest.mark.parametrize("name", LEDGERS)
def test_nothing_else_comes_out(run: Run, name: str) -> None:
    """All records and dead letters of the ledger, those of no corpus too."""
    assert_equal(run.folded[name], run.seen[name])


@pytest.mark.parametrize("name", LEDGERS[1:])
def test_requests_were_open_when_the_workers_were_killed(run: Run, name: str) -> None:
    """Else their deaths would have had nothing to destroy."""
    assert len(run.open_when_killed[name]) == len(CRASHES)
    assert all(run.open_when_killed[name]), run.open_when_killed


@pytest.mark.parametrize("name", LEDGERS)
@pytest.mark.parametrize("corpus", CORPORA)
def test_live_records_are_canonically_those_of_the_plain_lines(run: Run, corpus: str, name: str) -> None:
    """Folded without broker and clock, request by request: the same digests, where every chunk came in time."""
    present(corpus)
    policy, prices = run.settings[name].policy(), valuation(run.settings[name])
    streams: dict[bytes, list[bytes]] = {}
    for key, value in run.plain:
        if key.startswith(corpus.encode()) and b"/closing-" not in key:
            streams.setdefault(key, []).append(value)
    slow = parted(run.chunks)
    wanted = {
        key.decode(): digests(each for each in fold_lines(lines, policy, prices) if isinstance(each, bytes))
        for key, lines in streams.items()
        if key not in slow
    }
    assert len(wanted) > 0.5 * len(streams)  # a machine that stands still parts some of them
    assert wanted == {key: digests(map(encoded, run.seen[name].of(key))) for key in wanted}


def present(corpus: str) -> None:
    """Skip what is not there."""
    if corpus in ("cases", "recordings") and not shared(corpus).is_dir():
        pytest.skip(f"there is no {shared(corpus)}; STREAMLEDGER_{corpus.upper()} names another folder")


def digests(records: Any) -> list[str]:
    """Of records."""
    return [json.loads(record)["digest"] for record in records]


def encoded(record: Mapping[str, Any]) -> bytes:
    """A record as JSON."""
    return json.dumps(record).encode()


def parted(chunks: Sequence[Seen]) -> set[bytes | None]:
    """Keys between two of whose chunks a request may have closed: the machine stood still."""
    times: dict[bytes | None, list[int]] = {}
    for each in chunks:
        times.setdefault(each.key, []).append(each.timestamp)
    return {key for key, at in times.items() if any(b - a >= GRACE for a, b in itertools.pairwise(sorted(at)))}
