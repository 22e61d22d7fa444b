"""Log-normal numbers: most are small, some are large, none is outside of its bounds.

Imports the standard library.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class LogNormal:
    """What lengths and times of real streams look like.

    Attributes:
        median: Half of the numbers are below.
        sigma: Of the logarithm; 0 makes all of them the median, 0.7 puts two thirds within half and twice of it.
        low, high: Numbers beyond become these.
    """

    median: float
    sigma: float
    low: float
    high: float

    def sample(self, draw: random.Random) -> float:
        """One number."""
        return min(max(self.median * math.exp(self.sigma * draw.gauss(0, 1)), self.low), self.high)

    def whole(self, draw: random.Random) -> int:
        """One number, rounded."""
        return round(self.sample(draw))
