"""Prices of calls: your own before the price list's, and for each call without one a reason.

Owns the order of the two, what is remembered between calls, and the counts of what was and was not priced.  The price
list is loaded when the first call needs it.  Imports the rest of this room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from pipeline.core.cost import CATALOG, EXACT, NO_USAGE, OVERLAY, PRICE_ERROR, Price, Unpriced, together
from pipeline.core.usage import ADVISORS, COMPACTION, GEO
from pipeline.core.valuation import Call, Units
from pipeline.pricing.overlay import Entry, Overlay
from pipeline.pricing.quantity import quantities_of
from pipeline.pricing.rates import Line, Rates, sums
from pipeline.pricing.tier import tier_of

if TYPE_CHECKING:
    from pipeline.pricing.catalog import Catalog, Listing

Report = Callable[[Call, str, BaseException | None], None]
"""Hears of each call without a price: the call, the reason, the exception if it was one."""

LONGEST_NAME: Final = 200
"""Characters of a name that is looked up: matching goes through thousands of patterns."""

REMEMBERED: Final = 4_096
"""Models of which is remembered where their prices stand; names come from chunks, and there is no end to them."""

_BESIDE: Final = (COMPACTION, ADVISORS)

PRICED: Final = "priced"
"""Key of the count of calls that got a price; the other keys are reasons."""


class Terms(NamedTuple):
    """What a call is charged by.

    Attributes:
        rates: prices by unit.
        source: overlay or catalog.
        price_id, version, hash: where they stand.
        least_seconds: sound that is charged at least, if there was any.
    """

    rates: Rates
    source: str
    price_id: str
    version: str | None
    hash: str
    least_seconds: int = 0


class Quote(NamedTuple):
    """A price with the lines that it is the sum of; `failure` is the exception that was raised instead of an answer."""

    answer: Price | Unpriced
    lines: Sequence[Line] = ()
    failure: Exception | None = None


class PriceList:
    """A pricer (pipeline.core.valuation) over an overlay and the price list.

    Attributes:
        overlay: your own prices.
        counts: calls by reason for having no price, and those that got one.
    """

    def __init__(self, overlay: Overlay | None = None, report: Report | None = None) -> None:
        """Load nothing yet."""
        self.overlay = overlay
        self.counts: Counter[str] = Counter()
        self._report = report
        self._remembered = lru_cache(REMEMBERED)(self._sources)

    @cached_property
    def catalog(self) -> Catalog:
        """The price list; loading it takes half a second."""
        from pipeline.pricing.catalog import Catalog  # noqa: PLC0415  only who needs a price waits for it

        return Catalog()

    def price(self, call: Call) -> Price | Unpriced:
        """What a call costs, or why nobody knows."""
        quote = self.quote(call)
        answer = quote.answer
        if isinstance(answer, Price):
            self.counts[PRICED] += 1
            return answer
        self.counts[answer.reason] += 1
        if self._report is not None:
            self._report(call, answer.reason, quote.failure)
        return answer

    def quote(self, call: Call) -> Quote:
        """The price of a call line by line; raises nothing."""
        try:
            return self._quote(call)
        except Exception as bug:  # noqa: BLE001  CONTRACT G4: a price exception is cost null with a reason
            return Quote(Unpriced(PRICE_ERROR), failure=bug)

    def _quote(self, call: Call) -> Quote:
        """Each sampling is charged by itself: what a long prompt costs depends on its own length."""
        quotes = [self._sampled(each) for each in samplings(call)]
        if len(quotes) == 1:
            return quotes[0]
        answer = together([quote.answer for quote in quotes])
        return Quote(answer, [line for quote in quotes for line in quote.lines] if isinstance(answer, Price) else ())

    def _sampled(self, call: Call) -> Quote:
        terms = self.terms(call)
        if isinstance(terms, Unpriced):
            return Quote(terms)
        used = quantities_of(call)
        if not used.counts and not used.unknown:
            return Quote(Unpriced(NO_USAGE))
        seconds = used.counts.get("audio_seconds")
        if seconds is not None and seconds < terms.least_seconds:
            names = ("audio_seconds", "input_audio_seconds")
            used.counts.update(dict.fromkeys(names, terms.least_seconds))
        lines = terms.rates.lines(used)
        if isinstance(lines, Unpriced):
            return Quote(lines)
        parts = sums(lines)
        total = EXACT.add(*parts)
        return Quote(Price(total, terms.source, *parts, terms.price_id, terms.version, terms.hash), lines)

    def terms(self, call: Call) -> Terms | Unpriced:
        """What a call is charged by: your own price, else the list's."""
        provider, model = call.provider, call.model
        if not provider or not model:
            return Unpriced("no_model" if provider else "no_provider")
        if max(len(provider), len(model)) > LONGEST_NAME:
            return Unpriced("unknown_model")
        own, listing = self._remembered(provider, model)
        tier = tier_of(call.service_tier)
        rates = own.rates(call.at, tier) if own is not None else None
        if own is not None and rates is not None and self.overlay is not None:
            return Terms(rates, OVERLAY, own.price_id, self.overlay.version, self.overlay.hash)
        if isinstance(listing, Unpriced):
            return listing
        found = listing.rates(call.at, tier, (call.usage or {}).get(GEO))
        if isinstance(found, Unpriced):
            return found
        catalog = self.catalog
        return Terms(found, CATALOG, listing.price_id, catalog.version, catalog.hash, listing.least_seconds)

    def _sources(self, provider: str, model: str) -> tuple[Entry | None, Listing | Unpriced]:
        """Where the price of a model may stand: in the overlay, in the list."""
        name = provider if self.overlay is None else self.overlay.provider(provider)
        known = self.catalog.provider(name)
        listing = Unpriced("unknown_provider") if known is None else self.catalog.find(known, model)
        if self.overlay is None or name not in self.overlay.providers:
            return None, listing
        own = self.overlay.find(name, model)
        if own is None and not isinstance(listing, Unpriced):  # the list knows a model by its dated names too
            own = self.overlay.find(name, listing.model)
        return own or self.overlay.find_pattern(name, model), listing


def samplings(call: Call) -> Iterator[Call]:
    """The call by itself, and what its provider sampled beside it: a compaction by the same model, advisors by theirs.

    None of these holds another, and the price of the call is the sum of theirs.
    """
    usage = call.usage or {}
    if usage.keys().isdisjoint(_BESIDE):
        yield call
        return
    yield call._replace(usage={name: value for name, value in usage.items() if name not in _BESIDE})
    place = {GEO: usage[GEO]} if GEO in usage else {}
    if COMPACTION in usage:
        yield call._replace(usage=usage[COMPACTION] | place, units=Units())
    for model, asked in usage.get(ADVISORS, {}).items():
        yield call._replace(model=model, usage=asked | place, units=Units())
