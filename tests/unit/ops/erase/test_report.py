"""What an erasure says: what is gone, what can't go yet, and until when topics keep the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.core.erasure import Standing
from pipeline.ops.erase.report import Kept, Report, as_json, as_text
from pipeline.ops.spool import Removal

DAY = 86_400_000
NOON = 1_772_366_400_000
"""2026-03-01T12:00:00Z."""

STANDINGS = {"r-1": Standing.KEPT, "r-2": None, "r-3": Standing.OPEN, "r-4": Standing.CLOSING}


def report(**changes: Any) -> Report:
    """Of four requests, nothing done yet."""
    told: dict[str, Any] = {
        "executed": False,
        "standings": STANDINGS,
        "changelog": "main-requests-changelog",
        "compaction": {"max.compaction.lag.ms": "7200000"},
        **changes,
    }
    return Report(**told)


def test_what_can_not_be_erased_comes_first_and_says_why() -> None:
    """And a dry run says that it is one."""
    lines = list(as_text(report()))

    assert lines[0] == "4 requests found   (nothing was changed: --execute does it)"
    assert lines[1].startswith("  r-3  it is open, and its bill needs its chunks")
    assert lines[2].startswith("  r-4  it has just closed")
    assert lines[3:5] == ["  r-1  content kept for a revision", "  r-2  nothing in the state"]
    assert report().refused == ["r-3", "r-4"]


def test_many_requests_are_counted() -> None:
    """Not listed: the JSON has them."""
    many = {f"r-{number:02}": Standing.KEPT for number in range(30)}

    lines = list(as_text(report(standings=many)))

    assert lines[21] == "  and 10 more, see --json"
    assert len(as_json(report(standings=many))["requests"]) == 30


@pytest.mark.parametrize(
    ("compaction", "words"),
    [
        ({"max.compaction.lag.ms": "7200000"}, "when the broker compacts it, due 2h after they were written"),
        ({"max.compaction.lag.ms": str(2**63 - 1)}, "their bytes go when the broker compacts it;"),
        ({}, "their bytes go when the broker compacts it;"),
    ],
    ids=["bounded", "unbounded", "unknown"],
)
def test_that_bytes_go_later_is_said(compaction: dict[str, str], words: str) -> None:
    """With the topic's own bound, if it has one; and that workers had to restore."""
    lines = list(as_text(report(executed=True, compaction=compaction, rejoined=2, database="x.duckdb", contents=3)))

    (state,) = (line for line in lines if line.startswith("state"))
    assert state.startswith("state     1 erased from main-requests-changelog; ")
    assert words in state + ";"
    assert state.endswith("; 2 workers restore their partitions")
    assert "database  3 rows deleted from contents of x.duckdb" in lines


@pytest.mark.parametrize(
    ("kept", "until", "words"),
    [
        (Kept("t", 2, NOON, DAY), "2026-03-02T12:00:00Z", "2 messages, kept until 2026-03-02T12:00:00Z at least"),
        (Kept("t", None, NOON, DAY), "2026-03-02T12:00:00Z", "chunks, kept until 2026-03-02T12:00:00Z at least"),
        (Kept("t", 2, NOON, None), None, "2 messages, kept for ever: retention.ms is -1"),
        (Kept("t", 0, None, DAY), None, "nothing of them"),
        (Kept("t", None, None, DAY), None, "none of their chunks that a record names is there any more"),
    ],
    ids=["messages", "chunks", "for ever", "none", "gone"],
)
def test_a_topic_says_until_when_it_keeps_them(kept: Kept, until: str | None, words: str) -> None:
    """From the newest append time and its retention; never a date that nobody can know."""
    made = report(topics=[kept])

    assert as_json(made)["topics"][0]["until_at_least"] == until
    assert f"topic     t: {words}" in list(as_text(made))[-1]


def test_what_lies_in_spools_is_said_for_each_of_them() -> None:
    """Also that none was looked at: nobody who asks for an erasure thinks of a publisher's disk by himself."""
    assert any(line.startswith("spool     none was looked at") for line in as_text(report()))
    removal = Removal({"r-1": 2}, {"r-5": 1}, {"r-6": 3}, [Path("x.damaged")])
    told = report(spools={"/spool": removal})
    lines = [line for line in as_text(told) if line.startswith("spool     /spool: ")]

    words = (
        "2 chunks to remove",
        "3 chunks of 1 requests are not sent yet",
        "1 chunks are a living",
        "x.damaged can't",
    )
    assert all(said in line for said, line in zip(words, lines, strict=True))
    assert told.refused == ["r-3", "r-4", "r-5", "r-6"]
    assert as_json(told)["spools"]["/spool"]["unreadable"] == ["x.damaged"]
