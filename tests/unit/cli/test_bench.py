"""`bench`: what it passes on; the benchmark does the work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from pipeline.ops import bench
from pipeline.ops.bench import Choice, Survey
from pipeline.settings import Settings

Invoke = Callable[..., Result]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, Choice, bool]]:
    """What the benchmark is called with; it finds a problem."""
    made: list[tuple[Settings, Choice, bool]] = []

    def run(settings: Settings, choice: Choice, *, as_json: bool) -> int:
        made.append((settings, choice, as_json))
        return 1

    monkeypatch.setattr(bench, "run", run)
    monkeypatch.setattr("pipeline.log.configure", lambda **_: None)
    return made


def test_without_options_everything_is_run(invoke: Invoke, calls: list[Any]) -> None:
    """Once, with the worker's own interval, and its exit code is the command's."""
    assert invoke("bench").exit_code == 1
    assert calls[0][1:] == (Choice(), False)
    assert calls[0][0].checkpoint_interval == 1_000


def test_options_are_passed_on(invoke: Invoke, calls: list[Any]) -> None:
    """Lists, numbers, and the interval that holds for everyone."""
    invoke(
        *("bench", "--quick", "--only", "200", "--only", "10k", "--peer", "consume", "--chunks", "5000"),
        *("--rounds", "2", "--quix-python", sys.executable, "--checkpoint-interval", "200ms", "--json"),
    )

    assert calls[0][1] == Choice(
        quick=True,
        loads=("200", "10k"),
        peers=("consume",),
        chunks=5_000,
        rounds=2,
        python=Path(sys.executable).absolute(),
    )
    assert calls[0][0].checkpoint_interval == 200
    assert calls[0][2] is True


@pytest.mark.parametrize("arguments", [("--only", "7"), ("--peer", "nobody"), ("--rounds", "0"), ("--chunks", "1")])
def test_what_can_not_be_run_is_bad_usage(invoke: Invoke, calls: list[Any], arguments: tuple[str, ...]) -> None:
    """Exit 2, and nothing is started."""
    assert invoke("bench", *arguments).exit_code == 2
    assert calls == []


@pytest.mark.parametrize(
    ("arguments", "survey"),
    [
        (("--scenario", "memory", "--scenario", "latency", "--quick"), Survey(("latency", "memory"), quick=True)),
        (("--scenario", "all", "--rate", "500"), Survey((), rate=500)),
    ],
    ids=["two", "all"],
)
def test_scenarios_are_passed_on(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], survey: Survey
) -> None:
    """In their order, with size and rate; the throughput is not measured then."""
    made: list[Survey] = []

    def take(_: Settings, choice: Survey, *, as_json: bool) -> int:
        made.append(choice)
        return int(as_json)

    monkeypatch.setattr(bench, "survey", take)
    monkeypatch.setattr("pipeline.log.configure", lambda **_: None)

    assert invoke("bench", *arguments).exit_code == 0
    assert made == [survey]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--scenario", "memory", "--only", "200"),
        ("--scenario", "memory", "--scenario", "throughput"),
        ("--rate", "500"),
    ],
    ids=["load", "mixed", "rate"],
)
def test_options_of_the_other_kind_are_bad_usage(invoke: Invoke, calls: list[Any], arguments: tuple[str, ...]) -> None:
    """Nothing is measured that was not asked for."""
    assert invoke("bench", *arguments).exit_code == 2
    assert calls == []
