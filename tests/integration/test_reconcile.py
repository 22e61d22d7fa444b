"""Reconciling what a real worker made on a real Kafka, then what somebody spoiled of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.ops.fold import fold_lines
from pipeline.ops.reconcile.finding import Cause, Kind, Result, State
from pipeline.ops.reconcile.follow import Pace, follow
from pipeline.ops.reconcile.ledger import Request, reconcile
from pipeline.settings import Settings, client
from pipeline.testing import eventually
from pipeline.testing.chunk import Document, chat, encoded, error, marker, usage
from pipeline.testing.topic import Message
from pipeline.topics.admin import create, definitions
from pipeline.topics.selection import Selection, selection
from tests.integration.engine import corpus
from tests.integration.engine.harness import committed, interleaved, running, streams
from tests.integration.spoiling import altered, copied, mispriced
from tests.kafka import put


@pytest.fixture(scope="module")
def brisk_windows() -> dict[str, int]:
    """Windows of a second or two."""
    return {"finish_grace": 300, "attempt_grace": 500, "session_window": 3_000, "clock_slack": 1_000}


def reconciled(settings: Settings, **changes: Any) -> Result:
    """Chunks against records, as of now."""
    asked = replace(Request(Selection(), int(time.time() * 1_000), 5_000), **changes)
    return asyncio.run(reconcile(settings, asked, lambda _: None))


def until(settings: Settings, holds: Callable[[Result], bool], seconds: float = 90.0) -> Result:
    """The first reconciliation of which something holds."""

    def result() -> Result:
        found = reconciled(settings)
        assert holds(found), (found.kinds, found.states, found.counts, found.listed[:5])
        return found

    return eventually(result, seconds, every=0.5)


def all_sorts() -> list[Message]:
    """Streams of all six types, attempts, stated costs, abandoned ones, repeats, conflicts, garbage."""
    messages: list[Message] = []
    for name in ("examples", "cases"):
        for stream, chunks in corpus.CORPORA[name]().items():
            messages += [(key, value, None) for key, value in corpus.unique(name, stream, chunks)]
    for key, value in interleaved(streams(40, seed=5), together=9, seed=5):
        messages.append((key.encode(), value, None))
    made: list[Document] = [
        chat(0, "a", request_id="two", provider="openai", model="gpt-4o", labels={"team": "a"}),
        error(1, request_id="two", provider="openai", model="gpt-4o"),
        chat(0, "b", request_id="two", attempt=1, provider="openai", model="gpt-4o", finish="stop"),
        usage(1, request_id="two", attempt=1, provider="openai", model="gpt-4o", cost=0.25, is_final=True),
        chat(0, "a", request_id="listed", provider="openai", model="gpt-4o", finish="stop"),
        usage(1, request_id="listed", provider="openai", model="gpt-4o", is_final=True),
        chat(0, "a", request_id="again"),
        chat(0, "a", request_id="again"),
        chat(0, "other", request_id="again"),
        marker(1, request_id="again"),
        chat(0, "x", request_id="stated", cost=0.5),
        marker(1, request_id="stated"),
    ]
    messages += [(str(each["request_id"]).encode(), encoded(each), None) for each in made]
    messages += [(b"g-1", b"{", None), (b"g-2", None, None), (b"other", encoded(chat(0, "a")), None)]
    return messages


def test_all_zeros_and_then_exactly_what_was_spoiled(
    settings: Settings, brisk_windows: dict[str, int], tmp_path: Path
) -> None:
    """Everything there is, through a real worker, has no difference; one lost, doubled, altered and mispriced has."""
    brisk = settings.model_copy(update=brisk_windows)
    asyncio.run(create(client(brisk), definitions(brisk)))
    messages = all_sorts()
    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        put(brisk, brisk.chunk_topic, messages)
        clean = until(brisk, lambda result: not result.states[State.OPEN] and result.counts["records"] > 50)
        late = [
            usage(2, request_id="stated", cost=0.5),
            chat(5, "late", request_id="again"),
            usage(9, request_id="r-00000", cost=0.125),
        ]
        put(brisk, brisk.chunk_topic, [(str(each["request_id"]).encode(), encoded(each), None) for each in late])
        later = until(brisk, lambda result: result.states[State.LATE] >= 1 and not result.states[State.OPEN])
        assert worker.terminate()[0] == 0

    for result in (clean, later):
        assert not result.found, result.listed[:5]
    assert clean.counts["chunks"] == len(messages)
    assert clean.states[State.OK] > 50
    found = reconciled(spoiled(brisk), now=int(time.time() * 1_000) + 60_000)
    assert named(found) == {
        ("missing", "again"),
        ("duplicate", "stated"),
        ("different", "two"),
        ("mispriced", "listed"),
    }
    assert sum(found.kinds.values()) == 4
    assert found.bar[Cause.DUPLICATES].usd == Decimal("0.5")


def spoiled(settings: Settings) -> Settings:
    """A copy of the record topic with one record lost, one doubled, one altered, one priced ten times too high."""
    copy = []
    for each in asyncio.run(committed(settings, settings.record_topic)):
        record = json.loads(each.value or b"")
        match record["request_id"], record["revision"]:
            case "again", _:
                pass
            case "stated", _:
                copy += [each, each]
            case "two", 0:
                copy.append(replace(each, value=altered(record)))
            case "listed", _:
                copy.append(replace(each, value=mispriced(record)))
            case _:
                copy.append(each)
    return copied(settings, copy)


def named(result: Result) -> set[tuple[str, str | None]]:
    """Class and request of each finding."""
    return {(finding.kind.value, finding.request_id) for finding in result.listed}


def looks(settings: Settings, state: Path, holds: Callable[[Result], bool]) -> tuple[list[Result], bool]:
    """Follow with a state until something holds; the results, and whether anything was found."""
    results: list[Result] = []

    async def run() -> bool:
        stopped = asyncio.Event()

        def tell(result: Result) -> None:
            results.append(result)
            if holds(result) or time.monotonic() > deadline:
                stopped.set()

        deadline = time.monotonic() + 90
        pace = Pace(0.2, state, lambda: int(time.time() * 1_000))
        return await follow(settings, Request(Selection(), 0, 5_000), pace, tell, stopped)

    return results, asyncio.run(run())


def test_following_goes_on_from_its_state(settings: Settings, brisk_windows: dict[str, int], tmp_path: Path) -> None:
    """Each request is told once; after a new start only what is new: late repeats are nothing, a second record is."""
    brisk = settings.model_copy(update=brisk_windows)
    asyncio.run(create(client(brisk), definitions(brisk)))
    made, state = streams(20, seed=6), tmp_path / "state"
    with running(brisk, tmp_path / "log") as worker:
        worker.wait_for("assigned")
        put(
            brisk,
            brisk.chunk_topic,
            [(key.encode(), value, None) for key, value in interleaved(made, together=4, seed=1)],
        )
        told = 0

        def all_told(result: Result) -> bool:
            nonlocal told
            told += result.states[State.OK]
            return told >= len(made)

        first, found = looks(brisk, state, all_told)
        assert not found, [result.listed for result in first]
        assert sum(result.states[State.OK] for result in first) == len(made)

        again = made[0]
        put(brisk, brisk.chunk_topic, [(again.request_id.encode(), again.chunk(0), None)])
        second, found = looks(brisk, state, lambda result: result.counts["chunks"] > 0)
        assert not found
        assert sum(result.counts["chunks"] for result in second) == 1
        assert worker.terminate()[0] == 0

    put(brisk, brisk.chunk_topic, [(b"unread", encoded(chat(0, "a", request_id="unread")), None)])
    behind = reconciled(brisk, now=int(time.time() * 1_000) + 3_600_000)
    assert (behind.found, behind.states[State.OPEN]) == (False, 1)
    assert behind.counts["chunks that the worker has not read"] == 1
    one = asyncio.run(committed(brisk, brisk.record_topic))[0]
    put(brisk, brisk.record_topic, [(one.key, one.value, one.partition)])
    third, found = looks(brisk, state, lambda result: result.found)
    assert found
    assert [(each.kind, each.request_id) for each in third[-1].listed] == [
        (Kind.DUPLICATE, json.loads(one.value or b"")["request_id"])
    ]
    fourth, found = looks(brisk, state, lambda _: True)
    assert not found, fourth[0].listed


@pytest.mark.usefixtures("ledger_topics")
def test_without_a_worker_time_decides(settings: Settings) -> None:
    """What nobody has read is open as long as its time has not come; then it is missing."""
    put(settings, settings.chunk_topic, [(b"r-1", encoded(chat(0, "a")), None), (b"r-1", encoded(marker(1)), None)])

    assert reconciled(settings).states[State.OPEN] == 1
    assert not reconciled(settings).found
    later = reconciled(settings, now=int(time.time() * 1_000) + 3_600_000)
    assert named(later) == {("missing", "r-1")}


@pytest.mark.usefixtures("ledger_topics")
def test_a_range_judges_what_lies_in_it(settings: Settings) -> None:
    """A request that begins before the range, or whose record does, is neither missing nor different."""
    chunks = [chat(0, "a"), marker(1), chat(0, "b", request_id="r-1")]
    partition = 0
    put(settings, settings.chunk_topic, [(b"r-1", encoded(each), partition) for each in chunks])
    lines = [
        encoded(each | {"_kafka": {"topic": settings.chunk_topic, "partition": 0, "offset": at, "timestamp": 0}})
        for at, each in enumerate(chunks)
    ]
    made = [each for each in fold_lines(lines, settings.policy()) if isinstance(each, bytes)]
    put(settings, settings.record_topic, [(b"r-1", each, partition) for each in made])
    far = int(time.time() * 1_000) + 3_600_000

    whole = reconciled(settings, now=far)
    tail = reconciled(settings, now=far, selection=selection(since="2", partitions="0", now_ms=far))

    assert named(whole) == set()
    assert (named(tail), tail.states[State.CUT]) == (set(), 1)


@pytest.mark.usefixtures("ledger_topics")
def test_a_request_in_two_partitions_is_told(settings: Settings) -> None:
    """A changed partition count or another partitioner: each worker makes a record of its half."""
    put(settings, settings.chunk_topic, [(b"r-1", encoded(chat(at, "a")), at) for at in (0, 1)])

    assert named(reconciled(settings)) == {("duplicate", "r-1")}
