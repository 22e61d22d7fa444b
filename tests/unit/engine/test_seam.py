"""Failpoints in the core: there when one is armed, and otherwise the core is untouched."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from pipeline.core.policy import Policy
from pipeline.engine import seam
from pipeline.engine.failpoint import CORE, arm
from pipeline.engine.seam import SEAMS
from pipeline.testing.chunk import HOUR, chat, marker
from tests.ledger import Ledger

POLICY = Policy(revise_window=HOUR, marker_retention=3 * HOUR)


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    arm("")
    seam.take_away()


def live() -> None:
    """A request refused a chunk, finished, revised and given up: every step of the core once at least."""
    ledger = Ledger(POLICY)
    ledger.send(b"no chunk").send(chat(0, "a"), chat(1, "b", finish="stop")).until(POLICY.finish_grace)
    ledger.checkpoint().send(chat(2, "c"), at=POLICY.finish_grace + 1).until(2 * POLICY.finish_grace + 1).checkpoint()
    ledger.send(marker(0, request_id="r-2"), at=4 * HOUR, key=b"r-2").checkpoint()


def test_every_step_of_the_core_has_a_seam() -> None:
    """The names and the places are two lists."""
    assert set(CORE) == set(SEAMS)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", CORE)
def test_an_armed_point_of_the_core_is_passed(step: str, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The core still goes through the function that a seam names."""
    signals: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: signals.append(number))
    arm(f"{step}.{when}@1")
    seam.put()
    live()

    assert signals == [signal.SIGKILL]


def test_nothing_is_replaced_unless_it_is_armed() -> None:
    """What is off costs nothing; what is armed replaces one function, once."""
    before = {name: getattr(each.owner, each.attribute) for name, each in SEAMS.items()}
    seam.put()
    arm("apply.before:raise, fold.after:raise")
    seam.put()
    seam.put()
    changed = [name for name, each in SEAMS.items() if getattr(each.owner, each.attribute) is not before[name]]
    seam.take_away()

    assert changed == ["fold"]
    assert before == {name: getattr(each.owner, each.attribute) for name, each in SEAMS.items()}
    live()
