"""Symptoms 8, 9, 13 and 14: tokens that are right, and a cost that is not."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from pipeline.testing.chunk import Document, chat
from tests.symptoms.command import fold, prices, record, run, streamed
from tests.symptoms.wire import (
    counts,
    delta,
    sse,
    trailer,
)

MILLION: Final = 1_000_000


def usd(amount: Decimal | int) -> str:
    """Millionths of a dollar as a record writes them."""
    return f"{(Decimal(amount) / MILLION).normalize():f}"


def test_symptom_08_cached_tokens_at_full_rate_in_streams(tmp_path: Path) -> None:
    """A streamed answer costs what the same answer costs unstreamed, cached tokens at their own price in both.

    Threads: litellm#37485, #11789, PR#36943.
    """
    usage = used(20_000, 50, cached=19_500)
    message = {"index": 0, "message": {"role": "assistant", "content": "Yes, it is."}, "finish_reason": "stop"}
    whole = {"id": "c", "object": "chat.completion", "model": "gpt-4o", "choices": [message], "usage": usage}
    stream = sse(delta("Yes, "), delta("it is."), delta(finish="stop"), trailer(usage))
    own = prices(tmp_path, '[models."openai/gpt-4o"]\ninput = 3\ncache_read = 0.3\noutput = 15\n')
    streaming, unstreamed = (streamed("openai-chat", text, *own) for text in (stream, json.dumps(whole)))

    right, full = 500 * 3 + 19_500 * Decimal("0.3") + 50 * 15, 20_000 * 3 + 50 * 15
    assert streaming["cost_details"]["total"] == usd(right), (
        f"all at the full rate it is {usd(full)}, 7.5 times as much"
    )
    for name in ("token_usage", "cost", "cost_details", "finish_reason"):
        assert streaming[name] == unstreamed[name]


def used(prompt: int, completion: int, *, cached: int) -> Document:
    """A usage with a part of its prompt out of a cache."""
    return counts(prompt, completion, prompt_tokens_details={"cached_read_tokens": cached})


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o"),
        ("anthropic", "claude-sonnet-4-5"),
        ("google", "gemini-2.5-flash"),
        ("deepseek", "deepseek-chat"),
    ],
)
def test_symptom_09_cache_hits_cost_more_than_misses(provider: str, model: str) -> None:
    """The more of a prompt is read from a cache, the less it costs, with each of four providers.

    Threads: cloudflare/ai#550.
    """
    cached = (0, 1, 2_000, 9_999, 10_000)
    sold: Document = {"provider": provider, "model": model, "is_final": True}
    sent = [
        chat(0, "Hi", finish="stop", usage=used(10_000, 10, cached=hit), request_id=f"r-{hit}", **sold)
        for hit in cached
    ]
    totals = [Decimal(each["cost_details"]["total"]) for each in fold(sent).records]

    assert len(set(totals)) == len(cached)
    assert totals == sorted(totals, reverse=True)
    assert totals[-1] > 0


def test_symptom_09_own_prices_of_that_kind_are_refused(tmp_path: Path) -> None:
    """An overlay in which a cached token is dearer than one that is not is bad usage, with the place in the file.

    Threads: cloudflare/ai#550.
    """
    own = prices(tmp_path, '[models."openai/gpt-4o"]\ninput = 1\ncache_read = 1.25\noutput = 4\n')
    refused = run("fold", *own, stdin="")

    assert refused.exit_code == 2
    assert "cache_read is dearer than input" in refused.stderr


def test_symptom_13_cost_stated_by_the_provider() -> None:
    """The provider's own cost is the cost, and what came with it (is_byok, upstream cost) is kept as it was.

    Threads: litellm#11626, #37105.
    """
    said = {"cost": 0.00014, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.00281}}
    stream = sse(delta("Hi"), delta(finish="stop"), trailer(counts(1_000, 30, **said)))
    found = streamed("openai-chat", stream)

    kept = found["token_usage"]
    assert (found["cost"], found["cost_details"]["total"], found["cost_details"]["source"]) == (
        0.00014,
        "0.00014",
        "provider",
    )
    assert (kept["cost"], kept["is_byok"]) == ({"total_cost": 0.00014}, True)
    assert kept["cost_details"] == {"upstream_inference_cost": 0.00281}


def test_symptom_14_spend_zero_with_correct_tokens() -> None:
    """A gateway's cost of 0 with tokens is overruled by the price list and says so: 0.0035 USD (gateway_zero).

    Threads: litellm#37923, #40100.
    """
    ended: Document = {"is_final": True, "provider": "openai", "model": "gpt-4o"}
    for stated, reason in ((0, "gateway_zero"), (None, None)):
        found = record([chat(0, "Hi", finish="stop", usage=counts(1_000, 100), cost=stated, **ended)])
        total = usd(1_000 * Decimal("2.50") + 100 * 10)  # USD per million tokens of gpt-4o, 2026-01-01
        assert (found["cost_details"]["total"], found["cost_details"]["reason"]) == (total, reason)
        assert (found["cost"], found["cost_details"]["source"]) == (float(total), "catalog")


@pytest.mark.parametrize("stated", [0, None], ids=["gateway says 0", "gateway says nothing"])
def test_symptom_14_unpriced_is_null_with_a_reason(stated: int | None) -> None:
    """A model without a price has cost null and a reason, never 0.

    Threads: litellm#37923, #40100.
    """
    ended: Document = {"is_final": True, "provider": "openai", "model": "acme-1-preview"}
    found = record([chat(0, "Hi", finish="stop", usage=counts(1_000, 100), cost=stated, **ended)])

    assert (found["cost"], found["cost_details"]["total"]) == (None, None)
    assert "unknown_model" in found["cost_details"]["reason"]
