"""`streamledger usage`: what it refuses, and that its error lines say what to do."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import Result

from pipeline.errors import BAD_USAGE
from pipeline.sinks.usage import amount

Invoke = Callable[..., Result]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--by", "modl"), ["'modl'", "did you mean model?", "label.KEY"]),
        (("--by", "label."), ["'label.'", "label.KEY"]),
        (("--since", "120"), ["--since 120 is no time", "-7d"]),
        (("--until", "earliest"), ["--until earliest is no time"]),
        (("--until", "yesterday"), ["--until yesterday is no time"]),
        (("--label", "team"), ["--label team has no value"]),
        (("--json", "--csv"), ["two forms of one answer"]),
        (("--at", "-1h"), ["--at is of --open"]),
        (("--open",), ["--db is of a database"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_what_can_not_be_asked_is_refused(invoke: Invoke, arguments: tuple[str, ...], words: list[str]) -> None:
    """Before a database is opened, with what could be asked instead."""
    result = invoke("usage", "--db", "nowhere.duckdb", *arguments)

    assert result.exit_code == BAD_USAGE
    assert [word for word in words if word not in result.stderr] == []


def test_the_database_is_that_of_the_ledger_unless_named(invoke: Invoke, tmp_path: Path) -> None:
    """A file in the data directory; that it is not there is said with the command that makes it."""
    result = invoke("usage", "--data-dir", str(tmp_path), "--ledger", "billing")

    assert result.exit_code == BAD_USAGE
    assert f"there is no database {tmp_path / 'billing.duckdb'} — make it: streamledger sink duckdb" in result.stderr


@pytest.mark.parametrize(
    ("cost", "places", "text"),
    [
        ("0.300000000000000000", 2, "0.30"),
        ("12", 2, "12.00"),
        ("1E+3", 2, "1000.00"),
        ("0.000000000000000001", 2, "0.000000000000000001"),
        ("1.5", 4, "1.5000"),
        ("-0.5", 2, "-0.50"),
    ],
)
def test_money_keeps_its_digits(cost: str, places: int, text: str) -> None:
    """No zero is shown that says nothing, and no digit is lost."""
    assert amount(Decimal(cost), places) == text
