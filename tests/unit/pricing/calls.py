"""Calls for tests of prices: short defaults, one place that spells them out."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from genai_prices import Usage, calc_price

from pipeline.core.cost import ZERO, Price, Unpriced
from pipeline.core.valuation import Call, Units
from pipeline.pricing.catalog import Catalog
from pipeline.pricing.pricer import PriceList, Quote

NOW: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""After every date of the list's tiers (2026-10-14)."""

EXAMPLE: Final = Path(__file__).parents[3] / "docker/prices.toml"
"""The worked example of an overlay."""

NOTHING: Final = Units()
USED: Final = {"prompt_tokens": 1000, "completion_tokens": 100}


@cache
def catalog() -> Catalog:
    """The list, loaded once for all tests."""
    return Catalog()


def price_list(**arguments: Any) -> PriceList:
    """Prices over the list that is loaded already."""
    prices = PriceList(**arguments)
    prices.catalog = catalog()
    return prices


def tokens(
    prompt: int | None = None, completion: int | None = None, *, output: dict[str, Any] | None = None, **details: Any
) -> dict[str, Any]:
    """A normalised usage: tokens in and out, leaves of the prompt's details, and the completion's details."""
    usage = {
        "prompt_tokens": prompt,
        "prompt_tokens_details": details or None,
        "completion_tokens": completion,
        "completion_tokens_details": output,
    }
    return {name: value for name, value in usage.items() if value is not None}


def call(
    model: str,
    usage: dict[str, Any] | None = None,
    *,
    kind: str = "chat.completion",
    at: datetime = NOW,
    tier: str | None = None,
    units: Units = NOTHING,
) -> Call:
    """A call; `model` is provider/model."""
    provider, _, name = model.partition("/")
    return Call(provider or None, name or None, kind, at, usage, tier, units)


def bill(quote: Quote) -> dict[str, str]:
    """A price in text: total, its parts, and each line."""
    assert isinstance(quote.answer, Price)
    answer = quote.answer
    parts = {"total": answer.total, "input": answer.input or ZERO, "output": answer.output or ZERO}
    lines = {line.unit: line.amount for line in quote.lines}
    return {name: f"{amount.normalize():f}" for name, amount in {**parts, **lines}.items()}


def reason(answer: Price | Unpriced) -> str:
    """Why there is no price."""
    assert isinstance(answer, Unpriced), answer
    return answer.reason


def why(model: str, usage: dict[str, Any] | None = USED, **asked: Any) -> str:
    """The reason for having no price."""
    return reason(price_list().quote(call(model, usage, **asked)).answer)


def library(model: str, provider: str, context: dict[str, str] | None = None, **used: int) -> Decimal:
    """What the library says."""
    found = calc_price(Usage(**used), model, provider_id=provider, genai_request_timestamp=NOW, price_context=context)
    return found.total_price
