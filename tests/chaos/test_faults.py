"""How faults are drawn and played. No broker is needed."""

from __future__ import annotations

import asyncio
import itertools
import random
from pathlib import Path
from typing import cast

import pytest

from tests.chaos.faults import FAULTS, TRIES, deck, play
from tests.chaos.report import WHOLE_MINUTES, Report
from tests.chaos.stage import Stage, Turn
from tests.chaos.workers import Worker


class _Bare:
    """A stage without anything on it."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []


@pytest.mark.parametrize(("effective", "tries", "effect"), [(1, 1, True), (2, 2, True), (9, TRIES, False)])
def test_a_fault_without_effect_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, effective: int, tries: int, effect: bool
) -> None:
    """It is played with other choices until it takes effect, and after some tries it is told as one that did not."""
    drawn: list[float] = []

    async def fault(_: Stage, draw: random.Random) -> bool:
        drawn.append(draw.random())
        return len(drawn) == effective

    monkeypatch.setitem(FAULTS, "kill", fault)
    stage = cast("Stage", _Bare())
    turn = asyncio.run(play(stage, "kill", "1-0-kill", at=3.0, over=lambda: False))
    assert (turn.tries, turn.effect) == (tries, effect)
    assert len(set(drawn)) == tries
    assert stage.turns == [turn]


def test_a_pass_through_the_deck_has_every_fault_and_a_seed_has_one_deck() -> None:
    """No fault is left out for long, and the order and choices of a seed are the same each time."""
    passes = [list(itertools.islice(deck(seed, tuple(FAULTS)), 2 * len(FAULTS))) for seed in (1, 1, 2)]
    assert passes[0] == passes[1]
    assert passes[0] != passes[2]
    for half in (passes[0][: len(FAULTS)], passes[0][len(FAULTS) :]):
        assert {name for name, _, _ in half} == set(FAULTS)


@pytest.mark.parametrize(("minutes", "passed"), [(WHOLE_MINUTES, False), (1.0, True)])
def test_a_long_round_must_have_seen_every_fault(minutes: float, passed: bool) -> None:
    """A fault that never took effect fails a long round and is named; a short one only names it."""
    report = Report(1, minutes, 3, control=False, wanted=("kill", "pause"))
    report.result.requests = 1
    report.turns = [Turn(1.0, "kill", 1, True, 0.5), Turn(2.0, "pause", 3, False, 0.5)]
    assert report.passed is passed
    assert report.unseen == ["pause"]
    assert report.document()["without_effect"] == {"pause": 3}


def test_events_are_read_once_and_whole(tmp_path: Path) -> None:
    """A log that is still being written gives each event once, and none before its line has ended."""
    worker = Worker("w", cast("object", None), tmp_path / "log")  # type: ignore[arg-type]  # it is not started
    with worker.log.open("a") as log:
        for written, count in (('{"event": "a"}\nnoise\n{"eve', 1), ('nt": "a"}\n', 2), ('{"event": "b"}\n', 2)):
            log.write(written)
            log.flush()
            assert len(worker.events("a")) == count
