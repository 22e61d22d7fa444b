"""Usage → cost.  Owns what a call costs and where that figure comes from; guesses nothing, fetches nothing.

Public face of the room: `valuation` for whoever folds, `price_list` for whoever shows prices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.core.valuation import Valuation
from pipeline.pricing.overlay_file import read
from pipeline.pricing.pricer import PriceList, Report
from pipeline.pricing.tokens import estimator

if TYPE_CHECKING:
    from pipeline.settings import Settings

__all__ = ["price_list", "valuation"]


def valuation(settings: Settings, *, service: bool = False) -> Valuation:
    """The prices and estimates that settings ask for.

    Args:
        settings: `price_overlay` names a file of your own prices.
        service: of a process that stays: prices are loaded now, and models without one are logged, each once.

    Raises:
        UsageError: the overlay can't be used, or what they ask for is not installed; the text says where and why.
    """
    report: Report | None = None
    if service:
        from pipeline.pricing.notice import Notice  # noqa: PLC0415  offline commands start without the log

        report = Notice()
    prices = price_list(settings, report)
    if service:
        prices.catalog  # noqa: B018  loaded here, not in the middle of a checkpoint
    return Valuation(pricer=prices, estimator=estimator(settings))


def price_list(settings: Settings, report: Report | None = None) -> PriceList:
    """Own prices over list prices.

    Raises:
        UsageError: the overlay can't be used.
    """
    overlay = None if settings.price_overlay is None else read(settings.price_overlay)
    return PriceList(overlay, report)
