"""Each recorded provider stream costs, to the last decimal, what its own usage and the price per unit come to.

The second figure is worked out here, from the provider's bytes and from prices written out in the table: nothing of it
goes through the chunks, the fold or the price list.  The recordings lie outside of the repository, where
STREAMLEDGER_RECORDINGS says or in ../shared beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from pipeline.core.valuation import Valuation
from pipeline.ingest import chunks_of
from pipeline.testing.chunk import Document
from tests.ledger import fold
from tests.unit.pricing.calls import price_list

TOLD: Final = os.environ.get("STREAMLEDGER_RECORDINGS")
RECORDINGS: Final = Path(TOLD) if TOLD else Path(__file__).parents[4] / "shared/recordings"
FORMATS: Final = {
    "anthropic": "anthropic-messages",
    "chat": "openai-chat",
    "responses": "openai-responses",
    "transcription": "openai-transcription",
}

Usage = Mapping[str, Any]
Sides = tuple[Decimal, Decimal]

MILLION: Final = Decimal(1_000_000)


class Bill(NamedTuple):
    """What a recording costs.

    Attributes:
        provider: whose stream it is.
        model: where the stream itself names none.
        prices: USD per million, in the order that `charge` takes them.
        charge: (input, output) in USD from the provider's usage and the prices.
        price_id: that the record must name.
    """

    provider: str
    prices: tuple[str, ...]
    charge: Callable[[Usage, tuple[Decimal, ...]], Sides]
    price_id: str
    model: str | None = None


def plain_chat(usage: Usage, prices: tuple[Decimal, ...]) -> Sides:
    """Prompt × input, completion × output; nothing cached is stated."""
    given, received = prices
    return usage["prompt_tokens"] * given / MILLION, usage["completion_tokens"] * received / MILLION


def chat(usage: Usage, prices: tuple[Decimal, ...]) -> Sides:
    """Cached tokens are inside the prompt and have their own price; reasoning is inside the completion."""
    given, cached, received = prices
    read = usage["prompt_tokens_details"]["cached_tokens"]
    prompt = (usage["prompt_tokens"] - read) * given + read * cached
    return prompt / MILLION, usage["completion_tokens"] * received / MILLION


def responses(usage: Usage, prices: tuple[Decimal, ...]) -> Sides:
    """The same by the names of the Responses API."""
    given, cached, received = prices
    read = usage["input_tokens_details"]["cached_tokens"]
    prompt = (usage["input_tokens"] - read) * given + read * cached
    return prompt / MILLION, usage["output_tokens"] * received / MILLION


def messages(usage: Usage, prices: tuple[Decimal, ...]) -> Sides:
    """Input without the cache, output, searches per thousand; none of the recordings uses the cache."""
    given, received, search = prices
    assert not usage.get("cache_read_input_tokens")
    assert not usage.get("cache_creation_input_tokens")
    searches = usage.get("server_tool_use", {}).get("web_search_requests", 0)
    return usage["input_tokens"] * given / MILLION, usage[
        "output_tokens"
    ] * received / MILLION + searches * search / 1000


def sound(usage: Usage, prices: tuple[Decimal, ...]) -> Sides:
    """Sound and text of the prompt apart."""
    heard, read, received = prices
    details = usage["input_token_details"]
    prompt = details["audio_tokens"] * heard + details["text_tokens"] * read
    return prompt / MILLION, usage["output_tokens"] * received / MILLION


def with_fee(usage: Usage, prices: tuple[Decimal, ...]) -> Sides:
    """Tokens, and a fee for the request on the side of the input."""
    given, received, fee = prices
    return (
        usage["prompt_tokens"] * given / MILLION + fee / 1000,
        usage["completion_tokens"] * received / MILLION,
    )


GPT_4O: Final = ("2.50", "1.25", "10.00")
GPT_5_1: Final = ("1.25", "0.125", "10.00")
GPT_5_5: Final = ("5.00", "0.50", "30.00")

PRICED: Final = {
    "anthropic-sdk--refusal_response.sse": Bill(
        "anthropic", ("5.00", "25.00", "10.00"), messages, "anthropic/claude-opus-4-7"
    ),
    "anthropic-sdk--stream-a-toolrefusal.sse": Bill(
        "anthropic", ("10.00", "50.00", "10.00"), messages, "anthropic/claude-fable-5"
    ),
    "pydantic-ai--test_anthropic_model_thinking_part_stream.1.sse": Bill(
        "anthropic", ("3.00", "15.00", "10.00"), messages, "anthropic/claude-sonnet-4-0"
    ),
    "pydantic-ai--test_anthropic_text_parts_ahead_of_built_in_tool_call.2.sse": Bill(
        "anthropic", ("3.00", "15.00", "10.00"), messages, "anthropic/claude-sonnet-4-5"
    ),
    "vercel-anthropic--anthropic-tool-search-deferred-regex.part1.jsonl": Bill(
        "anthropic", ("3.00", "15.00", "10.00"), messages, "anthropic/claude-sonnet-4-5"
    ),
    "llm--test_tool_use_basic.2.sse": Bill("openai", ("0.15", "0.075", "0.60"), chat, "openai/gpt-4o-mini"),
    "openai-python--tool-call-non-strict.sse": Bill("openai", ("2.50", "10.00"), plain_chat, "openai/gpt-4o"),
    "openai-python--tool-call-strict.sse": Bill("openai", ("2.50", "10.00"), plain_chat, "openai/gpt-4o"),
    "pydantic-ai--test_complex_agent_run_in_workflow.3.sse": Bill("openai", GPT_4O, chat, "openai/gpt-4o"),
    # From 16:30 to 00:30 UTC, when chunks of a recording begin unless told otherwise.
    "vercel-deepseek--deepseek-reasoning.jsonl": Bill(
        "deepseek", ("0.135", "0.035", "0.55"), chat, "deepseek/deepseek-reasoner"
    ),
    "vercel-groq--groq-tool-call.jsonl": Bill("groq", ("0.59", "0.79"), plain_chat, "groq/llama-3.3-70b-versatile"),
    "vercel-perplexity--perplexity-citations.jsonl": Bill(
        "perplexity", ("1.00", "1.00", "12.00"), with_fee, "perplexity/sonar"
    ),
    "vercel-perplexity--perplexity-text.jsonl": Bill(
        "perplexity", ("1.00", "1.00", "12.00"), with_fee, "perplexity/sonar"
    ),
    "llm--test_responses_basic_streaming.1.sse": Bill("openai", GPT_5_5, responses, "openai/gpt-5.5"),
    "llm--test_responses_tool_use_streaming.2.sse": Bill("openai", GPT_5_5, responses, "openai/gpt-5.5"),
    "pydantic-ai--test_background_mode_streaming_continuation_vcr.1.sse": Bill(
        "openai", GPT_4O, responses, "openai/gpt-4o"
    ),
    "pydantic-ai--test_reused_tool_call_ids_stream.1.sse": Bill(
        "bedrock", ("1.10", "0.11", "6.60"), responses, "aws/regional.openai.gpt-5.6-luna"
    ),
    "vercel-azure--azure-reasoning-encrypted-content.1.part1.jsonl": Bill("azure", GPT_5_1, responses, "azure/gpt-5.1"),
    "vercel-azure--azure-tool-call.1.jsonl": Bill("azure", GPT_5_1, responses, "azure/gpt-5.1"),
    "vercel-open-responses--openai-pdf-input-file.1.jsonl": Bill(
        "openai", ("0.10", "0.025", "0.40"), responses, "openai/gpt-4.1-nano"
    ),
    "vercel-openai--openai-custom-tool.1.jsonl": Bill(
        "openai", ("1.75", "0.175", "14.00"), responses, "openai/gpt-5.2"
    ),
    "vercel-openai--programmatic-tool-calling.3.jsonl": Bill("openai", GPT_5_5, responses, "openai/gpt-5.6-sol"),
    "openai-openapi--what-a-wonderful-world.sse": Bill(
        "openai", ("6.00", "2.50", "10.00"), sound, "openai/gpt-4o-transcribe", model="gpt-4o-transcribe"
    ),
}

STATED: Final = {
    "llm--test_tools_streaming_variant_b.1.sse": ("openrouter", "0.00007159"),
    "vercel-xai--xai-text.jsonl": ("xai", "0.000146625"),
    "vercel-xai--xai-image-generation-tool.1.jsonl": ("xai", "0.0000123456"),
}
"""Recordings in which the provider says what it took: USD by OpenRouter, ticks of 10^-10 USD by xAI."""

UNPRICED: Final = {
    "pydantic-ai--test_crusoe_model_streaming.1.sse": ("crusoe", "unknown_provider"),
    "vercel-mistral--mistral-incremental-tool-call.jsonl": ("mistral", "unknown_model"),
    "vercel-open-responses--lmstudio-basic.1.jsonl": ("lmstudio", "unknown_provider"),
    "vercel-anthropic--anthropic-programmatic-tool-calling.1.part13.jsonl": (
        "anthropic",
        "unknown_count: input_tokens",
    ),
    "vercel-xai--xai-web-search-tool.1.jsonl": ("xai", "no_price: web_searches"),
}
"""Recordings without a price, and why: a host and a model that the list lacks, a usage of one side, a search."""


def payloads(data: bytes) -> Iterator[Any]:
    """The JSON of a recording: lines of SSE data, or one payload a line."""
    for line in data.decode().splitlines():
        text = line.removeprefix("data:").strip()
        if text.startswith("{"):
            yield json.loads(text)


def usage_of(data: bytes) -> Usage:
    """The provider's last word on usage; Anthropic says its fields one after the other."""
    found: dict[str, Any] = {}
    for payload in payloads(data):
        for holder in (payload, payload.get("response"), payload.get("message")):
            if isinstance(holder, dict) and isinstance(holder.get("usage"), dict):
                found |= holder["usage"]
    return found


def files() -> dict[str, Path]:
    """The recordings by name."""
    return {path.name: path for path in RECORDINGS.glob("*/*") if path.parent.name in FORMATS}


def record_of(path: Path, provider: str, model: str | None = None) -> Document:
    """The record of a recording, its chunks from this provider."""
    form = FORMATS[path.parent.name]
    chunks = chunks_of(path.read_bytes(), provider=form, request_id="r-1", model=model, report=lambda _: None)
    return fold(*(chunk | {"provider": provider} for chunk in chunks), valuation=Valuation(price_list()))


@pytest.fixture(scope="module")
def recorded() -> dict[str, Path]:
    """The recordings, or why they are not here."""
    found = files()
    if not found:
        pytest.skip(f"no recordings at {RECORDINGS}; STREAMLEDGER_RECORDINGS names another place")
    return found


def test_every_recording_is_in_one_of_the_tables(recorded: dict[str, Path]) -> None:
    """None is left out of the sum."""
    assert sorted(recorded) == sorted([*PRICED, *STATED, *UNPRICED])


@pytest.mark.parametrize("name", PRICED)
def test_a_recording_costs_what_its_usage_and_the_price_come_to(recorded: dict[str, Path], name: str) -> None:
    """To the last decimal, total and parts."""
    bill = PRICED[name]
    usage = usage_of(recorded[name].read_bytes())
    given, received = bill.charge(usage, tuple(map(Decimal, bill.prices)))

    record = record_of(recorded[name], bill.provider, bill.model)

    details = record["cost_details"]
    assert (details["source"], details["price_id"]) == ("catalog", bill.price_id)
    assert Decimal(details["input"]) == given
    assert Decimal(details["output"]) == received
    assert Decimal(details["total"]) == given + received > 0
    assert Decimal(repr(record["cost"])) == given + received


@pytest.mark.parametrize("name", STATED)
def test_what_a_provider_states_is_kept(recorded: dict[str, Path], name: str) -> None:
    """Its own figure before any list's (SYMPTOMS 13)."""
    provider, total = STATED[name]

    record = record_of(recorded[name], provider)

    assert (record["cost_details"]["source"], record["cost_details"]["total"]) == ("provider", total)
    assert record["cost"] == float(total)


@pytest.mark.parametrize("name", UNPRICED)
def test_a_recording_without_a_price_is_null_and_says_why(recorded: dict[str, Path], name: str) -> None:
    """Nothing is priced at 0 that was not free."""
    provider, reason = UNPRICED[name]

    record = record_of(recorded[name], provider)

    assert (record["cost"], record["cost_details"]["total"]) == (None, None)
    assert record["cost_details"]["reason"] == reason
