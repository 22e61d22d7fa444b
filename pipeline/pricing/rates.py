"""The arithmetic of a price: counts by unit × prices by unit → lines that add up exactly.

A unit with a price of its own takes its part out of the unit that contains it, so that nothing is charged twice and
what has no price of its own is charged as what it is a part of.  A count that has a price and is not known, and a use
that no price covers, make the whole call unpriced: nothing is left out of a bill without a word.

The rules are those of genai-prices, and a test compares the two for every model of the list; this one is several times
faster, sums exactly, and is not silent where that one is (ECOSYSTEM §3.2).  Imports quantities and units.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, NamedTuple

from pipeline.core.cost import EXACT, ZERO, Unpriced
from pipeline.pricing.quantity import Number, Quantities
from pipeline.pricing.unit import INPUT, OUTPUT, REQUESTS, TOKENS, TOOLS, UNITS, Unit

FINEST: Final = Decimal("1e-12")
"""USD to which an amount is rounded, half to even, where a division does not end: seconds at a price per hour."""

_POWERS: Final = {10**power: power for power in range(10)}
_BASES: Final = frozenset(("input_tokens", "output_tokens", "input_characters", "audio_seconds", "images"))
"""Measures of a whole stream, of which a price needs one."""

_DEARER: Final = frozenset(("input_audio_tokens", "output_audio_tokens", "output_image_tokens"))
"""Parts that cost several times what the whole costs wherever they have a price: never charged as if they were text."""


class Rate(NamedTuple):
    """The price of a unit.

    Attributes:
        unit: what it is a price of.
        base: USD per `per` units.
        per: units that the price is for.
        steps: (tokens, price) upwards: the price of all units when the prompt is longer than so many tokens.
    """

    unit: Unit
    base: Decimal
    per: int
    steps: tuple[tuple[int, Decimal], ...] = ()

    def price(self, prompt: Number) -> Decimal:
        """The price for a prompt of so many tokens."""
        found = self.base
        for above, price in self.steps:
            if prompt <= above:
                break
            found = price
        return found

    def times(self, factor: Decimal) -> Rate:
        """The price multiplied, where it is one of tokens."""
        if self.unit.family != TOKENS:
            return self
        steps = tuple((above, EXACT.multiply(price, factor)) for above, price in self.steps)
        return self._replace(base=EXACT.multiply(self.base, factor), steps=steps)


class Line(NamedTuple):
    """One line of a bill: so many units at a price, and what that is in USD."""

    unit: str
    quantity: Number
    price: Decimal
    per: int
    amount: Decimal
    side: str


class Rates:
    """The prices of one model for one service tier at one time."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        """Prepare the order in which parts are taken out of wholes, the smallest parts first."""
        self.rates: Sequence[Rate] = sorted(rates, key=lambda rate: -len(rate.unit.marks))
        units = [rate.unit for rate in self.rates]
        self._names = frozenset(unit.name for unit in units)
        self._parts = [[at for at, part in enumerate(units) if unit.contains(part)] for unit in units]
        self._uncached = [_uncached(unit, units) for unit in units]
        self._families = frozenset(unit.family for unit in units)
        self._flat = TOKENS not in self._families and bool(self._families - {TOOLS})
        self._stepped = any(rate.steps for rate in self.rates)

    def times(self, factor: Decimal) -> Rates:
        """These prices with those of tokens multiplied."""
        return self if factor == 1 else Rates(rate.times(factor) for rate in self.rates)

    def lines(self, used: Quantities) -> list[Line] | Unpriced:
        """The lines of a bill; what was not used has none.

        Returns:
            Unpriced: a count is unknown, contradicts another, or is covered by no price.
        """
        if not self.rates:
            return []
        if (missing := self._unknown(used) or self._uncovered(used)) is not None:
            return missing
        counts = used.counts
        prompt = counts.get("input_tokens", 0)
        own: list[Number] = []
        lines: list[Line] = []
        for rate, parts, uncached in zip(self.rates, self._parts, self._uncached, strict=True):
            name = rate.unit.name
            count = 1 if name == "requests" else counts.get(name, 0)
            for part in parts:
                count -= own[part]
            if count < 0:
                return Unpriced(f"inconsistent_usage: {name}")
            own.append(count)
            if count:
                price = rate.price(prompt)
                if uncached is not None:  # a list may err, but reading a cache is never dearer than not having one
                    price = min(price, self.rates[uncached].price(prompt))
                side = OUTPUT if used.spoken and name == "audio_seconds" else rate.unit.side
                lines.append(Line(name, count, price, rate.per, _amount(count, price, rate.per), side))
        return lines

    def _unknown(self, used: Quantities) -> Unpriced | None:
        """The first unit that has a price and no count."""
        if not used.unknown:
            return None
        wanted = self._names | {"input_tokens"} if self._stepped else self._names
        first = next((name for name in UNITS if name in wanted and name in used.unknown), None)
        return None if first is None else Unpriced(f"unknown_count: {first}")

    def _uncovered(self, used: Quantities) -> Unpriced | None:
        """The first use that no price covers."""
        for name in used.counts:
            if name not in self._names and not self._covered(name, used):
                return Unpriced(f"no_price: {name}")
        return None

    def _covered(self, name: str, used: Quantities) -> bool:
        """Whether a use without a price of its own is part of something that has one.

        Tokens, characters, seconds, images and requests are measures of the same: one with a price will do, but input
        and output by tokens are two things.  Sound and pictures are covered by a price of tokens only where the whole
        stream is of that kind.  Searches may be included in a price per request.
        """
        family = UNITS[name].family
        if family == TOOLS:
            return REQUESTS in self._families
        if self._flat:
            return True
        if name in _BASES:
            return family != TOKENS and TOKENS in self._families
        if name == "cache_write_1h_tokens":
            return "cache_write_tokens" not in self._names
        return name not in _DEARER or name in used.native


def _uncached(unit: Unit, units: Sequence[Unit]) -> int | None:
    """Where the price stands that a read of the cache would have had without the cache."""
    if "read" not in unit.marks:
        return None
    marks = unit.marks - {"read"}
    return next((at for at, other in enumerate(units) if other.marks == marks), None)


def _amount(count: Number, price: Decimal, per: int) -> Decimal:
    """Quantity × price ÷ per, exact where the division ends."""
    product = EXACT.multiply(Decimal(count), price)
    if (power := _POWERS.get(per)) is not None:
        return EXACT.scaleb(product, -power)
    return EXACT.divide(product, Decimal(per)).quantize(FINEST, ROUND_HALF_EVEN, EXACT)


def sums(lines: Iterable[Line]) -> tuple[Decimal, Decimal]:
    """(input, output) of a bill."""
    parts = {INPUT: ZERO, OUTPUT: ZERO}
    for line in lines:
        parts[line.side] = EXACT.add(parts[line.side], line.amount)
    return parts[INPUT], parts[OUTPUT]
