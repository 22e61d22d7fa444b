"""`streamledger doctor` without a Kafka: what needs none is looked at, and the exit code says the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from pipeline.ops import doctor
from pipeline.ops.doctor.finding import Finding, fine, thin, unseen, wrong

Invoke = Callable[..., Result]
LINES = {
    "ok": fine("python", "3.11"),
    "warn": thin("replicas", "one", "add two"),
    "wrong": wrong("topics", "drift", "mend it"),
    "unknown": unseen("clock", "silence"),
}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the examination find these."""

    def arrange(*findings: Finding) -> None:
        async def examine(*_: Any, **__: Any) -> doctor.Report:
            return doctor.Report([("kafka", finding) for finding in findings], reached=True)

        monkeypatch.setattr(doctor, "examine", examine)

    return arrange


def test_without_a_kafka_all_else_is_checked_and_the_code_is_3(invoke: Invoke) -> None:
    """Whoever sets up a machine before its Kafka learns what can be known."""
    result = invoke("doctor", "--bootstrap-servers", "127.0.0.1:1", "--json")
    told = json.loads(result.stdout)

    assert result.exit_code == told["exit_code"] == 3
    assert not told["reached_kafka"]
    assert {"python", "libraries", "data-dir", "store", "price-list", "key-files", "open-files"} <= {
        check["check"] for check in told["checks"]
    }
    assert told["checks"][-1]["text"] == "no Kafka answers at 127.0.0.1:1"


@pytest.mark.parametrize(
    ("kinds", "flags", "code"),
    [
        (["ok", "unknown"], [], 0),
        (["ok", "warn"], [], 0),
        (["ok", "warn"], ["--strict"], 1),
        (["ok", "unknown"], ["--strict"], 0),
        (["warn", "wrong"], [], 1),
    ],
)
def test_the_exit_code_is_that_of_the_worst(
    invoke: Invoke, found: Callable[..., None], kinds: list[str], flags: list[str], code: int
) -> None:
    """A warning counts for whoever asks for it; what can't be seen is no fault."""
    found(*(LINES[kind] for kind in kinds))

    assert invoke("doctor", *flags).exit_code == code


def test_each_finding_is_one_line_with_what_to_do(invoke: Invoke, found: Callable[..., None]) -> None:
    """For a person; --quiet leaves out what is fine."""
    found(*LINES.values())

    assert invoke("doctor").stdout.splitlines() == [
        "Kafka",
        "  ✓ python    3.11",
        "  ! replicas  one — add two",
        "  ✗ topics    drift — mend it",
        "  – clock     silence",
        "1 fine, 1 to look at, 1 wrong, 1 not to be seen",
    ]
    assert "python" not in invoke("doctor", "--quiet").stdout
