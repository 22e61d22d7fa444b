"""Usage → cost.  Owns what a call costs and where that figure comes from; guesses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.valuation import Valuation
from pipeline.pricing.tokens import estimator

if TYPE_CHECKING:
    from pipeline.settings import Settings

__all__ = ["valuation"]


def valuation(settings: Settings) -> Valuation:
    """The prices and estimates that settings ask for.

    Raises:
        UsageError: what they ask for is not installed.
    """
    return Valuation(estimator=estimator(settings))
