"""Which way a letter goes is decided by what became of its request; nothing goes where it could be billed twice."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.policy import Policy
from pipeline.ops.correction import Latest, Standing, Stored, amended
from pipeline.ops.dead import Order
from pipeline.ops.dead.choice import Choice
from pipeline.ops.dead.examination import Ticket, examine
from pipeline.ops.dead.request import ASLEEP, NO_RECORD, PAST, Decision, Known, decide
from pipeline.ops.dead.verdict import Outcome
from tests.unit.ops.dead.letters import letter, record_of, settings

HOUR = 3_600_000
CAME = 1_767_225_500_000
PASSED = Standing(CAME + 1_000 * HOUR, running=True)
AWAY = Standing(CAME, running=False)
LEDGER = settings()


def ticket(reason: str) -> Ticket:
    """Of a letter that came at CAME."""
    found = examine(letter(reason), Order(Choice(), repair_key=True), LEDGER, 8)
    assert isinstance(found, Ticket)
    return found


def stored(*, closed_by: str = "finish", appended: int = CAME, policy: Policy | None = None, **changes: Any) -> Stored:
    """The record of its request."""
    record = record_of(finish=closed_by == "finish", policy=policy) | changes
    assert record["closed_by"] == closed_by
    return Stored(Latest(record["revision"], 5, appended), record, None)


NOTHING = Known({}, whole=True, awake=True, standing=PASSED, closed={})


def having(found: Stored, closed: int | None = CAME, standing: Standing = PASSED) -> Known:
    """What is known where the request has this record."""
    at = {} if closed is None else {"r-1": closed}
    return Known({"r-1": found}, whole=True, awake=True, standing=standing, closed=at)


def outcome(reason: str, known: Known, later: int, **changes: Any) -> Outcome:
    """So many ms after the letter came."""
    return decide(ticket(reason), known, settings(**changes), CAME + later).outcome


def test_without_a_record_it_joins_its_request() -> None:
    """An open one, or one of which nothing was ever admitted."""
    assert outcome("unsupported_version", NOTHING, 60_000) is Outcome.CHUNKS
    assert outcome("unsupported_version", NOTHING, 100 * HOUR) is Outcome.CHUNKS


def test_without_a_record_and_a_worker_an_old_one_stays() -> None:
    """A worker that sleeps may hold its request open, and forget it before the chunk is read."""
    asleep = replace(NOTHING, awake=False)
    assert outcome("internal", asleep, HOUR // 2) is Outcome.CHUNKS
    assert decide(ticket("internal"), asleep, LEDGER, CAME + HOUR) == Decision(Outcome.REFUSED, ASLEEP)


def test_without_a_record_a_late_one_has_nothing_to_correct() -> None:
    """Its request was closed: a chunk on the topic would open it anew."""
    assert decide(ticket("late"), NOTHING, LEDGER, CAME) == Decision(Outcome.REFUSED, NO_RECORD)


def test_where_records_are_gone_nobody_knows() -> None:
    """Its request may have been billed."""
    known = replace(NOTHING, whole=False)
    assert decide(ticket("internal"), known, LEDGER, CAME) == Decision(Outcome.REFUSED, PAST)


def test_within_the_window_the_worker_revises() -> None:
    """Counted from the earliest moment at which the request can have closed, with a margin."""
    for reason in ("oversize", "unsupported_version", "key_mismatch"):
        assert outcome(reason, having(stored()), HOUR - 61_000) is Outcome.CHUNKS
        assert outcome(reason, having(stored()), HOUR - 59_000) is Outcome.HELD
        assert outcome(reason, having(stored(), closed=None), 1_000) is Outcome.HELD


def test_under_other_settings_nothing_goes_as_a_chunk() -> None:
    """How long their worker knows a request can't be told; a correction waits for as long as any would."""
    assert outcome("oversize", having(stored()), 1_000, max_bytes=1) is Outcome.HELD
    assert outcome("oversize", having(stored()), 2 * HOUR, max_bytes=1) is Outcome.HELD
    assert outcome("oversize", having(stored()), 26 * HOUR, max_bytes=1) is Outcome.CORRECTION


def test_after_the_window_the_record_is_corrected() -> None:
    """Once the wall clock and the worker are past all that could still revise it."""
    assert outcome("oversize", having(stored()), 2 * HOUR) is Outcome.CORRECTION
    doubtful = having(stored(), standing=AWAY)
    assert outcome("oversize", doubtful, 2 * HOUR) is Outcome.CORRECTION
    told = decide(ticket("oversize"), replace(doubtful, waiting={"r-1": "late chunks"}), LEDGER, CAME + 2 * HOUR)
    assert (told.outcome, told.until) == (Outcome.HELD, None)
    assert str(told.why).startswith("late chunks")
    held = decide(ticket("oversize"), having(stored(appended=CAME + HOUR)), LEDGER, CAME + HOUR)
    assert held.outcome is Outcome.HELD
    assert held.until is not None
    assert held.until > CAME + 2 * HOUR


@pytest.mark.parametrize("reason", ["late", "internal"])
def test_late_and_quarantined_ones_never_go_as_chunks(reason: str) -> None:
    """The worker would refuse them again, or take them for repeats and lose them."""
    assert outcome(reason, having(stored()), 1_000) is Outcome.HELD
    assert outcome(reason, having(stored()), 2 * HOUR) is Outcome.CORRECTION


def test_what_the_worker_never_revises_is_corrected_at_once() -> None:
    """Closed final and complete, or under late_policy dead_letter."""
    assert outcome("late", having(stored(closed_by="final")), 1_000) is Outcome.CORRECTION
    assert outcome("oversize", having(stored(closed_by="final")), 1_000) is Outcome.CORRECTION
    strict = stored(policy=Policy(late_policy="dead_letter"))
    for reason in ("late", "oversize"):
        assert outcome(reason, having(strict), 1_000, late_policy="dead_letter") is Outcome.CORRECTION


def test_a_record_that_was_altered_is_not_built_on() -> None:
    """Nor one of another ledger."""
    told = decide(ticket("late"), having(stored(cost=99.0)), LEDGER, CAME + 2 * HOUR)
    assert told.outcome is Outcome.REFUSED
    assert "digest" in str(told.why)
    assert outcome("late", having(stored()), 2 * HOUR, ledger="other") is Outcome.REFUSED


def test_a_corrected_record_is_corrected_again() -> None:
    """A revision is no reason to go another way."""
    first = stored()
    again = amended(first.record, first.record | {"cost": 0.5}, ledger="main", limit=1 << 20)
    assert again is not None
    record = json.loads(again.value or b"")
    known = having(Stored(Latest(1, 9, CAME), record, None))
    assert outcome("late", known, 2 * HOUR) is Outcome.CORRECTION
