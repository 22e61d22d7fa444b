"""List prices computed once more: equal to what records say, and different where they were changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.valuation import Valuation
from pipeline.ops.reconcile.price import DIFFERENT, EQUAL, NONE, UNCHECKED, Check, Prices
from pipeline.pricing.overlay_file import read
from pipeline.pricing.pricer import PriceList
from pipeline.testing.chunk import Document, chat, event, marker, usage
from tests.ledger import fold

OVERLAY = """
version = "test"

[models."openai/gpt-4o"]
input = 2
output = 8
cache_read = 0.5

[models."harbour/own"]
input = 1
output = 3
reasoning = 5
"""
COUNTS = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """Prices of one's own."""
    path = tmp_path / "prices.toml"
    path.write_text(OVERLAY, encoding="utf-8")
    return path


def record(counts: dict[str, Any], provider: str, model: str, overlay: Path | None = None, **response: Any) -> Document:
    """The record of a chat stream with this usage."""
    who: dict[str, Any] = {"provider": provider, "model": model}
    last = usage(1, counts, **who)
    last["response"] |= response
    prices = PriceList(None if overlay is None else read(overlay))
    return fold(chat(0, "a", finish="stop", **who), last, marker(2), valuation=Valuation(prices))


def details(**inputs: int) -> dict[str, Any]:
    """A usage with details of its input, and some reasoning."""
    return COUNTS | {
        "prompt_tokens_details": inputs,
        "completion_tokens_details": {"reasoning_tokens": 30},
    }


@pytest.mark.parametrize(
    ("counts", "provider", "model"),
    [
        (COUNTS, "openai", "gpt-4o"),
        (details(cached_read_tokens=400), "openai", "gpt-4o"),
        (details(cached_read_tokens=300, cached_write_tokens=500), "anthropic", "claude-sonnet-4-5"),
        (COUNTS | {"prompt_tokens": 250_000, "total_tokens": 250_100}, "google", "gemini-2.5-pro"),
    ],
)
def test_the_lists_own_library_agrees(counts: dict[str, Any], provider: str, model: str) -> None:
    """Cache reads and writes, steps of long prompts; ten times the price is different, with the right amount."""
    made = record(counts, provider, model)
    total = made["cost_details"]["total"]
    dear = json.loads(json.dumps(made))
    dear["cost_details"]["total"] = "9"

    assert Prices().check(made) == Check(EQUAL)
    assert Prices().check(dear).result == DIFFERENT
    assert float(Prices().check(dear).told) == pytest.approx(float(total))


def test_an_overlay_is_multiplied_out(overlay: Path) -> None:
    """Parts with a price of their own, the rest at that of their side."""
    cached = record(details(cached_read_tokens=400), "openai", "gpt-4o", overlay)
    own = record(details(cached_read_tokens=400), "harbour", "own", overlay)

    assert cached["cost_details"]["source"] == own["cost_details"]["source"] == "overlay"
    assert own["cost_details"]["total"] == "0.00136"  # (1000×1 + 70×3 + 30×5) per million
    assert [Prices(overlay).check(each) for each in (cached, own)] == [Check(EQUAL)] * 2
    own["cost_details"]["total"] = "0.00137"
    assert Prices(overlay).check(own) == Check(DIFFERENT, "0.00136")


def test_what_cannot_be_computed_here_says_why(overlay: Path) -> None:
    """Other data, tools, several modalities, unknown tiers: never taken for equal."""
    other = record(COUNTS, "openai", "gpt-4o")
    other["cost_details"]["price_hash"] = "older"
    tier = record(COUNTS, "openai", "gpt-4o")
    tier["service_tier"] = "unheard-of"
    tools = record(COUNTS, "openai", "gpt-4o")
    tools["output_messages"] = [event(0, "x", fields={"type": "web_search_call"})["response"]]
    sound = record(COUNTS, "openai", "gpt-4o")
    sound["token_usage"]["prompt_tokens_details"] = {"audio_tokens": 5}
    mine = record(COUNTS, "harbour", "own", overlay)
    asked = [record(COUNTS, "openai", "gpt-4o") for _ in range(2)]
    asked[0]["token_usage"]["compaction"], asked[1]["token_usage"]["inference_geo"] = COUNTS, "us"

    told = [Prices().check(each) for each in (other, tier, tools, sound, mine, *asked)]

    assert {check.result for check in told} == {UNCHECKED}
    assert [check.told for check in told] == [
        "other price data",
        "service tier",
        "tools of the provider",
        "not tokens of text alone",
        "no overlay given",
        "samplings beside the answer",
        "the price of a place",
    ]


def test_a_stated_cost_has_no_list_price() -> None:
    """The gateway's word is held against the chunks instead."""
    made = fold(chat(0, "a", finish="stop", cost=0.5), marker(1))

    assert Prices().check(made) == Check(NONE)
