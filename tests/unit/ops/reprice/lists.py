"""Price lists for tests of revaluations, and records under them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from pipeline.core.cost import Price, Unpriced
from pipeline.core.policy import Policy
from pipeline.core.valuation import Call, Valuation
from tests.ledger import fold

CENT: Final = Decimal("0.01")


class Touchy:
    """A list whose price depends on everything that a price may depend on: what is told wrongly costs something else.

    One in eight of its answers is that there is no price, one in eight that it is free.
    """

    def __init__(self, name: str, *, sure: bool = False) -> None:
        """Lists of different names have different prices; a sure one always has one that is not 0."""
        self._name, self._sure = name, sure

    def price(self, call: Call) -> Price | Unpriced:
        """What it costs."""
        usage = {name: count for name, count in (call.usage or {}).items() if name != "cost"}
        asked = [self._name, *call._replace(usage=None, units=call.units._replace(tools=None))]
        tools = dict(call.units.tools or {})
        drawn = int(sha256(json.dumps([asked, usage, tools], default=str, sort_keys=True).encode()).hexdigest()[:8], 16)
        if not self._sure and drawn % 8 == 0:
            return Unpriced("no_price")
        each = Decimal(0) if not self._sure and drawn % 8 == 1 else drawn % 9_973 * CENT + CENT
        return Price(2 * each, "catalog", each, each, "p/m", self._name, self._name)


def under(name: str, *chunks: Mapping[str, Any], policy: Policy | None = None, sure: bool = True) -> dict[str, Any]:
    """The record that the worker makes of chunks with a list of that name."""
    return fold(*chunks, policy=policy, valuation=Valuation(Touchy(name, sure=sure)))


def money(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a record says of money, but for the version of the list."""
    details = record["cost_details"] or {}
    attempts = record["attempts"] and [attempt["cost"] for attempt in record["attempts"]]
    return record["cost"], *(details.get(name) for name in ("input", "output", "total", "source", "reason")), attempts
