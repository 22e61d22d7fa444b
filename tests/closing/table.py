"""Every row of the closing table; their names are unique, because request ids are made of them."""

from __future__ import annotations

from typing import Final

from tests.closing import breaks, ends, lives
from tests.closing.scenario import Scenario

SCENARIOS: Final[tuple[Scenario, ...]] = (
    *ends.FINISH, *ends.CHOICES, *ends.FINAL, *breaks.ERROR, *breaks.SILENCE,
    *lives.LATE, *lives.TOGETHER, *lives.ATTEMPTS, *lives.LIMITED,
)  # fmt: skip
