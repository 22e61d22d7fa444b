"""A range folded by itself: what comes out of it is what comes out of the whole, to the byte, or is listed as cut."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from pipeline.core.partition import Partition
from pipeline.core.rows import MemoryRows, SourceRecord
from pipeline.core.valuation import UNVALUED
from pipeline.engine.spill import Spill, memory
from pipeline.ops.replay import passage as module
from pipeline.ops.replay.note import LEFT, RECORDS
from pipeline.ops.replay.order import Order, Share, shortest_look_back
from pipeline.ops.replay.passage import Passage
from pipeline.settings import Settings
from pipeline.testing.chunk import SENT, chat, encoded, marker, usage
from pipeline.topics.selection import Selection

START = int(SENT.timestamp() * 1_000)
SETTINGS = Settings(
    session_window=5_000,
    finish_grace=1_000,
    attempt_grace=3_000,
    max_request_age=20_000,
    revise_window=10_000,
    marker_retention=600_000,
    chunk_topic="c",
    price_overlay=None,
)
BUDGET = memory()
GAPS = [0, 0, 100, 900, 1_000, 2_900, 4_900, 5_000, 9_000, 15_000, 31_000]


@st.composite
def topics(draw: DrawFn) -> list[SourceRecord]:
    """A partition over minutes: requests that begin at index 0, gaps, repeats long after, late chunks, silences."""
    records: list[SourceRecord] = []
    published: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    now = START
    for offset in range(draw(st.integers(1, 22))):
        now += draw(st.sampled_from(GAPS))
        name = f"r-{draw(st.integers(0, 3))}"
        mine = published.setdefault(name, [])
        kind = draw(st.integers(0, 9)) if mine else 0
        index = len(mine) + draw(st.sampled_from([0, 0, 0, 1])) if mine else 0
        envelope: Any = {"request_id": name, "sent": now - START}
        if kind >= 8:
            document = draw(st.sampled_from(mine))[1]
        elif kind == 7:
            document = usage(index, **envelope)
        elif kind == 6:
            document = marker(index, **envelope)
        elif kind == 5:
            document = chat(index, "a", finish="stop", **envelope)
        else:
            document = chat(index, "ab"[kind % 2], is_final=kind == 4, **envelope)
        mine.append((index, document))
        records.append(SourceRecord(name.encode(), encoded(document), offset, now))
    return records


def whole(records: Sequence[SourceRecord], now: int) -> list[bytes]:
    """The records of one fold of everything, which the clock has ended at `now`."""
    partition = Partition(SETTINGS.policy(), MemoryRows(), "c", 0)
    made: list[bytes] = []
    for record in records:
        partition.apply([record], record.offset + 1)
        partition.expire(partition.clock)
        made += drained(partition)
    partition.expire(now)
    return made + drained(partition)


def drained(partition: Partition) -> list[bytes]:
    """Records of what is closed."""
    for request_id in list(partition.closing):
        partition.finalize(request_id)
    return [record.value or b"" for record in partition.take_output()[0]]


class Wiped(Spill):
    """A spill that is empty for each passage instead of opened for it: opening takes a hundred times as long."""

    def close(self) -> None:
        """Forget all."""
        self._database._db.delete_range(b"", b"\xff" * 8)
        self._database.meta = None


@pytest.fixture(scope="module")
def spill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wiped]:
    """One for all examples."""
    opened = Wiped(tmp_path_factory.mktemp("spill") / "rows", BUDGET)
    yield opened
    opened._database.close()


@contextmanager
def passing(order: Order, share: Share, spill: Spill | None = None) -> Iterator[Passage]:
    """A passage that goes on in the order's directory."""
    passage = Passage(order, share, spill or Spill(order.work / "rows", BUDGET), UNVALUED)
    try:
        yield passage
    finally:
        passage.close()


def lines(order: Order, name: str) -> list[bytes]:
    """Lines of a file of partition 0."""
    return (order.work / "0000" / f"{name}.jsonl").read_bytes().splitlines()


def share_of(records: Sequence[SourceRecord], order: Order, first: int, until: int, kept: int = 0) -> Share:
    """The share that a plan would make of a log whose records below `kept` are gone."""
    first = max(first, kept)
    inside = [record for record in records if record.offset >= first]
    moment = inside[0].timestamp if inside else order.now
    begin = next((r.offset for r in records if r.offset >= kept and r.timestamp >= moment - order.look_back), first)
    begin = min(begin, first)
    return Share(0, begin, first, max(first, until), len(records), whole=begin == 0, closable=True)


def run(order: Order, share: Share, records: Sequence[SourceRecord], size: int, spill: Spill | None = None) -> None:
    """Pass over a log in batches of a size."""
    with passing(order, share, spill) as passage:
        while not passage.done:
            batch = [r for r in records if r.offset >= passage.position][:size]
            passage.take(batch, batch[-1].offset + 1)
        passage.finish()


@settings(max_examples=60, deadline=None)
@given(st.data(), topics())
def test_a_range_gives_the_records_of_the_whole_or_lists_them_as_cut(
    spill: Wiped, data: st.DataObject, records: list[SourceRecord]
) -> None:
    """Whatever the range and wherever the log begins: no record is partial, and none is missing without a word."""
    count = len(records)
    first = data.draw(st.integers(0, count), "first")
    until = data.draw(st.integers(first, count), "until")
    kept = data.draw(st.sampled_from([0, 0, count // 3]), "kept")
    size = data.draw(st.integers(1, 6), "size")
    now = records[-1].timestamp + data.draw(st.sampled_from([0, 1_500, 60_000]), "quiet")
    with tempfile.TemporaryDirectory() as folder:
        order = Order(
            SETTINGS, Selection(), Path(folder), now + SETTINGS.clock_slack, shortest_look_back(SETTINGS.policy())
        )
        share = share_of(records, order, first, until, kept)
        run(order, share, records, size, spill)
        made = sorted(lines(order, RECORDS))
        left = {(told["request_id"], told["first_offset"]) for told in map(json.loads, lines(order, LEFT))}
    expected = [record for record in whole(records, now) if share.first <= first_of(record) < share.until]
    assert set(made) <= set(expected)
    for record in set(expected) - set(made):
        known = json.loads(record)
        assert any(name == known["request_id"] for name, _ in left)


def first_of(record: bytes) -> int:
    """Offset of a record's first chunk."""
    return int(json.loads(record)["source"]["first_offset"])


@settings(max_examples=40, deadline=None)
@given(st.data(), topics())
def test_a_passage_that_died_anywhere_goes_on_to_the_same_files(
    spill: Wiped, data: st.DataObject, records: list[SourceRecord]
) -> None:
    """What lies in the files behind the last checkpoint is cut off and made again, from there, not from the start."""
    now = records[-1].timestamp + 60_000
    lives = data.draw(st.lists(st.integers(0, 6), max_size=3), "batches of each life")
    with (
        tempfile.TemporaryDirectory() as once,
        tempfile.TemporaryDirectory() as often,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(module, "CHECKPOINT_CHUNKS", 3)
        plain = Order(SETTINGS, Selection(), Path(once), now, shortest_look_back(SETTINGS.policy()), diff=True)
        share = share_of(records, plain, 0, len(records))
        run(plain, share, records, 2, spill)
        order = replace(plain, work=Path(often))
        for life in lives:
            passage = Passage(order, share, spill, UNVALUED)
            for _ in range(life):
                if not passage.done:
                    batch = [r for r in records if r.offset >= passage.position][:2]
                    passage.take(batch, batch[-1].offset + 1)
            noted = passage.position - passage.partition.pending
            for file in passage.files.values():
                file.close()
            again = Passage(order, share, spill, UNVALUED)
            assert again.position == noted
            for file in again.files.values():
                file.close()
        run(order, share, records, 2, spill)
        for name in (RECORDS, LEFT):
            assert lines(order, name) == lines(plain, name)


def test_memory_does_not_grow_with_what_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty megabytes of open requests: Python holds a checkpoint's worth of them, and the records are whole."""
    monkeypatch.setattr(module, "CHECKPOINT_BYTES", 1 << 20)
    text, requests, rounds = "x" * 4_000, 100, 100
    order = Order(SETTINGS, Selection(), tmp_path, START + 10**9, shortest_look_back(SETTINGS.policy()))
    share = Share(0, 0, 0, requests * rounds, requests * rounds, whole=True, closable=True)
    tracemalloc.start()
    try:
        with passing(order, share) as passage:
            for index in range(rounds):
                chunks = [chat(index, text, request_id=f"r-{number}") for number in range(requests)]
                batch = [
                    SourceRecord(each["request_id"].encode(), encoded(each), index * requests + place, START)
                    for place, each in enumerate(chunks)
                ]
                passage.take(batch, (index + 1) * requests)
            assert sum(1 for _ in passage.unsettled()) == requests
            assert tracemalloc.get_traced_memory()[1] < 12 << 20
            passage.finish()
    finally:
        tracemalloc.stop()
    made = [json.loads(line) for line in lines(order, RECORDS)]
    assert {len(record["output_message"]["content"]) for record in made} == {rounds * len(text)}
    assert len(made) == requests


def test_only_the_requests_asked_for_are_folded_by_the_clock_of_all(tmp_path: Path) -> None:
    """A request closes where it does in the whole, though the chunk that made time pass is not its own."""
    mine, other = b"r-1", b"r-2"
    records = [
        SourceRecord(mine, encoded(chat(0, "a", request_id="r-1", sent=0)), 0, START),
        SourceRecord(other, encoded(chat(0, "b", request_id="r-2", sent=9_000)), 1, START + 9_000),
        SourceRecord(mine, encoded(chat(1, "c", request_id="r-1", sent=9_500)), 2, START + 8_000),
    ]
    order = Order(SETTINGS, Selection(request_ids=frozenset({"r-1"})), tmp_path, START + 10**9, 5_000)
    run(order, share_of(records, order, 0, 3), records, 3)
    expected = [record for record in whole(records, START + 10**8) if json.loads(record)["request_id"] == "r-1"]
    assert lines(order, RECORDS) == expected
    assert [json.loads(record)["closed_by"] for record in expected] == ["expiry", "late"]


def test_a_look_ahead_that_ends_lists_what_is_still_open(tmp_path: Path) -> None:
    """Never emitted as if it were whole; without a limit the same request is read to its end."""
    records = [
        SourceRecord(
            b"r-1", encoded(chat(index, "a", request_id="r-1", sent=3_000 * index)), index, START + 3_000 * index
        )
        for index in range(5)
    ]
    order = Order(SETTINGS, Selection(), tmp_path / "limited", START + 10**9, 5_000, look_ahead=4_000)
    run(order, share_of(records, order, 0, 1), records, 2)
    assert lines(order, RECORDS) == []
    (left,) = map(json.loads, lines(order, LEFT))
    assert (left["request_id"], left["why"]) == ("r-1", module.AFTER)
    order = replace(order, work=tmp_path / "free", look_ahead=None)
    run(order, share_of(records, order, 0, 1), records, 2)
    assert [json.loads(line)["chunk_count"] for line in lines(order, RECORDS)] == [5]
