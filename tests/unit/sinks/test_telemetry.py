"""What a sink says of itself: behind by what its database has not, ready when both sides do their part."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

from pipeline.sinks.plan import Summary
from pipeline.sinks.stop import Stop
from pipeline.sinks.store import Written
from pipeline.sinks.telemetry import BEGIN, Telemetry


def values(telemetry: Telemetry) -> dict[tuple[str, tuple[str, ...]], float]:
    """All metrics."""
    return {(name, labels): float(value) for name, value, labels in telemetry.samples()}


def test_rows_and_rejects_are_those_that_are_committed() -> None:
    """As the database has them; the label says which kind it is."""
    telemetry = Telemetry("postgresql://h/d", Summary(written=Written(rows=3, rejects=1)), Stop())
    seen = values(telemetry)
    assert (seen["sink_rows", ("postgres",)], seen["sink_rejects", ("postgres",)]) == (3, 1)
    assert (seen["sink_ready", ("postgres",)], telemetry.reasons()) == (0, [BEGIN])


def test_the_lag_is_between_the_database_and_the_end() -> None:
    """As last heard of; a commit's age counts only while records wait."""
    summary = Summary(positions={0: 7, 1: 2})
    telemetry = Telemetry("l.duckdb", summary, Stop())
    telemetry.trouble = None
    heard = {0: 10}
    telemetry.follows(cast("Any", SimpleNamespace(heard=lambda: heard)), {0: 8, 1: 2})
    telemetry._current = time.monotonic() - 60
    seen = values(telemetry)
    assert (seen["sink_lag_offsets", ("duckdb", "0")], seen["sink_lag_offsets", ("duckdb", "1")]) == (3, 0)
    assert seen["sink_commit_age_seconds", ("duckdb",)] >= 60
    summary.positions = {0: 10, 1: 2}
    assert values(telemetry)["sink_commit_age_seconds", ("duckdb",)] == 0
    heard[0] = 11
    telemetry.current()
    assert values(telemetry)["sink_commit_age_seconds", ("duckdb",)] < 60


def test_an_outage_is_told_in_its_own_words_and_the_end_as_such() -> None:
    """Whoever is on call reads what the log says."""
    stop = Stop()
    telemetry = Telemetry("l.duckdb", Summary(), stop)
    telemetry.trouble = "Kafka stopped answering"
    assert telemetry.reasons() == ["Kafka stopped answering"]
    telemetry.trouble = None
    assert telemetry.reasons() == []
    stop.wish()
    assert telemetry.reasons() == ["stopping"]
