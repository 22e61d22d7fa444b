"""A progress bar of what is read from Kafka, on stderr, if a person looks at it. Imports rich when it shows."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.topics.reader import Progress, Seen


@contextlib.contextmanager
def bar(unit: str = "offsets") -> Iterator[Progress]:
    """Shows how many of the `unit`s to do are done, with their rate and the time that is left."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(TextColumn):
        """Units a second."""

        def render(self, task: Task) -> Text:
            return Text("" if not task.speed else f"{task.speed:,.0f}/s")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(f"{{task.completed:,}} of {{task.total:,}} {unit}"),
        Rate(""),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("reading", total=0)

        def show(seen: Seen) -> None:
            display.update(task, description=seen.what, completed=seen.done, total=seen.total)

        yield show
