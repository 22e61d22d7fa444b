"""The price list of genai-prices as it lies in the wheel: nothing is ever fetched.

Owns the way from (provider, model, tier, time) to rates: the list's own data and its matching of names, guarded where
it would answer silently (ECOSYSTEM §3.2): an unknown provider, an entry without prices, a tier it has no price for,
units that no chunk can count.  Importing this module takes half a second: it is imported when a price is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from importlib import metadata, resources
from typing import Any, Final

from genai_prices.data import providers as list_providers
from genai_prices.data_units import unit_data
from genai_prices.types import ModelInfo, ModelPrice, PriceVariant, Provider, StartDateConstraint, TieredPrices

from pipeline.core.cost import Unpriced
from pipeline.pricing.provider import KNOWN, plain_name
from pipeline.pricing.rates import Rate, Rates
from pipeline.pricing.tier import context_of
from pipeline.pricing.unit import UNITS

PACKAGE: Final = "genai-prices"
_UNIT_OF: Final = {str(unit.get("price_key", name)): name for name, unit in unit_data.items()}
"""Name of the unit by the list's name of its price."""

_PREFIXES: Final = ("models/", "publishers/google/models/", "publishers/anthropic/models/")
"""What Google's APIs put before the name of a model."""

_LEAST_SECONDS: Final = dict.fromkeys((("groq", "whisper-large-v3"), ("groq", "whisper-large-v3-turbo")), 10)
"""Groq bills at least 10 s of sound; the list has this in its code, not in its data."""


_PLACES: Final = {("anthropic", "us"): Decimal("1.1")}
"""What all tokens cost more in a place, which the list does not have (Claude API, Data residency, "Pricing")."""


class Listing:
    """One model as one provider sells it."""

    def __init__(self, provider: Provider, model: ModelInfo) -> None:
        """Take an entry; variants count only with the provider they were published for."""
        self.provider, self.model = provider.id, model.id
        self.price_id = f"{provider.id}/{model.id}"
        self.least_seconds = _LEAST_SECONDS.get((provider.id, model.id), 0)
        own = any(model is each for each in provider.models)
        self._variants: Sequence[PriceVariant] = (model.price_variants or ()) if own else ()
        self._prices = model.prices
        self._compiled: dict[tuple[object, ...], Rates | Unpriced] = {}

    def rates(self, at: datetime, tier: str, place: str | None = None) -> Rates | Unpriced:
        """The prices of a tier at a time, or why there are none; `place` is where the answer had to be computed."""
        factor = Decimal(1) if place is None else _PLACES.get((self.provider, place))
        if factor is None:
            return Unpriced("unknown_inference_geo")
        context = context_of(self.provider, tier)
        if context is None:
            return Unpriced("unknown_service_tier")
        standard = self._standard(at)
        if standard is None:
            return Unpriced("no_price_yet")
        variants = tuple(place for place in range(len(self._variants)) if context and self._asked(place, context, at))
        if context and not variants:
            return Unpriced("no_price_for_tier")
        key = (standard, variants, place)
        if key not in self._compiled:
            compiled = self._compile(standard, variants)
            self._compiled[key] = compiled if isinstance(compiled, Unpriced) else compiled.times(factor)
        return self._compiled[key]

    def _standard(self, at: datetime) -> int | None:
        """Which of the entry's prices counts at a time: the last that has begun."""
        if isinstance(self._prices, ModelPrice):
            return 0
        for place in range(len(self._prices) - 1, -1, -1):
            constraint = self._prices[place].constraint
            if constraint is None or constraint.active(at):
                return place
        return None

    def _asked(self, place: int, context: Mapping[str, str], at: datetime) -> bool:
        """Whether a variant is meant by a context and counts at a time."""
        variant = self._variants[place]
        if variant.constraint is not None and not variant.constraint.active(at):
            return False
        return all(context.get(name) == value for name, value in variant.when.items())

    def _compile(self, standard: int, variants: Sequence[int]) -> Rates | Unpriced:
        """Rates of the standard prices with what the variants put in their place."""
        base = self._prices if isinstance(self._prices, ModelPrice) else self._prices[standard].prices
        prices = _prices_of(base)
        for place in reversed(variants):  # the first that has a price for a unit wins
            prices |= _prices_of(self._variants[place].prices)
        if not prices:
            # An entry without prices is free only where that is what the model is sold as.
            return Rates(()) if self.model.endswith(":free") else Unpriced("no_price")
        foreign = [_UNIT_OF.get(key, key) for key in prices if _UNIT_OF.get(key) not in UNITS]
        if foreign:
            return Unpriced(f"uncountable_unit: {foreign[0]}")
        return Rates(_rate(_UNIT_OF[key], price) for key, price in prices.items())


def _prices_of(prices: ModelPrice) -> dict[str, Any]:
    return {key: price for key, price in vars(prices).items() if price is not None}


def _rate(name: str, price: Any) -> Rate:
    unit = UNITS[name]
    if isinstance(price, TieredPrices):
        return Rate(unit, price.base, unit.per, tuple((step.start, step.price) for step in price.tiers))
    return Rate(unit, price, unit.per)


class Catalog:
    """The whole list."""

    def __init__(self) -> None:
        """Take the data of the installed wheel."""
        self.version = metadata.version(PACKAGE)
        self.hash = data_hash()
        self._by_id: dict[str, Provider] = {provider.id: provider for provider in list_providers}
        self._names: dict[str, str] = {plain_name(name): name for name in self._by_id} | dict(KNOWN)
        self._listings: dict[tuple[str, int], Listing] = {}

    def provider(self, name: str) -> str | None:
        """The list's id of a provider, by any of its names."""
        return self._names.get(plain_name(name))

    def find(self, provider: str, model: str) -> Listing | Unpriced:
        """The entry of a model.

        Args:
            provider: id of the list.
            model: as chunks name it.
        """
        seller = self._by_id[provider]
        for name in _forms(provider, model):
            found = seller.find_model(name, all_providers=list_providers)
            if found is not None:
                place = provider, id(found)
                if place not in self._listings:
                    self._listings[place] = Listing(seller, found)
                return self._listings[place]
        return Unpriced("unknown_model")

    def newest(self, at: date) -> date | None:
        """When the newest price that counts on a day began: the list has no date of its own, and is no older."""
        starts = [
            dated.constraint.start_date
            for seller in list_providers
            for model in seller.models
            for dated in ([] if isinstance(model.prices, ModelPrice) else model.prices)
            if isinstance(dated.constraint, StartDateConstraint)
        ]
        return max((start for start in starts if start <= at), default=None)

    def listings(self, provider: str | None = None) -> Iterator[Listing]:
        """All entries, or those of one provider, in the order of the list."""
        for each in list_providers:
            if provider in (None, each.id):
                yield from (Listing(each, model) for model in each.models)


def _forms(provider: str, model: str) -> Iterator[str]:
    """A model's name as it is, and without what only says once more whose it is."""
    yield model
    head, slash, rest = model.partition("/")
    if slash and KNOWN.get(plain_name(head)) == provider:
        yield rest
    yield from (model.removeprefix(prefix) for prefix in _PREFIXES if provider == "google" and model.startswith(prefix))


def data_hash() -> str:
    """SHA-256 of the wheel's data file, as the wheel's own RECORD has it, first 16 hex digits."""
    data = resources.files("genai_prices").joinpath("data.py").read_bytes()
    return hashlib.sha256(data).hexdigest()[:16]
