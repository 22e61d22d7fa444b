"""Ranges of a topic as people write them."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.topics.bound import Bound
from pipeline.topics.selection import Selection, labels_of, partitions_of, selection, span_of

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("@-2h:-1h", ("-2h", "-1h")),
        ("120:240", ("120", "240")),
        ("@120:", ("120", None)),
        ("@:latest", (None, "latest")),
        ("@2026-11-23T16:00:00Z:2026-11-23T17:30:00.5Z", ("2026-11-23T16:00:00Z", "2026-11-23T17:30:00.5Z")),
        ("@2026-11-23T16:00:00+01:00:-5m", ("2026-11-23T16:00:00+01:00", "-5m")),
        ("@:", (None, None)),
    ],
)
def test_a_span_is_two_bounds(text: str, ends: tuple[str | None, str | None]) -> None:
    """Colons inside of times are none between ends, and either end may be left out."""
    assert span_of(text, NOW) == tuple(None if end is None else Bound.of(end, NOW) for end in ends)


@pytest.mark.parametrize("text", ["@-1h", "", "@1:2:3", "@yesterday:now", "@-1x:"])
def test_what_is_no_span_is_refused(text: str) -> None:
    """With a hint that shows one."""
    with pytest.raises(UsageError) as refused:
        span_of(text, NOW)
    assert refused.value.hint


def test_partitions_are_numbers_and_ranges() -> None:
    """In any order, and more than once."""
    assert partitions_of("5-7, 0,2,6") == {0, 2, 5, 6, 7}


@pytest.mark.parametrize("text", ["", "a", "1-", "7-5", "-1", "0,,1"])
def test_what_is_no_partition_is_refused(text: str) -> None:
    """A range that runs backwards too."""
    with pytest.raises(UsageError, match="no list of partitions"):
        partitions_of(text)


def test_labels_have_a_value() -> None:
    """A value may hold `=`, and be empty; a label may be said twice alike."""
    assert labels_of(["team=a=b", "team=a=b", "tier="]) == {"team": "a=b", "tier": ""}


@pytest.mark.parametrize("wrong", [["team"], ["=x"], ["team=a", "team=b"]])
def test_what_is_no_label_is_refused(wrong: list[str]) -> None:
    """No request can carry two values of a label."""
    with pytest.raises(UsageError, match="--label"):
        labels_of(wrong)


def test_a_selection_says_which_requests_are_meant() -> None:
    """Every label counts; without ids and labels all are."""
    chosen = selection(request_ids=["a", "b"], labels=["team=x"], now_ms=NOW)
    assert chosen.wants("a", {"team": "x", "other": "y"})
    assert not chosen.wants("c", {"team": "x"})
    assert not chosen.wants("a", {"team": "z"})
    assert Selection().wants("c", {})


def test_a_span_and_its_ends_exclude_each_other() -> None:
    """Two answers to one question."""
    with pytest.raises(UsageError, match="in one"):
        selection(span="@1:2", until="3", now_ms=NOW)


def test_partitions_that_do_not_exist_are_named() -> None:
    """Instead of an empty result."""
    assert selection(partitions="0-1", now_ms=NOW).numbers(2, "llm.chunks") == [0, 1]
    assert Selection().numbers(3, "llm.chunks") == [0, 1, 2]
    with pytest.raises(UsageError, match="there is no 4"):
        selection(partitions="1,4", now_ms=NOW).numbers(2, "llm.chunks")
