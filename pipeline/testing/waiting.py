"""Waiting on conditions with a deadline, and coroutines for tests that have no event loop.

Owns both. Imports the errors.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from pipeline.errors import UsageError

DEADLINE: Final = 60.0
"""Seconds; ample on a busy machine, because what is waited for mostly takes one or two."""
EVERY: Final = 0.05

Result = TypeVar("Result")


def eventually(
    condition: Callable[[], Result],
    deadline: float = DEADLINE,
    *,
    every: float = EVERY,
    what: str = "",
    watch: Callable[[], object] = lambda: None,
) -> Result:
    """Wait until a condition holds; what it returned then.

    >>> numbers = iter(range(5))
    >>> eventually(lambda: next(numbers) >= 3)
    True

    Args:
        condition: Asked again and again. It holds when it returns something true; an AssertionError means not yet, so
            a function with asserts will do, which has to return something true at its end.
        deadline: Seconds until it must hold.
        every: Seconds between two looks.
        what: For the message; default: its name.
        watch: Called while it does not hold; whatever it raises ends the wait, such as `streamledger_worker.check`.

    Raises:
        AssertionError: the deadline is over; with the last value, or the last failed assertion.
    """
    end = time.monotonic() + deadline
    while True:
        last: object
        try:
            if result := condition():
                return result
            last = result
        except AssertionError as error:
            last = error
        watch()
        if time.monotonic() >= end:
            name = what or getattr(condition, "__name__", repr(condition))
            cause = last if isinstance(last, AssertionError) else None
            found = f"failed at the end: {last}" if cause is not None else f"was {last!r} at the end"
            raise AssertionError(f"{name} did not hold within {deadline:g} s; it {found}") from cause
        time.sleep(every)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end from code without an event loop.

    Raises:
        UsageError: this thread runs a loop already.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    work.close()
    hint = "in an async test: await asyncio.to_thread(…) around this very call"
    raise UsageError("this would stop the event loop that the test runs in", hint=hint)
