"""Usage → cost.  Owns what a call costs and where that figure comes from; guesses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.valuation import UNVALUED, Valuation

if TYPE_CHECKING:
    from pipeline.settings import Settings

__all__ = ["valuation"]


def valuation(settings: Settings) -> Valuation:  # noqa: ARG001
    """The prices and estimates that settings ask for."""
    return UNVALUED
