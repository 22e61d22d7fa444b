"""The fold in process: settings, time, what is refused, and what is said when there is no single record."""

from __future__ import annotations

import pytest

from pipeline.settings import Settings
from pipeline.testing import Folded, appended, assert_record, chat, fold
from pipeline.testing.chunk import chunk

PRICED = {"provider": "openai", "model": "gpt-4o"}


def test_records_are_priced_as_the_worker_prices() -> None:
    """By list prices: 1000 × 2.50 + 100 × 10 USD a million."""
    stream = chat(**PRICED).text("a").usage(1_000, 100).finish()

    assert_record(fold(stream).record, cost="0.0035", cost_details={"source": "catalog"})


def test_settings_shape_records() -> None:
    """Those of the ledger that is tested."""
    stream = chat().text("a").finish()

    folded = fold(stream, settings=Settings(capture="metadata", ledger="mine"))

    assert_record(folded.record, content_omitted="capture", text=None)


def test_time_passes_where_it_is_told() -> None:
    """Silence expires a request, what comes later revises it, and what nobody ended stays open."""
    begun, later = chat("r-1").text("Hel"), chat("r-2").text("a")
    late = chunk(1, {"choices": [{"index": 0, "delta": {"content": "lo"}}]}, request_id="r-1")

    folded = fold(
        appended(begun, at=0),
        appended(later, at=400),
        appended(late, at=401),
        appended(chat("r-3").text("x"), at=404),
        keep_open=True,
    )

    assert [(each["request_id"], each["revision"], each["closed_by"]) for each in folded.records] == [
        ("r-1", 0, "expiry"),
        ("r-1", 1, "late"),
    ]
    assert_record(folded.of("r-1"), text="Hello")


def test_refused_chunks_are_told() -> None:
    """With their reason; they are no part of any record."""
    folded = fold(chat().text("a").finish(), chunk(-1), b"nothing")

    assert [each["reason"] for each in folded.dead_letters] == ["invalid", "not_json"]
    assert_record(folded.record, text="a")


def test_what_was_appended_and_can_not_be_read_is_refused_in_its_place() -> None:
    """An empty object, a text that is none, and a chunk around which there is space."""
    spaced = b" " + chat().text("a").finish().lines()

    folded = fold(appended(b"{}", b"nothing", b" { } ", at=0), appended(spaced.splitlines()[0], at=1))

    assert [each["reason"] for each in folded.dead_letters] == ["invalid"] * 3
    assert_record(folded.record, text="a")


def test_no_single_record_says_what_there_is() -> None:
    """The first thing to know when a test expected one."""
    two: Folded = fold(chat("a").text("x").finish(), chat("b").text("x"), chunk(-1, request_id="c"))

    with pytest.raises(AssertionError) as single:
        _ = two.record
    with pytest.raises(AssertionError, match="no record of c: records a"):
        two.of("c")
    assert str(single.value).startswith(
        "no single request: records a (success, revision 0), b (incomplete, revision 0); dead letters invalid ("
    )
