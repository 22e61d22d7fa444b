"""What a person sees while the demo runs: bars on a terminal, plain lines elsewhere; on stderr, results are on stdout.

Owns nothing else but the clock that says how long each step took. Imports rich.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

Advance = Callable[[int], None]

MARKS: Final = 4
"""Lines between nothing and all of a count, where there is no bar."""


class Steps:
    """The steps of a run, shown as they happen.

    Attributes:
        seconds: How long each finished step took, by its key.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        """Show on `stream`, default stderr; nothing is shown before the context is entered."""
        self.seconds: dict[str, float] = {}
        self._console = Console(file=stream or sys.stderr, markup=False, highlight=False, soft_wrap=True)
        self._bars: Progress | None = None
        if self._console.is_terminal:
            text, count = TextColumn("{task.description}"), TextColumn("{task.fields[count]}")
            columns = (SpinnerColumn(), text, BarColumn(24), count, TimeElapsedColumn())
            self._bars = Progress(*columns, console=self._console, transient=True)

    def say(self, text: str) -> None:
        """Show a line that stays."""
        self._console.print(text)

    @contextmanager
    def step(self, key: str, text: str, total: int | None = None) -> Iterator[Advance]:
        """Show one step for as long as the block lasts; the block gets a function that takes how far it is."""
        began = time.monotonic()
        if self._bars is None:
            self.say(text)
            yield self._lines(text, total)
        else:
            task = self._bars.add_task(text, total=total, count="")
            yield self._bar(self._bars, task, total)
            self._bars.update(task, total=total or 1, completed=total or 1)
        self.seconds[key] = round(time.monotonic() - began, 2)

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def _lines(self, text: str, total: int | None) -> Advance:
        told = 0

        def advance(done: int) -> None:
            nonlocal told
            if total and (mark := done * MARKS // total) > told:
                told = mark
                self.say(f"{text}: {done:,} of {total:,}")

        return advance

    @staticmethod
    def _bar(bars: Progress, task: TaskID, total: int | None) -> Advance:
        def advance(done: int) -> None:
            bars.update(task, completed=done, count=f"{done:,} of {total:,}" if total else f"{done:,}")

        return advance
