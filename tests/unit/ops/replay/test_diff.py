"""The record topic beside a replay: each record in one class, and what the replay can't judge left alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from pipeline.core.canonical import canonical, encode
from pipeline.core.revision import identity
from pipeline.core.rows import SourceRecord
from pipeline.core.valuation import UNVALUED
from pipeline.engine.spill import Spill, memory
from pipeline.ops.replay.diff import Diff, Difference
from pipeline.ops.replay.note import RECORDS
from pipeline.ops.replay.order import Order, Share
from pipeline.ops.replay.passage import Passage
from pipeline.settings import Settings
from pipeline.testing.chunk import SENT, Document, chat, encoded
from pipeline.topics.selection import Selection

START = int(SENT.timestamp() * 1_000)
BUDGET = memory()
SETTINGS = Settings(chunk_topic="c", session_window=5_000, finish_grace=1_000, attempt_grace=1_000, clock_slack=0)


def log(*chunks: tuple[int, Document]) -> list[SourceRecord]:
    """(seconds, chunk) of one partition."""
    return [
        SourceRecord(each["request_id"].encode(), encoded(each), offset, START + 1_000 * at)
        for offset, (at, each) in enumerate(chunks)
    ]


def final(name: str) -> Document:
    """A request of one chunk."""
    return chat(0, "a", request_id=name, is_final=True, finish="stop")


def compared(
    work: Path, chunks: Sequence[SourceRecord], records: Sequence[bytes], *, committed: int | None = None, now: int = 60
) -> tuple[dict[str, int], list[Difference], list[bytes]]:
    """Findings that there are, differences, and the replayed records, `now` seconds after the start."""
    order = Order(SETTINGS, Selection(), work, START + 1_000 * now, 5_000, diff=True)
    share = Share(0, 0, 0, len(chunks), len(chunks), whole=True, closable=True)
    passage = Passage(order, share, Spill(work / "rows", BUDGET), UNVALUED)
    try:
        passage.take(chunks, len(chunks))
        passage.finish()
        diff = Diff(passage)
        diff.take([SourceRecord(None, value, offset, 0) for offset, value in enumerate(records)])
        found = list(diff.differences(committed))
        counts = {str(name): count for name, count in diff.counts.items() if count}
    finally:
        passage.close()
    return counts, found, (work / "0000" / f"{RECORDS}.jsonl").read_bytes().splitlines()


def test_what_the_worker_has_not_come_to_is_no_loss(tmp_path: Path) -> None:
    """Closed by a chunk that it has not committed, or by a clock that has passed a moment ago; else it is missing."""
    chunks = log((0, final("r-1")), (1, final("r-2")), (20, chat(0, "a", request_id="r-3")))
    counts, _, _ = compared(tmp_path / "a", chunks, [], committed=0, now=26)
    assert counts == {"pending": 3}
    counts, found, _ = compared(tmp_path / "b", chunks, [], committed=3, now=26)
    assert counts == {"missing": 2, "pending": 1}
    assert [(each.request_id, each.passed) for each in found] == [("r-1", True), ("r-2", True)]
    counts, found, _ = compared(tmp_path / "c", chunks, [], committed=3, now=60)
    assert counts == {"missing": 3}
    assert found[-1].passed is False
    counts, found, _ = compared(tmp_path / "d", chunks, [], committed=None, now=60)
    assert (counts, {each.passed for each in found}) == ({"missing": 3}, {False})


def test_records_of_requests_that_are_open_are_not_judged(tmp_path: Path) -> None:
    """Their time comes; what is not a record at all is a problem."""
    chunks = log((0, final("r-1")), (20, chat(0, "a", request_id="r-2")))
    _, _, whole = compared(tmp_path / "a", chunks, [], now=60)
    counts, _, _ = compared(tmp_path / "b", chunks, whole, now=21)
    assert counts == {"same": 1, "open": 1}
    counts, found, _ = compared(tmp_path / "c", chunks, [*whole, b"garbage"], now=60)
    assert counts == {"same": 2, "unreadable": 1}
    assert [(each.kind, each.record) for each in found] == [("unreadable", 2)]


def test_records_of_later_chunks_and_of_other_topics_are_passed_over(tmp_path: Path) -> None:
    """Only the range is judged."""
    chunks = log((0, final("r-1")), (1, final("r-2")))
    _, _, whole = compared(tmp_path / "a", chunks, [])
    later, elsewhere = (json.loads(whole[1]) for _ in range(2))
    later["source"] |= {"first_offset": 7, "last_offset": 7}
    elsewhere["source"] |= {"topic": "d"}
    counts, _, _ = compared(tmp_path / "b", chunks, [*whole, encode(later), encode(elsewhere)])
    assert counts == {"same": 2}


def test_a_correction_stands_for_its_request(tmp_path: Path) -> None:
    """What it corrected was wrong, and is right now; a wrong correction makes a right record wrong."""
    chunks = log((0, final("r-1")), (1, final("r-2")))
    _, _, whole = compared(tmp_path / "a", chunks, [])
    good, wrong = (json.loads(value) for value in whole)
    bad = {**good, "status": "error"}
    records = [
        sealed(bad),
        whole[1],
        sealed(good | identity("main", "r-1", 1) | {"delta": {"token_usage": None, "cost": 0}}),
        sealed(wrong | identity("main", "r-2", 1) | {"delta": {"token_usage": None, "cost": 0}, "status": "error"}),
    ]
    counts, found, _ = compared(tmp_path / "b", chunks, records)
    assert counts == {"same": 1, "DIFFERENT": 1, "corrected": 2}
    assert [(each.request_id, each.fields) for each in found] == [("r-2", ("status",))]


def sealed(record: Document) -> bytes:
    """A record under a digest that holds."""
    return encode(record | {"digest": sha256(canonical(record)).hexdigest()})


def test_a_range_does_not_judge_what_is_cut(tmp_path: Path) -> None:
    """A request that may have begun before it is neither missing nor extra."""
    begun = [(at, chat(at - 1, "a", request_id="r-1")) for at in (1, 2, 3)]
    whole_one = chat(0, "a", request_id="r-2", sent=10_000, is_final=True, finish="stop")
    chunks = log((0, final("r-0")), *begun, (10, whole_one))
    _, _, whole = compared(tmp_path / "a", chunks, [])
    order = Order(SETTINGS, Selection(), tmp_path / "b", START + 60_000, 5_000, diff=True)
    share = Share(0, 2, 2, 5, 5, whole=False, closable=True)
    passage = Passage(order, share, Spill(tmp_path / "rows", BUDGET), UNVALUED)
    passage.take(chunks[2:], 5)
    passage.finish()
    diff = Diff(passage)
    diff.take([SourceRecord(None, value, offset, 0) for offset, value in enumerate(whole)])
    found = list(diff.differences(None))
    passage.close()
    assert found == []
    assert {name: count for name, count in diff.counts.items() if count} == {"same": 1}
    assert passage.note.counts.cut == 1
