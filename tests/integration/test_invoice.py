"""The invoice of the README: its commands as they stand there, held to what the demo's samples say by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from pipeline.cli import main
from pipeline.errors import BAD_USAGE, UsageError
from pipeline.ops.demo import run
from pipeline.ops.demo.streams import streams
from pipeline.settings import Settings

README: Final = Path(__file__).parents[2] / "README.md"
HEADING: Final = "### An invoice\n"
SECONDS: Final = 240.0
COST: Final = 5
"""Place of the cost behind the names of a row."""

Bill = dict[str, Decimal]


def commands() -> list[str]:
    """The three commands of the README's block."""
    _, _, section = README.read_text(encoding="utf-8").partition(HEADING)
    return [line for line in section.split("```")[1].splitlines() if line]


def by_hand() -> tuple[dict[str, Bill], dict[str, int]]:
    """What each tenant owes for each model, and how many of its requests have no price."""
    bills: dict[str, Bill] = defaultdict(lambda: defaultdict(Decimal))
    unpriced: dict[str, int] = defaultdict(int)
    for stream in streams():
        tenant, cost = stream.expected["labels"]["tenant"], stream.expected["cost"]
        if cost is None:
            unpriced[tenant] += 1
        else:
            bills[tenant][stream.expected["model"]] += Decimal(repr(cost))
    return bills, unpriced


def table(text: str, names: int) -> dict[str, Decimal]:
    """The costs of a table by what stands before its figures; a dash is nothing."""
    rows = [line.split() for line in text.splitlines() if line.endswith(" ms")]
    total = [["total", *[""] * (names - 1), *row[1:]] if row[0] == "total" else row for row in rows]
    return {" ".join(row[:names]).strip(): Decimal(row[names + COST].replace("–", "0")) for row in total}


def test_three_commands_make_an_invoice_for_each_tenant(kafka: str, tmp_path: Path) -> None:
    """Lines for each model, and a sum that is theirs to the last digit; what has no price is said, never 0."""
    bills, unpriced = by_hand()
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path, "STREAMLEDGER_BOOTSTRAP_SERVERS": kafka}
    printed = [
        subprocess.run(
            ["/bin/bash", "-euc", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        for command in commands()
    ]
    assert [(done.returncode, done.stderr) for done in printed[1:]] == [(0, ""), (0, "")], printed[0].stderr
    assert len(printed) == 3

    owed = {tenant: sum(bill.values(), Decimal()) for tenant, bill in bills.items()}
    tenants = table(printed[1].stdout, 1)
    assert tenants == {**owed, "total": sum(owed.values())}
    assert f"cost leaves out {sum(unpriced.values())} of {len(streams())} requests" in printed[1].stdout

    lines = {f"{tenant} {model}": cost for tenant, bill in bills.items() for model, cost in bill.items()}
    sums = {f"{tenant} sum": cost for tenant, cost in owed.items()}
    assert table(printed[2].stdout, 2) == lines | sums | {"total": sum(owed.values())}


def test_a_database_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """It may have somebody's records: the demo does not even begin."""
    (tmp_path / "there.duckdb").write_text("mine")

    with pytest.raises(UsageError, match=r"there\.duckdb is there already"):
        run(Settings(), own_kafka=False, as_json=False, db=tmp_path / "there.duckdb")

    assert (tmp_path / "there.duckdb").read_text() == "mine"
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--db", str(tmp_path / "there.duckdb")])
    assert ended.value.code == BAD_USAGE
