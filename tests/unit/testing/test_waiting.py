"""Waiting: until it holds, until the deadline, or until what it hangs on has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from pipeline.errors import UsageError
from pipeline.testing import eventually
from pipeline.testing.waiting import run


def test_what_the_condition_returned_is_given_back() -> None:
    """False values and failed assertions mean not yet."""
    answers: Iterator[object] = iter([None, AssertionError("not yet"), [], "there"])

    def condition() -> object:
        answer = next(answers)
        if isinstance(answer, AssertionError):
            raise answer
        return answer

    assert eventually(condition, every=0) == "there"


def test_the_deadline_says_what_was_seen_last() -> None:
    """The value, or the assertion that failed."""

    def records_are_there() -> bool:
        raise AssertionError("2 of 3 records")

    with pytest.raises(AssertionError, match=r"^the end did not hold within 0 s; it was 0 at the end$"):
        eventually(lambda: 0, 0, what="the end")
    with pytest.raises(AssertionError, match=r"^records_are_there .* it failed at the end: 2 of 3 records$"):
        eventually(records_are_there, 0)


def test_other_errors_end_the_wait_at_once() -> None:
    """A condition that is wrong, and a worker that is gone."""

    def gone() -> None:
        raise AssertionError("the worker ended")

    with pytest.raises(ZeroDivisionError):
        eventually(lambda: 1 / 0)
    with pytest.raises(AssertionError, match="the worker ended"):
        eventually(lambda: False, watch=gone)
    assert eventually(lambda: True, watch=gone)


def test_an_event_loop_is_not_stopped() -> None:
    """It would wait for a publisher that it keeps from sending; the hint says how to wait beside it."""

    async def work() -> int:
        return 1

    async def test() -> int:
        with pytest.raises(UsageError, match=r"asyncio\.to_thread"):
            run(work())
        return await asyncio.to_thread(lambda: run(work()))

    assert run(test()) == 1
