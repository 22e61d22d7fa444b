"""What the worker may still revise is left alone, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.policy import Policy
from pipeline.ops.correction import NOWHERE, Doubt, Guard, Held, Standing
from pipeline.ops.correction.guard import MARGIN, WINDOW

POLICY = Policy(revise_window=10_000, finish_grace=2_000)
CLOSED = 1_000_000
UNTIL = CLOSED + 10_000 + 2_000 + 5_000 + MARGIN
FINISHED: dict[str, Any] = {"closed_by": "finish", "complete": True}
FOREVER = 1 << 60
SOURCE = {"topic": "c", "partition": 0, "first_offset": 1, "last_offset": 2}
AHEAD = Standing(clock=UNTIL, running=True)


def judged(
    now: int, standing: Standing = AHEAD, policy: Policy = POLICY, *, worker: bool = True, **record: Any
) -> Held | Doubt | None:
    """What the guard says of a record that was appended at CLOSED."""
    own = {"config_digest": policy.digest, "source": SOURCE}
    return Guard(policy, 5_000, now, worker).judge(FINISHED | own | record, CLOSED, standing)


def test_nothing_is_corrected_while_a_late_chunk_may_still_revise_it() -> None:
    """And it says until when."""
    assert judged(UNTIL - 1) == Held(WINDOW, UNTIL)
    assert judged(UNTIL - 1, worker=False) == Held(WINDOW, UNTIL)
    assert judged(UNTIL) is None


@pytest.mark.parametrize(
    ("standing", "free"),
    [
        pytest.param(AHEAD, True, id="past it"),
        pytest.param(Standing(UNTIL - 1, running=True), False, id="behind"),
        pytest.param(Standing(UNTIL, running=False), False, id="stopped"),
        pytest.param(NOWHERE, False, id="nobody knows"),
    ],
)
def test_where_the_worker_has_not_passed_the_window_the_chunks_decide(standing: Standing, free: bool) -> None:
    """It goes by append times: a chunk that it has not read, or gathers, may have come in time."""
    assert judged(UNTIL, standing) == (None if free else Doubt(UNTIL, SOURCE))


def test_without_a_worker_time_alone_decides() -> None:
    """Nobody will revise anything any more."""
    assert judged(UNTIL, NOWHERE, worker=False) is None


@pytest.mark.parametrize(
    ("policy", "record"),
    [
        pytest.param(POLICY, {"closed_by": "final", "complete": True}, id="final and complete"),
        pytest.param(Policy(late_policy="dead_letter"), {}, id="late chunks are refused"),
    ],
)
def test_what_no_late_chunk_revises_need_not_wait(policy: Policy, record: dict[str, Any]) -> None:
    """CONTRACT §4: late chunks of these are dead letters."""
    assert judged(CLOSED, NOWHERE, policy, **record) is None


@pytest.mark.parametrize("record", [{"closed_by": "final", "complete": False}, {"closed_by": "late"}])
def test_a_final_with_a_gap_and_a_revision_wait(record: dict[str, Any]) -> None:
    """Late chunks may still come for them."""
    assert judged(CLOSED, **record) is not None


def test_under_other_settings_the_window_is_that_of_memory() -> None:
    """The ledger's worker may have a longer one than this command was told, or revise where it was told not to."""
    policy = Policy(revise_window=10_000, finish_grace=2_000, marker_retention=86_400_000)
    refusing = Policy(revise_window=10_000, finish_grace=2_000, late_policy="dead_letter")
    other: dict[str, Any] = {"config_digest": "another"}
    until = CLOSED + 86_400_000 + 2_000 + 5_000 + MARGIN
    passed = Standing(clock=FOREVER, running=True)

    assert judged(UNTIL, passed, policy, **other) == Held(WINDOW, until)
    assert judged(UNTIL, passed, refusing, **other) == Held(WINDOW, until)
    assert judged(until, passed, policy, **other) is None
