"""Where the price list's own library charges nothing, or the wrong thing, without a word: here the call has no price.

And what is free is free (SYMPTOMS 9, 11, 14; ECOSYSTEM §3.2).
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
)

from pipeline.core.cost import Unpriced
from pipeline.core.valuation import Units
from pipeline.pricing.catalog import Listing
from pipeline.pricing.rates import Rates
from tests.unit.pricing.calls import NOW, USED, bill, call, library, price_list, reason, tokens, why

IMAGE = "image.generation"


@pytest.mark.parametrize(
    "model",
    [
        "openai/omni-moderation-latest",
        "github-copilot/gpt-4o",
        "google/gemma-3-27b-it",
        "openrouter/stealth/crouton-alpha",
    ],
)
def test_an_entry_without_prices_is_not_free(model: str) -> None:
    """The list has 200 of them; the library charges nothing, be it a gift, a subscription or a gap."""
    provider, _, name = model.partition("/")

    assert library(name, provider, input_tokens=1000) == 0
    assert why(model) == "no_price"


def test_what_is_sold_as_free_is_free() -> None:
    """OpenRouter's models with that word in their name."""
    assert bill(price_list().quote(call("openrouter/openai/gpt-oss-20b:free", USED))) == {
        "total": "0",
        "input": "0",
        "output": "0",
    }


def test_zero_tokens_are_no_usage() -> None:
    """Whoever reports a total of 0 does not know (S-META-3)."""
    assert why("openai/gpt-4o", tokens(0, 0)) == "no_usage"


@pytest.mark.parametrize(
    ("model", "usage", "expected"),
    [
        pytest.param(
            "openai/gpt-4o-audio-preview",
            tokens(100, 100, output={"audio_tokens": 80}),
            "no_price: output_audio_tokens",
            id="sound at the price of text",
        ),
        pytest.param(
            "openai/gpt-4o",
            tokens(100, 10, audio_tokens=80),
            "no_price: input_audio_tokens",
            id="spoken questions at the price of text",
        ),
        pytest.param(
            "openai/text-embedding-3-small", tokens(8, 5), "no_price: output_tokens", id="output of an embedding"
        ),
        pytest.param(
            "groq/llama-3.3-70b-versatile",
            tokens(100, 10, output={"num_search_queries": 3}),
            "no_price: web_searches",
            id="searches",
        ),
        pytest.param("openai/gpt-4o", {"total_tokens": 100}, "unknown_count: input_tokens", id="a total alone"),
        pytest.param(
            "anthropic/claude-sonnet-4-5", {"completion_tokens": 7}, "unknown_count: input_tokens", id="one side alone"
        ),
        pytest.param(
            "openai/gpt-4o",
            tokens(100, 10, cached_read_tokens=101),
            "inconsistent_usage: input_tokens",
            id="more cached than there is",
        ),
    ],
)
def test_a_use_that_no_price_covers_makes_the_call_unpriced(model: str, usage: dict[str, Any], expected: str) -> None:
    """The library charges text, or nothing, without a word (SYMPTOMS 11)."""
    assert why(model, usage) == expected


def test_calls_of_tools_that_have_no_price_make_the_call_unpriced() -> None:
    """A picture that a model had painted is on another bill."""
    painted = call("openai/gpt-5", USED, kind="responses", units=Units(tools={"image_generations": 1}))

    assert reason(price_list().quote(painted).answer) == "no_price: image_generations"


def test_an_entry_by_units_that_chunks_do_not_count_has_no_price() -> None:
    """Pages of documents."""
    assert why("mistral/mistral-ocr-2512") == "uncountable_unit: input_document_pages"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(tokens(50, 100), "unknown_count: input_image_tokens", id="nobody says what the prompt was"),
        pytest.param(
            tokens(1050, 100, image_tokens=1000, cached_read_tokens=500),
            "unknown_count: cache_image_read_tokens",
            id="nobody says what was cached",
        ),
    ],
)
def test_what_a_usage_leaves_open_is_not_guessed(usage: dict[str, Any], expected: str) -> None:
    """Text of a prompt for gpt-image-1 costs half of pictures."""
    assert why("openai/gpt-image-1", usage, kind=IMAGE) == expected


def test_reading_the_cache_is_never_dearer_than_having_none() -> None:
    """One entry of the list has a slip: 0.23 for cached input, 0.225 for uncached (SYMPTOMS 9)."""
    slip = "openrouter/~deepseek/deepseek-pro-latest"
    cached, uncached = (
        bill(price_list().quote(call(slip, tokens(1000, 0, cached_read_tokens=read))))["total"] for read in (1000, 0)
    )

    assert cached == uncached == "0.000225"


def test_a_price_that_has_not_begun_is_none() -> None:
    """The library takes the first one then; every entry of today's list has a price without a date."""
    dated = ConditionalPrice(StartDateConstraint(date(2027, 1, 1)), prices=ModelPrice(input_mtok=Decimal(1)))
    model = ModelInfo(id="m", match=ClauseEquals("m"), prices=[dated])
    listing = Listing(Provider(id="p", name="P", api_pattern="p", models=[model]), model)

    assert listing.rates(NOW, "standard") == Unpriced("no_price_yet")
    assert isinstance(listing.rates(datetime(2027, 1, 1, tzinfo=UTC), "standard"), Rates)


def test_nothing_is_ever_fetched() -> None:
    """Prices come out of the wheel: whatever reaches for the network ends this process."""
    script = """
import sys
def watch(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        raise AssertionError(event)
sys.addaudithook(watch)
from pipeline.pricing.pricer import PriceList
from tests.unit.pricing.calls import call, tokens
print(PriceList().price(call("openai/gpt-4o", tokens(1000, 100))).total)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)

    assert Decimal(done.stdout) == Decimal("0.0035")
