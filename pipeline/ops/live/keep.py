"""How much the live views remember, whatever comes: bounds of memory.  Imports the standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NAME: Final = 200
"""Characters of a provider, model, reason or detail that are kept; who writes them may write more."""

LABELS: Final = 32
"""Labels of a request that are kept; a chunk has no more (CONTRACT §1)."""

SLOTS: Final = 64
"""Pairs of attempt, kind and image of one request in which repeats are told; what lies in others counts as new."""

BOUNDS: Final = 1_024
"""Ends of ranges of one such slot; past them its lowest gap is forgotten."""


DRAWN: Final = 256
"""Strips whose dots are kept as they were shown last, for whoever looks again."""


@dataclass(frozen=True)
class Keep:
    """Bounds of memory. With all of them reached by usual streams the defaults are some 110 MB.

    Attributes:
        requests: Requests with a strip, open and closed; the oldest closed ones go first.
        dots: Chunks of a request that are shown; of a longer one they are thinned out evenly.
        bare: Open requests that are counted without a strip; past them they are not counted.
        records: Requests of the window whose figures are kept; with more the window gets shorter, and says so.
        letters: Dead letters of the window; the newest stay.
        labels: Names of labels that can be asked for.
        rows: Lines of a table of money; the rest is summed up in one.
    """

    requests: int = 5_000
    dots: int = 200
    bare: int = 100_000
    records: int = 20_000
    letters: int = 10_000
    labels: int = 64
    rows: int = 100


DEFAULT: Final = Keep()
