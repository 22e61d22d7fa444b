"""The cost that chunks state, and the sum over attempts (CONTRACT §2); decimal until the seed's number.

Owns prices, the reasons for having none, and `cost_details`.  Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from typing import Any, Final, NamedTuple

CURRENCY: Final = "USD"

GATEWAY: Final = "gateway"
PROVIDER: Final = "provider"
OVERLAY: Final = "overlay"
CATALOG: Final = "catalog"
_AUTHORITY: Final = (GATEWAY, PROVIDER, OVERLAY, CATALOG)
"""Sources, the most certain first; a sum is as certain as the least certain of its parts."""

NO_USAGE: Final = "no_usage"
"""Nobody says what was used."""
NO_PRICES: Final = "no_price_list"
"""The fold was given no prices."""
PRICE_ERROR: Final = "price_error"
"""An exception while pricing (CONTRACT G4)."""
GATEWAY_ZERO: Final = "gateway_zero"
PROVIDER_ZERO: Final = "provider_zero"
"""A stated 0 for what was used and is not known to be free."""
RETRIEVED: Final = "retrieved"
"""A stored response that was read again: it was billed with the request that made it."""
CACHE_HIT: Final = "cache_hit"
"""The gateway answered from its own cache: the provider was not asked."""

EXACT: Final = Context(prec=60)
"""Arithmetic of money: 60 digits hold every count of tokens times every price, whatever the thread's own context is."""

ZERO: Final = Decimal(0)


class Price(NamedTuple):
    """Cost of one attempt.

    Attributes:
        total: USD.
        source: gateway · provider · overlay · catalog.
        input, output: parts that add up to the total; null when only the total is known.
        price_id: of the entry that it was computed from, such as `openai/gpt-4o`.
        price_version, price_hash: of the price data.
        reason: why a stated zero was overruled, or why the cost is 0.
    """

    total: Decimal
    source: str
    input: Decimal | None = None
    output: Decimal | None = None
    price_id: str | None = None
    price_version: str | None = None
    price_hash: str | None = None
    reason: str | None = None


class Unpriced(NamedTuple):
    """Why a call has no price: a short constant."""

    reason: str


_FIELDS: Final = ("currency", "input", "output", "total", "source", "price_id", "price_version", "price_hash", "reason")
_NO_COST: Final[dict[str, Any]] = dict.fromkeys(_FIELDS) | {"currency": CURRENCY}


def decimal_of(value: object) -> Decimal | None:
    """A JSON number as the decimal it was written as; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Decimal(repr(value))


def provider_price(usage: dict[str, Any] | None) -> Price | None:
    """What the provider itself says in `usage.cost` (S-META-5); None when it says nothing."""
    own = (usage or {}).get("cost")
    if not isinstance(own, dict) or (total := decimal_of(own.get("total_cost"))) is None:
        return None
    parts = decimal_of(own.get("input_cost")), decimal_of(own.get("output_cost"))
    if parts[0] is not None and parts[1] is not None and EXACT.add(parts[0], parts[1]) == total:
        return Price(total, PROVIDER, parts[0], parts[1])
    return Price(total, PROVIDER)


def total_cost(worths: Iterable[Price | Unpriced | None]) -> dict[str, Any]:
    """cost_details of a request: the sum of its attempts, or why there is none.

    Args:
        worths: of each attempt: its price, why it has none although something was used, None when nothing is known to
            have been used.
    """
    known = [worth for worth in worths if worth is not None]
    whole = known[0] if len(known) == 1 else together(known)
    if isinstance(whole, Unpriced):
        return {**_NO_COST, "reason": whole.reason}
    return {
        "currency": CURRENCY,
        "input": None if whole.input is None else plain(whole.input),
        "output": None if whole.output is None else plain(whole.output),
        "total": plain(whole.total),
        "source": whole.source,
        "price_id": whole.price_id,
        "price_version": whole.price_version,
        "price_hash": whole.price_hash,
        "reason": whole.reason,
    }


def together(known: Sequence[Price | Unpriced]) -> Price | Unpriced:
    """The sum of several; the first that has no price makes it unknown, and so does there being none."""
    missing = next((worth for worth in known if isinstance(worth, Unpriced)), None)
    if missing is not None or not known:
        return missing or Unpriced(NO_USAGE)
    prices = [worth for worth in known if isinstance(worth, Price)]
    split = all(price.input is not None and price.output is not None for price in prices)
    return Price(
        total=_sum(price.total for price in prices),
        source=max((price.source for price in prices), key=_AUTHORITY.index),
        input=_sum(price.input for price in prices) if split else None,
        output=_sum(price.output for price in prices) if split else None,
        price_id=_joined(price.price_id for price in prices),
        price_version=_joined(price.price_version for price in prices),
        price_hash=_joined(price.price_hash for price in prices),
        reason=next((price.reason for price in prices if price.reason), None),
    )


def plain(value: Decimal) -> str:
    """Decimal text without an exponent and without zeros that say nothing: `0.00406`."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _sum(values: Iterable[Decimal | None]) -> Decimal:
    total = ZERO
    for value in values:
        total = EXACT.add(total, value or ZERO)
    return total


def _joined(texts: Iterable[str | None]) -> str | None:
    """The text that all have, or the different ones one after the other."""
    return ", ".join(dict.fromkeys(text for text in texts if text is not None)) or None
