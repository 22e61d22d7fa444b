"""Plain tables of a command: columns side by side, as wide as what stands in them; and rich's console for the others.

Imports rich when a console is asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

PIPE_COLUMNS: Final = 200
"""A pipe has no width; rich would take 80 columns and cut the names in a table down to `openai…`."""


def console(*, stderr: bool = False) -> Console:
    """Where tables are printed: as wide as the terminal, or as COLUMNS says."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    narrow = stream.isatty() or "COLUMNS" in os.environ
    return Console(stderr=stderr, highlight=False, width=None if narrow else PIPE_COLUMNS)


def aligned(rows: Sequence[Sequence[str]], left: int | None = None) -> Iterable[str]:
    """Lines of a table; the first `left` columns are texts, the others numbers; None: all are texts."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if left is None or place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
