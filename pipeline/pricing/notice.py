"""One warning for each model without a price, in the log of a service.

Owns what was said already; after a thousand models it says only that there are more, so that no producer of odd names
fills memory or log.  Of what chunks say it shows the names of provider and model and nothing else.  Imports the log.
"""

from __future__ import annotations

from typing import Final

from pipeline import log
from pipeline.core.valuation import Call
from pipeline.pricing.tier import TIERS, tier_of

MOST: Final = 1_000
"""Models that are named."""

_HINT: Final = "`streamledger prices test` shows why; a price of your own goes into price_overlay"


class Notice:
    """Says it once per (provider, model)."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._said: set[tuple[str | None, str | None]] = set()
        self._log = log.get_logger(__name__)

    def __call__(self, call: Call, reason: str, failure: BaseException | None) -> None:
        """Hear of a call without a price."""
        about = call.provider, None if call.model is None else call.model[: log.LONGEST]
        if about in self._said or len(self._said) > MOST:
            return
        self._said.add(about)
        if len(self._said) > MOST:
            self._log.warning("more models without a price", named=MOST)
            return
        tier = tier_of(call.service_tier)
        keys = {"provider": about[0], "model": about[1], "reason": reason, "tier": tier if tier in TIERS else "other"}
        self._log.warning("no price", **keys, hint=_HINT, exc_info=failure)
