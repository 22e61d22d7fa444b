"""Prices over all models of the list and all usages: equal to the list's own library, monotone, exact.

The library (genai_prices.calc_price) is the oracle for what it answers rightly; where it is silent or raises, ours has
no price, and tests/unit/pricing/test_traps.py says why.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final

from genai_prices.data import providers as list_providers
from genai_prices.types import Usage
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipeline.core.cost import Price, Unpriced, total_cost
from pipeline.core.valuation import Call
from pipeline.pricing.catalog import Listing
from pipeline.pricing.overlay_file import read
from pipeline.pricing.pricer import PriceList
from pipeline.pricing.quantity import quantities_of
from pipeline.pricing.rates import Rates, sums
from pipeline.pricing.tier import context_of
from schemas.record import CostDetails
from tests.unit.pricing.calls import EXAMPLE, call, catalog, price_list, tokens

NEXT_YEAR: Final = datetime(2027, 1, 1, tzinfo=UTC)
ALL: Final = [listing.price_id for listing in catalog().listings()]
SLIPS: Final = {"openrouter/~deepseek/deepseek-pro-latest"}
"""Entries whose cached input is dearer than the uncached: the library charges it, ours does not."""


@cache
def listings() -> dict[str, Listing]:
    """The list by id."""
    return {listing.price_id: listing for listing in catalog().listings()}


@cache
def priced() -> list[str]:
    """Ids of entries that have prices by tokens for both sides."""
    found = {name: listing.rates(NEXT_YEAR, "standard") for name, listing in listings().items()}
    both = {"input_tokens", "output_tokens"}
    return [
        name
        for name, rates in found.items()
        if isinstance(rates, Rates) and both <= {rate.unit.name for rate in rates.rates}
    ]


@st.composite
def usages(draw: st.DrawFn) -> dict[str, Any]:
    """Usages without contradiction: parts are at most their whole."""
    prompt, completion = draw(st.integers(0, 1_200_000)), draw(st.integers(0, 200_000))
    read = draw(st.integers(0, prompt))
    written = draw(st.integers(0, prompt - read))
    details = {"cached_read_tokens": read, "cached_write_tokens": written}
    reasoning = draw(st.integers(0, completion))
    return tokens(prompt, completion, **details, output={"reasoning_tokens": reasoning})


moments = st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (zone beside)
models = st.sampled_from(priced())


def cost(prices: PriceList, asked: Call) -> Decimal:
    """What a call costs; draws without a price are left out."""
    answer = prices.quote(asked).answer
    assume(isinstance(answer, Price))
    assert isinstance(answer, Price)
    return answer.total


@given(
    name=st.sampled_from(ALL),
    usage=usages(),
    at=moments,
    tier=st.sampled_from(["standard", "flex", "priority", "batch"]),
)
def test_every_price_is_that_of_the_lists_own_library(
    name: str, usage: dict[str, Any], at: datetime, tier: str
) -> None:
    """Data, dates, tiers and steps of 2,330 models; ours is rounded where a division does not end."""
    listing = listings()[name]
    rates = listing.rates(at, tier)
    assume(isinstance(rates, Rates) and rates.rates and name not in SLIPS)
    assert isinstance(rates, Rates)
    used = quantities_of(call(name, usage))
    lines = rates.lines(used)
    assume(not isinstance(lines, Unpriced))
    assert not isinstance(lines, Unpriced)
    provider = next(each for each in list_providers if each.id == listing.provider)
    model = next(each for each in provider.models if each.id == listing.model)

    theirs = model.calc_price(
        Usage(**used.counts),
        provider,
        genai_request_timestamp=at,
        price_context=context_of(listing.provider, tier) or None,
    )

    assert sum(sums(lines)) == theirs.total_price


@given(model=models, usage=usages(), at=moments, share=st.floats(0, 1))
@example(model="openrouter/~deepseek/deepseek-pro-latest", usage=tokens(1000, 0), at=NEXT_YEAR, share=1.0)
def test_cached_input_is_never_dearer_than_uncached(
    model: str, usage: dict[str, Any], at: datetime, share: float
) -> None:
    """cost(cached) ≤ cost(uncached), whatever the list says (SYMPTOMS 9)."""
    prompt = usage["prompt_tokens"]
    plain, cached = (
        tokens(prompt, usage["completion_tokens"], cached_read_tokens=read) for read in (0, int(prompt * share))
    )
    prices = price_list()

    assert cost(prices, call(model, cached, at=at)) <= cost(prices, call(model, plain, at=at))


@given(
    model=models,
    usage=usages(),
    at=moments,
    side=st.sampled_from(["prompt_tokens", "completion_tokens"]),
    more=st.integers(1, 300_000),
)
def test_more_usage_never_costs_less(model: str, usage: dict[str, Any], at: datetime, side: str, more: int) -> None:
    """Tokens without a cache: across the borders of steps too."""
    prices = price_list()

    assert cost(prices, call(model, usage | {side: usage[side] + more}, at=at)) >= cost(
        prices, call(model, usage, at=at)
    )


@given(model=models | st.sampled_from(["openai/gpt-4o", "google/gemini-2.5-pro"]), usage=usages(), at=moments)
def test_parts_add_up_exactly_as_they_are_written(model: str, usage: dict[str, Any], at: datetime) -> None:
    """Input + output = total, in the decimal text of the record; lines add up to their side; nothing is free."""
    quote = price_list(overlay=read(EXAMPLE)).quote(call(model, usage, at=at))
    assume(isinstance(quote.answer, Price))
    assert isinstance(quote.answer, Price)

    details = total_cost([quote.answer])

    CostDetails.model_validate(details)
    assert Decimal(details["input"]) + Decimal(details["output"]) == Decimal(details["total"])
    assert sums(quote.lines) == (quote.answer.input, quote.answer.output)
    assert quote.answer.total > 0


@given(model=models, usage=usages(), at=moments)
def test_the_same_call_has_the_same_price(model: str, usage: dict[str, Any], at: datetime) -> None:
    """Whatever was asked before, and in a process of its own: a replay gives the same bytes."""
    asked = call(model, usage, at=at)
    warm = price_list()
    warm.price(call(model, tokens(1, 1), at=NEXT_YEAR))

    assert warm.price(asked) == price_list().price(asked)
