"""What a record adds to a sum."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.sinks.export.entry import entry_of
from pipeline.sinks.row import exact_cost
from tests.unit.sinks.export.records import TRACEPARENT, entry, example, revised


def test_a_request_has_one_id_and_each_revision_another() -> None:
    """Receivers drop repeats by id: the same record keeps it, a revision must not have it."""
    first = example("tool-call")
    second = revised(first, first["token_usage"], "0.0004")
    third = revised(second, first["token_usage"], "0.0005")
    assert [entry(record).id for record in (first, second, third)] == [
        "b8f0c1d2-weather",
        "b8f0c1d2-weather#r1",
        "b8f0c1d2-weather#r2",
    ]


@pytest.mark.parametrize("name", ["a#r1", "a#r1#r0", "#r0"])
def test_no_request_can_be_named_like_the_revision_of_another(name: str) -> None:
    """An id that ends like a revision's gets the ending of the original, too."""
    assert entry(example("tool-call", request_id=name)).id == f"{name}#r0"


def test_names_that_only_look_alike_stay_as_they_are() -> None:
    """Only `#r` with digits at the end is a revision."""
    for name in ("a#r", "a#r1x", "r1", "a#1", "a#r\u0661"):
        assert entry(example("tool-call", request_id=name)).id == name


def test_a_whole_has_the_exact_total_and_its_counts() -> None:
    """Not the record's float; counts by our names, and none that nobody stated."""
    found = entry(example("tool-call"))
    assert found.cost == Decimal("0.0003925")
    assert found.tokens == {"input": 81, "output": 19, "total": 100, "cache_read": 64, "reasoning": 0}
    assert not found.amendment


def test_a_revision_has_the_change_only() -> None:
    """What was there before is not counted again; what went away is negative."""
    first = example("tool-call")
    usage = {**first["token_usage"], "prompt_tokens": 80, "completion_tokens": 29, "total_tokens": 109}
    found = entry(revised(first, usage, "0.0004925"))
    assert found.amendment
    assert (found.cost, found.tokens["input"], found.tokens["output"]) == (Decimal("0.0001"), -1, 10)


def test_unknown_is_null_in_a_whole_and_nothing_in_a_change() -> None:
    """A cost that becomes known is added; one that becomes unknown is taken away; a sum never meets a null."""
    unknown = example("unfinished")
    assert entry(unknown).cost is None
    known = revised(unknown, {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, "0.25")
    assert (entry(known).cost, entry(known).tokens) == (Decimal("0.25"), {"input": 3, "output": 4, "total": 7})
    again = revised(known, None, None)
    assert (entry(again).cost, entry(again).tokens["total"]) == (Decimal("-0.25"), -7)


def test_a_total_longer_than_a_float_is_kept() -> None:
    """The record's number has 17 digits; its total, and the change to it, have all of theirs."""
    first = example("unfinished")
    long = "1.00000000000000000001"
    record = revised(first, None, long)
    assert exact_cost(record) == Decimal(long)
    assert entry(record).cost == Decimal(long)


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        f"{TRACEPARENT}-more",
        f"{TRACEPARENT}\n",
    ],
)
def test_a_trace_context_that_is_not_valid_is_left_out(traceparent: str) -> None:
    """A receiver would refuse the event for it."""
    assert entry(example("tool-call"), traceparent).trace is None


def test_a_trace_context_gives_both_ids() -> None:
    """As W3C writes them; later versions may have more behind."""
    expected = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    assert entry(example("tool-call"), TRACEPARENT).trace == expected
    assert entry(example("tool-call"), f"01{TRACEPARENT[2:]}-more").trace == expected


@pytest.mark.parametrize(
    ("record", "missing"),
    [
        ("{", None),
        ("[]", None),
        (json.dumps({"request_id": "r1"}), "record_id"),
        (json.dumps(example("tool-call", labels=[])), "labels"),
        (json.dumps(example("tool-call", revision=1)), "delta"),
        (json.dumps(example("tool-call", revision=True)), "revision"),
        (json.dumps(example("tool-call", revision=-1)), "revision"),
        (json.dumps(example("tool-call", latency="soon")), "latency"),
        (json.dumps(example("tool-call", cost="0.1")), "cost"),
        (json.dumps(example("tool-call", provider=["openai"])), "provider"),
        (json.dumps(example("tool-call", end_timestamp="yesterday")), "end_timestamp"),
        (json.dumps(example("tool-call", cost_details={"total": "cheap"})), "cost_details"),
        (json.dumps(example("tool-call", cost_details={"total": "NaN"})), "cost_details"),
        (json.dumps(example("tool-call", revision=1, delta={"cost": "1"})), "delta"),
        (json.dumps(example("tool-call", cost=float("nan"))), None),
        (json.dumps(example("tool-call")).replace("0.0003925,", "1e999,"), "cost"),
        ("[" * 100_000, None),
    ],
)
def test_what_is_no_record_is_refused_without_its_content(record: Any, missing: str | None) -> None:
    """A chunk, or half a line; the text names the field and nothing of what was there."""
    with pytest.raises(UsageError, match=f"no record{f': {missing}' if missing else ''}") as refused:
        entry_of(record.encode())
    assert "Lisbon" not in str(refused.value)


def test_a_cost_of_any_number_of_digits_is_a_cost() -> None:
    """An integer without an end has no float; the check of it ended the export."""
    assert entry_of(json.dumps(example("tool-call", cost=10**400)).encode()).record["cost"] == 10**400


def test_text_that_utf_8_cannot_carry_is_mended() -> None:
    """As the ledger does with its own records: half a character must not stop an export."""
    record = json.dumps(example("tool-call", labels={"tenant": "a\ud800b"})).encode()
    assert entry_of(record).record["labels"] == {"tenant": "a\ufffdb"}
