"""The cost that chunks bring: the gateway's, else the provider's own (CONTRACT §2); decimal until the seed's number."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

CURRENCY: Final = "USD"


class Price(NamedTuple):
    """Cost of one attempt in USD; input and output are null when only the total is known."""

    total: Decimal
    source: str
    input: Decimal | None = None
    output: Decimal | None = None


def decimal_of(value: object) -> Decimal | None:
    """A JSON number as the decimal it was written as; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Decimal(repr(value))


def cost_of(gateway: float | None, usage: dict[str, Any] | None) -> Price | None:
    """What an attempt cost: the gateway's figure, else the provider's in `usage.cost`; None when nobody says."""
    total = decimal_of(gateway)
    if total is not None:
        return Price(total, "gateway")
    own = (usage or {}).get("cost")
    if not isinstance(own, dict) or (total := decimal_of(own.get("total_cost"))) is None:
        return None
    parts = decimal_of(own.get("input_cost")), decimal_of(own.get("output_cost"))
    if parts[0] is not None and parts[1] is not None and parts[0] + parts[1] == total:
        return Price(total, "provider", parts[0], parts[1])
    return Price(total, "provider")


def total_cost(prices: Sequence[Price], *, unpriced: bool) -> dict[str, Any] | None:
    """cost_details of a request: the sum of its attempts.

    Args:
        prices: of the attempts that have one.
        unpriced: an attempt with usage has none, so that a total would be too low.
    """
    if not prices and not unpriced:
        return None
    details: dict[str, Any] = {
        "currency": CURRENCY,
        "input": None,
        "output": None,
        "total": None,
        "source": None,
        "price_id": None,
        "price_version": None,
        "price_hash": None,
        "reason": None,
    }
    if unpriced:
        return {**details, "reason": "unpriced"}
    total = sum((price.total for price in prices), Decimal())
    split = all(price.input is not None and price.output is not None for price in prices)
    if split:
        details["input"] = _plain(sum((price.input or Decimal() for price in prices), Decimal()))
        details["output"] = _plain(sum((price.output or Decimal() for price in prices), Decimal()))
    sources = {price.source for price in prices}
    return {**details, "total": _plain(total), "source": prices[-1].source if len(sources) == 1 else "gateway"}


def _plain(value: Decimal) -> str:
    """Decimal text without an exponent."""
    return f"{value:f}"
