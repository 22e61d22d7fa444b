"""The views that are ready to select from, on both databases."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Final

import pytest

from pipeline.sinks.migrations import migrate
from pipeline.sinks.writer import Writer
from tests.billing import fill, record

EVENING: Final = "2026-03-01T23:59:59.999999Z"
MORNING: Final = "2026-03-02T00:00:00.000001Z"
DAYS: Final = (date(2026, 3, 1), date(2026, 3, 2))

DELTA: Final = {
    "token_usage": {"prompt_tokens": 0, "completion_tokens": 4, "total_tokens": 4},
    "cost": 0.2,
}

RECORDS: Final = [
    record("r-1", cost="0.1", tokens=(10, 1), end_timestamp=EVENING, labels={"team": "a", "tenant": "n"}),
    record(
        "r-1",
        cost="0.30000000000000001",
        tokens=(10, 5),
        end_timestamp=MORNING,
        labels={"team": "a", "tenant": "n"},
        revision=1,
        supersedes="r-1/0",
        delta=DELTA,
        closed_by="late",
    ),
    record("r-2", status="incomplete", end_timestamp=MORNING, labels={"team": "b"}, latency=1_000),
    record("r-3", cost="2", tokens=(1, 1), status="error", end_timestamp=MORNING, model="m-2", latency=3_000),
    record("r-4", tokens=(3, 4), revision=2, delta=DELTA, end_timestamp=MORNING, latency=2_000),
]


@pytest.fixture
def filled(writer: Writer) -> Writer:
    """A database with two corrected requests, one that was cut, and one that failed."""
    migrate(writer)
    fill(writer, RECORDS)
    return writer


def _select(writer: Writer, columns: str, view: str) -> list[tuple[Any, ...]]:
    return writer.query(f"SELECT {columns} FROM {view} ORDER BY {columns}")  # noqa: S608 (a test's own)


def test_a_correction_counts_on_the_day_of_its_original(filled: Writer) -> None:
    """And once, as its latest revision says, to the last digit; without the original it has its own day."""
    found = _select(filled, "day, requests, cost, unpriced, total_tokens", "usage_by_day")

    assert found == [
        (DAYS[0], 1, Decimal("0.30000000000000001"), 0, 15),
        (DAYS[1], 3, Decimal(2), 2, 9),
    ]


def test_usage_is_there_by_model_provider_and_label(filled: Writer) -> None:
    """A request with two labels stands under both, one without labels under none."""
    models = _select(filled, "day, provider, model, requests, errors", "usage_by_model")
    assert [row[3:] for row in models] == [(1, 0), (2, 0), (1, 1)]
    assert [row[2] for row in models] == ["gpt-4o", "gpt-4o", "m-2"]
    assert _select(filled, "day, provider, incomplete", "usage_by_provider") == [
        (DAYS[0], "openai", 0),
        (DAYS[1], "openai", 1),
    ]
    assert _select(filled, "label, label_value, day, requests, completion_tokens", "usage_by_label") == [
        ("team", "a", DAYS[0], 1, 5),
        ("team", "b", DAYS[1], 1, None),
        ("tenant", "n", DAYS[0], 1, 5),
    ]


def test_corrections_say_what_they_changed(filled: Writer) -> None:
    """Exactly where the revision before is here; otherwise as the record itself says."""
    columns = "request_id, revision, day, cost_before, cost_after, cost_delta, completion_tokens_delta"

    assert _select(filled, columns, "corrections") == [
        ("r-1", 1, DAYS[0], Decimal("0.1"), Decimal("0.30000000000000001"), Decimal("0.20000000000000001"), 4),
        ("r-4", 2, DAYS[1], None, None, Decimal("0.2"), 4),
    ]


def test_what_is_missing_is_named(filled: Writer) -> None:
    """Cut requests one by one; what has no price by reason; errors by kind; times to the first token by model."""
    assert _select(filled, "request_id, day, cost_reason", "incomplete_requests") == [("r-2", DAYS[1], "no_usage")]
    assert _select(filled, "day, model, reason, requests, prompt_tokens", "unpriced_requests") == [
        (DAYS[1], "gpt-4o", "no_usage", 2, 3)
    ]
    assert _select(filled, "day, model, requests, cost, unpriced", "errors") == [(DAYS[1], "m-2", 1, Decimal(2), 0)]
    assert _select(filled, "provider, model, requests, p50, p95, p99", "ttft_percentiles") == [
        ("openai", "gpt-4o", 3, 412, 412, 412),
        ("openai", "m-2", 1, 412, 412, 412),
    ]


def test_the_headline_has_the_five_numbers(filled: Writer) -> None:
    """Of latest revisions; a cost that is not known is counted beside the sum, not in it."""
    columns = "total_requests, success_rate, average_latency, total_tokens, total_cost, unpriced"
    ((requests, rate, latency, tokens, cost, unpriced),) = _select(filled, columns, "headline")

    assert (requests, rate, tokens, unpriced) == (4, 50, 24, 2)
    assert cost == Decimal("2.30000000000000001")
    latest = [each for each in RECORDS if each["record_id"] != "r-1/0"]
    assert float(latency) == sum(each["latency"] for each in latest) / len(latest)
