"""The two forms that an explanation is printed in: names with values, and tables with a head.

Both fit the width they are given: what may be broken is folded, numbers never are. Imports rich.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text


def pairs(rows: Iterable[tuple[str, str]]) -> Table:
    """Names and values."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value, overflow="fold"))
    return table


def grid(*names: str, numbers: Sequence[str] = ()) -> Table:
    """A table with a head; `numbers` stand at the right and are never broken."""
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        if name in numbers:
            table.add_column(name, justify="right", no_wrap=True)
        else:
            table.add_column(name, overflow="fold")
    return table
