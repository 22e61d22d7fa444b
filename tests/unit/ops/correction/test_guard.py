"""What the worker may still revise is left alone, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.policy import Policy
from pipeline.ops.correction import Guard, Held, Standing
from pipeline.ops.correction.guard import BEHIND, MARGIN, STOPPED, WINDOW

POLICY = Policy(revise_window=10_000, finish_grace=2_000)
CLOSED = 1_000_000
UNTIL = CLOSED + 10_000 + 2_000 + 5_000 + MARGIN
FINISHED: dict[str, Any] = {"closed_by": "finish", "complete": True}
FOREVER = 1 << 60
AHEAD = Standing(clock=UNTIL, current=False, running=True)


def held(now: int, standing: Standing | None, policy: Policy = POLICY, **record: Any) -> Held | None:
    """What the guard says of a record that was appended at CLOSED."""
    own = {"config_digest": policy.digest}
    return Guard(policy, 5_000, now).held(FINISHED | own | record, CLOSED, standing)


def test_nothing_is_corrected_while_a_late_chunk_may_still_revise_it() -> None:
    """And it says until when."""
    assert held(UNTIL - 1, AHEAD) == Held(WINDOW, UNTIL)
    assert held(UNTIL, AHEAD) is None


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        pytest.param(Standing(UNTIL, current=False, running=True), None, id="past it"),
        pytest.param(Standing(UNTIL - 1, current=False, running=True), BEHIND, id="behind"),
        pytest.param(Standing(CLOSED, current=True, running=True), None, id="nothing left to read"),
        pytest.param(Standing(None, current=False, running=True), BEHIND, id="nobody knows"),
        pytest.param(Standing(UNTIL, current=True, running=False), STOPPED, id="stopped"),
        pytest.param(None, None, id="there will be none"),
    ],
)
def test_the_worker_has_to_have_passed_the_window_too(standing: Standing | None, expected: str | None) -> None:
    """It goes by append times: a chunk that it has not read yet may have come in time."""
    found = held(UNTIL, standing)

    assert (found.reason if found else None) == expected


def test_time_alone_does_not_help_where_the_worker_is_behind() -> None:
    """So no time is promised."""
    behind = Standing(CLOSED, current=False, running=True)

    assert held(10 * UNTIL, behind) == Held(BEHIND, None)


@pytest.mark.parametrize(
    ("policy", "record"),
    [
        pytest.param(POLICY, {"closed_by": "final", "complete": True}, id="final and complete"),
        pytest.param(Policy(late_policy="dead_letter"), {}, id="late chunks are refused"),
    ],
)
def test_what_no_late_chunk_revises_need_not_wait(policy: Policy, record: dict[str, Any]) -> None:
    """CONTRACT §4: late chunks of these are dead letters."""
    assert held(CLOSED, None, policy, **record) is None


@pytest.mark.parametrize("record", [{"closed_by": "final", "complete": False}, {"closed_by": "late"}])
def test_a_final_with_a_gap_and_a_revision_wait(record: dict[str, Any]) -> None:
    """Late chunks may still come for them."""
    assert held(CLOSED, AHEAD, **record) is not None


def test_under_other_settings_the_window_is_that_of_memory() -> None:
    """The ledger's worker may have a longer one than this command was told, or revise where it was told not to."""
    policy = Policy(revise_window=10_000, finish_grace=2_000, marker_retention=86_400_000)
    refusing = Policy(revise_window=10_000, finish_grace=2_000, late_policy="dead_letter")
    other = {"config_digest": "another"}
    until = CLOSED + 86_400_000 + 2_000 + 5_000 + MARGIN
    passed = Standing(clock=FOREVER, current=True, running=True)

    assert held(UNTIL, passed, policy, **other) == Held(WINDOW, until)
    assert held(UNTIL, passed, refusing, **other) == Held(WINDOW, until)
    assert held(until, passed, policy, **other) is None
