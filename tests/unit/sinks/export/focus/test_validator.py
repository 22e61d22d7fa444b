"""The FinOps Foundation's own validator on what is written.

It needs other versions of libraries than this project has, and so an environment of its own: the interpreter in it is
named by FOCUS_VALIDATOR_PYTHON. Version 2 of it knows FOCUS 1.2 (on PyPI is 1.0.0, which doesn't).
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.unit.sinks.export.focus.prices import priced
from tests.unit.sinks.export.focus.test_dataset import text
from tests.unit.sinks.export.records import example, revised

PYTHON: Final = os.environ.get("FOCUS_VALIDATOR_PYTHON", "")
APPLY: Final = (
    "ACCOUNT_NAMING_SUPPORTED,MULTIPLE_PRICING_CATEGORIES_SUPPORTED,NEGOTIATED_PRICING_SUPPORTED,"
    "PUBLIC_PRICE_LIST_SUPPORTED,SUB_ACCOUNT_SUPPORTED,TAGGING_SUPPORTED,UNIT_PRICING_SUPPORTED,"
    "USAGE_MEASUREMENT_SUPPORTED"
)
"""What a provider of models does; all other criteria of the specification are about clouds."""

PROGRAM: Final = """
import os, pathlib, focus_validator
os.chdir(pathlib.Path(focus_validator.__file__).parents[1])  # it finds its currency codes from there
from focus_validator.main import main
main()
"""
NOT_OURS: Final = re.compile(
    "PricingCurrency.*"  # columns that only virtual currencies ask for; it takes "and" between criteria for "or"
    "|CostAndUsage-D-0(46|47|48|50|51|52|54|55|56)-C"  # their presence
    "|ConsumedQuantity-C-00[03456]-C"  # its query fails without CommitmentDiscountStatus, which we have no use for
    "|InvoiceId-C-005-C"  # "not null when associated with an invoice", of which the validator can't know
)
"""Rules that this validator reports as failed for datasets to which they don't apply."""

pytestmark = pytest.mark.skipif(not PYTHON, reason="FOCUS_VALIDATOR_PYTHON names no interpreter with focus-validator 2")


def verdict(content: str, path: Path) -> tuple[int, dict[str, int]]:
    """How many rules passed, and violations by rule that failed."""
    path.write_text(content, encoding="utf-8", newline="")
    options = ("--validate-version", "1.2", "--block-download", "--applicability-criteria", APPLY)
    ran = subprocess.run(
        [PYTHON, "-c", PROGRAM, "--data-file", str(path), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    passed = re.search(r"Pass: (\d+)", ran.stdout)
    assert passed is not None, ran.stderr[-2_000:]
    failed = re.findall(r"(\S+): FAIL +\(violations=(\d+)", ran.stdout)
    return int(passed[1]), {rule: int(count) for rule, count in failed if NOT_OURS.fullmatch(rule) is None}


def test_it_finds_nothing_in_rows_that_are_priced(tmp_path: Path) -> None:
    """By list, by a stated total, and corrected."""
    records = [
        priced(
            provider=provider, model=model, request_id=model + tenant, labels={"tenant": tenant, "key": f"k-{tenant}"}
        )
        for provider, model in (("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"))
        for tenant in ("a", "b")
    ]
    first = example("tool-call")
    records += [first, revised(first, first["token_usage"], "0.0001")]
    for by in (None, "day"):
        passed, failed = verdict(text(records, by), tmp_path / "rows.csv")
        assert failed == {}
        assert passed > 200


def test_of_a_cost_that_nobody_knows_it_finds_the_nulls_and_no_more(tmp_path: Path) -> None:
    """FOCUS has no way to say unknown: null breaks four columns' rule, and 0 would be a lie."""
    _, failed = verdict(text([priced(provider="openai", model="gpt-4o"), example("unfinished")]), tmp_path / "rows.csv")
    assert {re.split("-", rule)[0] for rule in failed} == {"BilledCost", "ContractedCost", "EffectiveCost", "ListCost"}
