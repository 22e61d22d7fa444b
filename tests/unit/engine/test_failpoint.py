"""Failpoints do nothing until they are armed, and then exactly what was asked."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from pipeline.engine import failpoint as module
from pipeline.engine.failpoint import NAMES, Bug, arm, arm_from, failpoint
from pipeline.errors import InvariantBroken, StreamledgerError, UsageError


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    arm("")


def test_an_unarmed_point_does_nothing() -> None:
    """Every name can be passed."""
    arm_from({})
    for name in sorted(NAMES):
        failpoint(name)

    assert module._armed == {}


def test_an_armed_point_raises_and_others_do_not() -> None:
    """Only the named point fails."""
    arm("apply.after:raise")
    failpoint("apply.before")
    with pytest.raises(InvariantBroken, match=r"apply\.after"):
        failpoint("apply.after")


def test_a_bug_is_no_error_of_ours() -> None:
    """The core treats it as what it would be: an exception that nobody foresaw."""
    arm("fold.before:bug")
    with pytest.raises(Bug, match=r"fold\.before") as raised:
        failpoint("fold.before")

    assert not isinstance(raised.value, StreamledgerError)


def test_a_pass_number_waits_for_that_pass() -> None:
    """`@3` fails at the third pass and at no other."""
    arm("apply.after@3:raise")
    failpoint("apply.after")
    failpoint("apply.after")
    with pytest.raises(InvariantBroken):
        failpoint("apply.after")
    failpoint("apply.after")


def test_probability_zero_never_fails() -> None:
    """A number is a probability."""
    arm("apply.after:0.0:raise")
    for _ in range(100):
        failpoint("apply.after")

    assert module._armed["apply.after"].passed == 100


@pytest.mark.parametrize(("action", "sent"), [("kill", signal.SIGKILL), ("stop", signal.SIGSTOP)])
def test_an_action_sends_its_signal(action: str, sent: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kill` and `stop` end or pause this very process."""
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: signals.append((pid, number)))
    arm_from({"STREAMLEDGER_FAILPOINTS": f"snapshot.after:{action}, restore.read_50"})
    failpoint("snapshot.after")

    assert [(os.getpid(), sent)] == signals


def test_hang_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """`hang` stands still for as long as a test can last."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    arm("apply.before:hang")
    failpoint("apply.before")

    assert slept == [module.HANG_SECONDS]


@pytest.mark.parametrize("spec", ["apply.nowhere", "apply.after:explode", "apply.after@x"])
def test_a_wrong_specification_is_refused(spec: str) -> None:
    """A test must not wait for a point that is not there."""
    with pytest.raises(UsageError):
        arm(spec)
