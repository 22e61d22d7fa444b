"""`sink`: what it refuses before it looks at Kafka or a database."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result

from pipeline.cli.sink import _sentence
from pipeline.sinks.plan import BATCH, FLUSH_MS, Plan, Summary
from pipeline.sinks.store import Written

Invoke = Callable[..., Result]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("sink", "duckdb", "--from", "120"), "every partition has its own"),
        (("sink", "duckdb", "--from", "yesterday"), "is no position in a topic"),
        (("sink", "duckdb", "--flush", "3"), "--flush 3: has no unit"),
        (("sink", "duckdb", "--batch", "0"), "0 is not in the range"),
        (("sink", "postgres"), "Missing option '--db'"),
        (("sink", "postgres", "--db", "ledger.duckdb"), "no URL of PostgreSQL"),
        (("sink", "postgres", "--db", "postgresql://h/n", "--parquet", "x"), "No such option"),
        (("sink", "oracle"), "No such command"),
    ],
)
def test_bad_usage_is_exit_2_in_one_line(invoke: Invoke, arguments: tuple[str, ...], why: str) -> None:
    """With what is wrong."""
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert why in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_help_has_examples_and_the_defaults_of_the_plan(invoke: Invoke, kind: str) -> None:
    """What stands on the command line is what a program that embeds the sink gets."""
    text = " ".join(invoke("sink", kind, "--help").stdout.split())
    assert f"streamledger sink {kind}" in text
    plan = Plan("x")
    assert (plan.batch, plan.flush_ms) == (BATCH, FLUSH_MS) == (20_000, 1_000)
    assert "20000" in text
    assert "1s" in text


def test_the_sentence_tells_only_what_there_is() -> None:
    """Rows always; everything else where it is not nothing."""
    summary = Summary(Written(rows=1_234_567), seconds=2.0)
    told = summary.document("l.duckdb", "t")
    assert _sentence(told) == "1,234,567 rows written to l.duckdb in 2.0 s"
    assert told["rows_per_second"] == 617_284
    summary.written = Written(rows=1, repeats=2, conflicts=3, rejects=4, split=5)
    lines = _sentence(summary.document("l.duckdb", "t")).splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5"]
