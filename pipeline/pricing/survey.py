"""Prices as tables: what would be used and where it stands, and what another overlay would change.

Owns the rows; everything is USD per million units, as in overlay files.  Imports the rest of this room.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final, NamedTuple

from pipeline.core.cost import CATALOG, EXACT, OVERLAY, Unpriced, plain
from pipeline.core.valuation import Call
from pipeline.pricing.overlay import Overlay
from pipeline.pricing.pricer import PriceList, Terms
from pipeline.pricing.rates import FINEST, Rate, Rates
from pipeline.pricing.tier import STANDARD, TIERS
from pipeline.pricing.unit import KEYS, MILLION, Unit

_HUNDREDTH: Final = Decimal("0.01")


class Row(NamedTuple):
    """The prices of one model for one tier.

    Attributes:
        price_id, source, version, hash: where they stand.
        tier: served tier.
        prices: USD per million by the key of the unit.
        above: the same for prompts of more tokens than the number.
    """

    price_id: str
    source: str
    tier: str
    prices: Mapping[str, str]
    above: Mapping[int, Mapping[str, str]]
    version: str | None
    hash: str

    def as_json(self) -> dict[str, Any]:
        """The row for programs."""
        return {**self._asdict(), "above": [{"tokens": tokens, **more} for tokens, more in self.above.items()]}


class Change(NamedTuple):
    """A price before and after; null where there is none, percent where it means something."""

    price_id: str
    tier: str
    unit: str
    before: str | None
    after: str | None
    percent: str | None


def used(prices: PriceList, provider: str, model: str, at: datetime) -> tuple[list[Row], str | None]:
    """What calls of exactly this model would be charged by, tier by tier; else why there is nothing."""
    call = Call(provider, model, "chat.completion", at, None, None)
    found = [(tier, prices.terms(call._replace(service_tier=tier))) for tier in _tiers(prices, call)]
    rows = [_row(terms, tier) for tier, terms in found if not isinstance(terms, Unpriced)]
    standard = found[0][1]
    return rows, standard.reason if isinstance(standard, Unpriced) else None


def listed(prices: PriceList, provider: str | None, text: str, at: datetime) -> Iterator[Row]:
    """Standard prices of all models of a provider whose names hold a text, the overlay's first."""
    catalog = prices.catalog
    overlay = prices.overlay
    known = None if provider is None else catalog.provider(provider if overlay is None else overlay.provider(provider))
    if overlay is not None:
        wanted = None if provider is None else overlay.provider(provider)
        yield from _own(overlay, wanted, text.lower(), at)
    if provider is not None and known is None:
        return
    for listing in catalog.listings(known):
        if text.lower() in listing.model.lower():
            rates = listing.rates(at, STANDARD)
            if isinstance(rates, Rates):
                yield _row(Terms(rates, CATALOG, listing.price_id, catalog.version, catalog.hash), STANDARD)


def changes(before: PriceList, after: PriceList, at: datetime) -> Iterator[Change]:
    """What differs between two sets of prices, for every model that either overlay has."""
    addresses = dict.fromkeys(
        (entry.provider, entry.model)
        for prices in (before, after)
        if prices.overlay is not None
        for entry in prices.overlay.entries.values()
    )
    for provider, model in addresses:
        call = Call(provider, model, "chat.completion", at, None, None)
        tiers = dict.fromkeys([*_tiers(before, call), *_tiers(after, call)])
        for tier in tiers:
            sides = [prices.terms(call._replace(service_tier=tier)) for prices in (before, after)]
            rates = [None if isinstance(side, Unpriced) else side.rates for side in sides]
            yield from _compared(f"{provider}/{model}", tier, rates[0], rates[1])


def per_million(price: Decimal, per: int) -> str:
    """A price as overlay files have it."""
    return plain(EXACT.divide(EXACT.multiply(price, Decimal(MILLION)), Decimal(per)).quantize(FINEST).normalize())


def effective(rates: Rates, unit: Unit) -> Rate | None:
    """The rate that a unit is charged by: its own, else that of what it is part of."""
    wholes = [rate for rate in rates.rates if rate.unit == unit or rate.unit.contains(unit)]
    return max(wholes, key=lambda rate: len(rate.unit.marks), default=None)


def _tiers(prices: PriceList, call: Call) -> list[str]:
    """Tiers that have prices of their own, the standard one first."""
    own = []
    if prices.overlay is not None and call.provider and call.model:
        entry = prices.overlay.find(prices.overlay.provider(call.provider), call.model)
        own = [tier for period in entry.periods for tier in period.tiers] if entry is not None else []
    return [
        tier
        for tier in dict.fromkeys([STANDARD, *TIERS, *own])
        if tier == STANDARD or not isinstance(prices.terms(call._replace(service_tier=tier)), Unpriced)
    ]


def _own(overlay: Overlay, provider: str | None, text: str, at: datetime) -> Iterator[Row]:
    for entry in overlay.entries.values():
        rates = entry.rates(at, STANDARD)
        if rates is not None and provider in (None, entry.provider) and text in entry.model:
            yield _row(Terms(rates, OVERLAY, entry.price_id, overlay.version, overlay.hash), STANDARD)


def _row(terms: Terms, tier: str) -> Row:
    keyed = {_key(rate.unit): rate for rate in terms.rates.rates}
    ordered = {key: keyed[key] for key in (*KEYS, *keyed) if key in keyed}
    steps = sorted({tokens for rate in keyed.values() for tokens, _ in rate.steps})
    return Row(
        price_id=terms.price_id,
        source=terms.source,
        tier=tier,
        prices={key: per_million(rate.base, rate.per) for key, rate in ordered.items()},
        above={
            tokens: {key: per_million(rate.price(tokens + 1), rate.per) for key, rate in ordered.items() if rate.steps}
            for tokens in steps
        },
        version=terms.version,
        hash=terms.hash,
    )


def _key(unit: Unit) -> str:
    """Key of an overlay; seconds with a direction are just seconds there."""
    return unit.key or "seconds"


def _compared(price_id: str, tier: str, before: Rates | None, after: Rates | None) -> Iterator[Change]:
    units = dict.fromkeys(rate.unit for rates in (before, after) if rates is not None for rate in rates.rates)
    for unit in sorted(units, key=lambda unit: list(KEYS).index(_key(unit))):
        if unit.key is None:
            continue
        old, new = (None if rates is None else effective(rates, unit) for rates in (before, after))
        for tokens in sorted({0, *(step + 1 for rate in (old, new) if rate is not None for step, _ in rate.steps)}):
            prices = [None if rate is None else per_million(rate.price(tokens), rate.per) for rate in (old, new)]
            if prices[0] != prices[1]:
                name = _key(unit) if not tokens else f"{_key(unit)} above {tokens - 1:,}"
                yield Change(price_id, tier, name, prices[0], prices[1], _percent(prices[0], prices[1]))


def _percent(before: str | None, after: str | None) -> str | None:
    if before is None or after is None or not Decimal(before):
        return None
    change = EXACT.divide(EXACT.subtract(Decimal(after), Decimal(before)), Decimal(before))
    return f"{EXACT.multiply(change, Decimal(100)).quantize(_HUNDREDTH, ROUND_HALF_EVEN):+f}"


__all__ = ["Change", "Row", "changes", "effective", "listed", "per_million", "used"]
