"""Short rounds of chaos for `make test`; the long ones are `make chaos SEED= MINUTES=`."""

from __future__ import annotations

import ast
import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.generator import Ledger, plan
from tests.chaos.run import Options, chaos, control_holds
from tests.chaos.scenarios import broker_gone_holds, changelog_deleted_holds

HERE = Path(__file__).parent
SHORT = 0.25
"""Minutes of load; with brokers, windows and reconciliation a round stays under a minute."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Clients complain about brokers that are killed on purpose."""
    logger = logging.getLogger("aiokafka")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


def test_the_same_seed_makes_the_same_plan() -> None:
    """What a round found can be looked for again; another seed sends something else."""
    plans = []
    for seed in (1, 1, 2):
        ledger = Ledger()
        count = sum(1 for _ in plan(seed, ledger, seconds=5, per_second=200))
        plans.append((count, ledger.plan.hexdigest(), ledger.requests))
    assert plans[0] == plans[1]
    assert plans[0][1] != plans[2][1]


GENERATOR = "pipeline.ops.load"
"""Makes streams and knows what they add up to; the contract `streams` of import-linter keeps it from the fold."""


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("reader.py", ""),
        ("again.py", ""),
        ("generator.py", GENERATOR),
        ("requests.py", GENERATOR),
        ("streams.py", GENERATOR),
        ("garbage.py", GENERATOR),
    ],
)
def test_ledger_and_reader_know_nothing_of_the_product(module: str, allowed: str) -> None:
    """They could share its mistakes: nothing of `schemas` or `pipeline`, but for the ledger its generator."""
    tree = ast.parse((HERE / module).read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert names
    foreign = [name for name in names if name.partition(".")[0] in {"pipeline", "schemas"}]
    assert [name for name in foreign if not allowed or not name.startswith(f"{allowed}.")] == []


@pytest.mark.integration
@pytest.mark.chaos
def test_a_short_round_ends_with_zeros() -> None:
    """Killed, emptied, stopped in mid-commit: every request has its record, and every piece of garbage its letter.

    Each record has the bytes that an offline fold of the topic gives it (G3).
    """
    report = asyncio.run(
        chaos(Options(seed=11, minutes=SHORT, faults=("kill", "zombie", "emptied"), per_second=250, grace=5_000))
    )
    assert report.passed, report.table()
    assert report.result.requests > 100
    assert report.result.folded >= report.result.requests
    assert report.faults


@pytest.mark.integration
@pytest.mark.chaos
@pytest.mark.long
def test_records_outside_the_transaction_are_caught() -> None:
    """The negative control: the reader sees the doubles that a worker makes which sends before it commits."""
    verdict = asyncio.run(control_holds(12))
    assert verdict.holds, verdict


@pytest.mark.integration
@pytest.mark.chaos
def test_nothing_expires_while_the_broker_is_gone() -> None:
    """Three windows without a broker close nothing: what lay unread in the log is in the one record of its request."""
    verdict = asyncio.run(broker_gone_holds(13))
    assert verdict.holds, verdict


@pytest.mark.integration
@pytest.mark.chaos
def test_a_deleted_changelog_is_refused_and_nothing_is_sent_again() -> None:
    """Without the topic, and with an empty one in its place, the worker ends with a line that says so."""
    verdict = asyncio.run(changelog_deleted_holds(14))
    assert verdict.holds, verdict
