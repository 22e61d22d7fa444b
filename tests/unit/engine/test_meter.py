"""What a worker counts, and how many series it can ever have."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from pipeline.core.tally import Sums, Tally
from pipeline.engine.checkpoint import Done
from pipeline.engine.meter import LONGEST, OTHER, Bounded, Meter
from pipeline.metrics import MODELS
from schemas.deadletter import DeadLetterReason


def done(tally: Tally) -> Done:
    """A checkpoint of three rows."""
    return Done(3, 0, 0, 0, 0.0, 0.0, None, tally)


def value(meter: Meter, name: str, **labels: str) -> float | None:
    """As a scrape has it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(meter.book)
    return registry.get_sample_value(f"streamledger_{name}", labels)


def priced(cost: float, **fields: Any) -> Sums:
    """Sums of one record."""
    sums = Sums()
    sums.latency, sums.first_token, sums.cost = [1_500], [400], cost
    for name, given_ in fields.items():
        setattr(sums, name, given_)
    return sums


def test_everything_closed_is_there_from_the_start() -> None:
    """A rate over a first event needs the zero before it."""
    meter = Meter()
    assert all(value(meter, "dead_letters_total", reason=reason) == 0 for reason in DeadLetterReason)
    assert value(meter, "records_total", stream_type="responses", status="incomplete", closed_by="limit") == 0
    assert value(meter, "checkpoint_seconds_count") == 0


def test_a_commit_counts_at_once() -> None:
    """All of a tally; seconds where it has milliseconds."""
    meter, tally = Meter(), Tally()
    tally.opened, tally.duplicates, tally.late, tally.internal = 4, 3, 2, 1
    tally.records["chat.completion", "success", "finish"] = 2
    tally.chunks["chat.completion"] = 9
    tally.models["openai", None] = priced(
        0.25, cost_back=0.5, unpriced=Counter({"no_model": 1}), tokens_back=Counter({"output": 7})
    )
    meter.committed(done(tally), 0.02)
    meter.restored(10)
    meter.aborted()
    meter.fenced()
    assert value(meter, "requests_opened_total") == 4
    assert value(meter, "duplicates_total") == 3
    assert value(meter, "late_chunks_total") == 2
    assert value(meter, "internal_errors_total") == 1
    assert value(meter, "records_total", stream_type="chat.completion", status="success", closed_by="finish") == 2
    assert value(meter, "chunks_total", stream_type="chat.completion") == 9
    whose = {"provider": "openai", "model": "unknown"}
    assert value(meter, "cost_usd_total", **whose) == 0.25
    assert value(meter, "cost_corrections_usd_total", **whose) == 0.5
    assert value(meter, "token_corrections_total", **whose, direction="output") == 7
    assert value(meter, "unpriced_records_total", **whose, reason="no_model") == 1
    assert value(meter, "latency_seconds_sum", **whose) == 1.5
    assert value(meter, "first_token_seconds_bucket", **whose, le="0.5") == 1
    assert value(meter, "checkpoint_rows_bucket", le="10.0") == 1
    assert [value(meter, f"{name}_total") for name in ("recovery_rows", "transaction_aborts", "fenced")] == [10, 1, 1]


def test_models_are_many_and_series_are_not() -> None:
    """Who invents names gets `other`; nothing is left uncounted."""
    meter = Meter()
    for number in range(MODELS + 50):
        tally = Tally()
        tally.models["p", f"m-{number}"] = priced(1.0)
        meter.committed(done(tally), 0.01)
    assert value(meter, "cost_usd_total", provider="p", model=f"m-{MODELS - 1}") == 1
    assert value(meter, "cost_usd_total", provider="p", model=f"m-{MODELS}") is None
    assert value(meter, "cost_usd_total", provider=OTHER, model=OTHER) == 50


@given(st.lists(st.tuples(st.none() | st.text(max_size=3), st.none() | st.text(max_size=2 * LONGEST)), max_size=60))
def test_label_values_are_bounded_in_number_and_length(names: list[tuple[str | None, str | None]]) -> None:
    """And the same name has the same labels, once it has some."""
    bounded = Bounded(10)
    labels = [bounded.of(*name) for name in names]
    assert len(set(labels)) <= 11
    assert all(1 <= len(text) <= LONGEST for pair in labels for text in pair)
    first = dict(reversed(list(zip(names, labels, strict=True))))
    assert all(first[name] == found for name, found in zip(names, labels, strict=True))
