"""What a record costs, one charge for each SKU meter, so that unit price × quantity is the cost exactly.

A list or overlay price is asked again at the request's own time, and believed where its lines add up to the record's
total; any other record is one charge with its total and no unit price: nothing is split by guess. Imports pricing,
entries and the core's cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from pipeline.core.cost import CATALOG, EXACT, OVERLAY
from pipeline.core.valuation import Call
from pipeline.pricing.pricer import PriceList, samplings
from pipeline.pricing.rates import Line
from pipeline.pricing.recorded import attempt_in, call_in
from pipeline.pricing.unit import CHARACTERS, DURATIONS, IMAGES, REQUESTS, TOKENS, UNITS
from pipeline.sinks.export.entry import Entry

TOTAL: Final = "Total"
"""Meter of a charge that is not split."""
CORRECTION: Final = "Correction"
"""Meter of the change that a revision makes."""

_COUNTED: Final = {
    TOKENS: "Tokens",
    CHARACTERS: "Characters",
    DURATIONS: "Seconds",
    IMAGES: "Images",
    REQUESTS: "Requests",
}
_CALLS: Final = "Calls"
"""Unit of tools that the provider ran."""


@dataclass(frozen=True)
class Charge:
    """One charge.

    Attributes:
        entry: whose it is.
        provider, model: of the attempt.
        meter: what is measured.
        quantity: how much; null for a change that nobody counted.
        unit: of the quantity.
        cost: USD; null when unknown.
        price: USD a unit as agreed; null where there is none that gives the cost exactly.
        list_cost: what the price list alone would say; the cost where it says nothing.
        list_price: a unit by it.
    """

    entry: Entry
    provider: str | None
    model: str | None
    meter: str
    quantity: Decimal | None
    unit: str | None
    cost: Decimal | None
    price: Decimal | None
    list_cost: Decimal | None
    list_price: Decimal | None


class Tariff:
    """The prices by which records are split."""

    def __init__(self, agreed: PriceList, listed: PriceList) -> None:
        """Take the prices as settings say them, and the list alone."""
        self._agreed, self._listed = agreed, listed

    def charges(self, entry: Entry) -> list[Charge]:
        """The charges of a record; their costs add up to its own, and to null where that is unknown."""
        if entry.amendment:
            return [_change(entry)]
        if entry.cost is not None and entry.inside("cost_details", "source") in (CATALOG, OVERLAY):
            found = list(self._split(entry))
            if found and _sum(found) == entry.cost:
                return found
        return [_whole(entry)]

    def _split(self, entry: Entry) -> Iterator[Charge]:
        """A charge for each line of the bill as it would be written today."""
        try:
            calls = _calls(entry)
        except (AttributeError, KeyError, TypeError):  # a field that prices need is of another type, or a stream
            return
        for call in (each for asked in calls for each in samplings(asked)):
            quote = self._agreed.quote(call)
            listed = {(line.unit, line.quantity): line for line in self._listed.quote(call).lines}
            for line in quote.lines:
                yield _of_line(entry, call, line, listed.get((line.unit, line.quantity), line))


def _calls(entry: Entry) -> list[Call]:
    """What was asked of providers, by attempt."""
    record, at = entry.record, entry.start
    attempts = [attempt_in({**record, **attempt}, at) for attempt in record.get("attempts") or [{}]]
    return [call_in(attempt, record, record["stream_type"], at) for attempt in attempts]


def _of_line(entry: Entry, call: Call, line: Line, listed: Line) -> Charge:
    unit = UNITS[line.unit]
    quantity = Decimal(line.quantity)
    return Charge(
        entry=entry,
        provider=call.provider,
        model=call.model,
        meter=line.unit.replace("_", " ").title(),
        quantity=quantity,
        unit=_COUNTED.get(unit.family, _CALLS),
        cost=line.amount,
        price=_unit_price(line, quantity),
        list_cost=listed.amount,
        list_price=_unit_price(listed, quantity),
    )


def _unit_price(line: Line, quantity: Decimal) -> Decimal | None:
    """USD a unit, if quantity × price is the amount to the last digit; seconds at a price per hour may not be."""
    price = EXACT.divide(line.price, Decimal(line.per))
    return price if EXACT.multiply(price, quantity) == line.amount else None


def _whole(entry: Entry) -> Charge:
    """A record as one charge: its tokens, or the request itself where none are known."""
    tokens = entry.tokens.get("total")
    return _unsplit(entry, TOTAL, *((Decimal(1), "Requests") if tokens is None else (Decimal(tokens), "Tokens")))


def _change(entry: Entry) -> Charge:
    """The change that a revision makes; what was counted otherwise than by tokens is not in it."""
    tokens = entry.tokens.get("total")
    return _unsplit(entry, CORRECTION, *((None, None) if tokens is None else (Decimal(tokens), "Tokens")))


def _unsplit(entry: Entry, meter: str, quantity: Decimal | None, unit: str | None) -> Charge:
    names: tuple[Any, Any] = entry.record.get("provider"), entry.record.get("model")
    return Charge(entry, *names, meter, quantity, unit, entry.cost, None, entry.cost, None)


def _sum(charges: Sequence[Charge]) -> Decimal:
    total = Decimal(0)
    for charge in charges:
        total = EXACT.add(total, charge.cost or Decimal(0))
    return total
