"""Rich's console, for the tables that rich draws. Imports rich when a console is asked for."""

from __future__ import annotations

import os
import sys
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
