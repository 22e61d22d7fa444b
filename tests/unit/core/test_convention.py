"""What figures include, provider by provider: each row of the table with an example, and how figures tell."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.convention import TABLE, Origin, Reports, row_of
from pipeline.core.dialect import Dialect, translate
from pipeline.core.usage import llm_usage
from pipeline.testing.chunk import CHAT, RESPONSES
from schemas.leaves import MAX_INTEGER
from schemas.record.usage import BifrostLLMUsage

Json = dict[str, Any]


class Case(NamedTuple):
    """A usage as a provider states it, and the record's."""

    row: str
    provider: str | None
    raw: Json
    prompt: int
    completion: int
    total: int
    stream_type: str = CHAT
    model: str | None = None


def openai(prompt: int, completion: int, total: int, *, cached: int = 0, thought: int = 0) -> Json:
    """Usage under OpenAI's names."""
    return {
        "prompt_tokens": prompt,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens": completion,
        "completion_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": total,
    }


def gateway(prompt: int, completion: int, total: int, *, read: int = 0, written: int = 0) -> Json:
    """Usage as Bifrost writes it (WIRE §4)."""
    details = {"cached_read_tokens": read, "cached_write_tokens": written}
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    return counts | {"prompt_tokens_details": details}


def responses(prompt: int, completion: int, total: int, *, cached: int = 0, thought: int = 0) -> Json:
    """Usage of the Responses API."""
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": total,
    }


MESSAGES: Json = {
    "input_tokens": 10,
    "cache_read_input_tokens": 200,
    "cache_creation_input_tokens": 3000,
    "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 5},
}
GENERATE: Json = {
    "promptTokenCount": 20,
    "cachedContentTokenCount": 15,
    "candidatesTokenCount": 198,
    "thoughtsTokenCount": 405,
    "totalTokenCount": 623,
}
CONVERSE: Json = {
    "inputTokens": 30,
    "outputTokens": 628,
    "cacheReadInputTokens": 3000,
    "cacheWriteInputTokens": 500,
    "totalTokens": 4158,
}
ELDER: Json = {
    "prompt_tokens": 30,
    "prompt_tokens_details": {"cached_tokens": 20},
    "completion_tokens": 5,
    "completion_tokens_details": {"cached_tokens": 8},
}
DEEP: Json = {
    "prompt_tokens": 33,
    "completion_tokens": 7163,
    "total_tokens": 7196,
    "citation_tokens": 19028,
    "num_search_queries": 17,
    "reasoning_tokens": 73997,
}

CASES = [
    Case("messages", "anthropic", MESSAGES, 3210, 7, 3217),
    Case("messages", "minimax", MESSAGES, 3210, 7, 3217),
    Case("generate", "gemini", GENERATE, 20, 603, 623),
    Case("converse", "bedrock", CONVERSE, 3530, 628, 4158),
    Case(
        "converse of OpenAI models",
        "bedrock",
        {"inputTokens": 4995, "cacheWriteInputTokens": 4993, "outputTokens": 19, "totalTokens": 10007},
        4995,
        19,
        5014,
        model="us.openai.gpt-5.6",
    ),
    Case(
        "cohere",
        "cohere",
        {"billed_units": {"input_tokens": 5, "output_tokens": 9}, "tokens": {"input_tokens": 71, "output_tokens": 9}},
        5,
        9,
        14,
    ),
    Case(
        "blend",
        "anthropic",
        openai(3210, 7, 3217, cached=200) | {"cache_read_input_tokens": 200, "cache_creation_input_tokens": 3000},
        3210,
        7,
        3217,
    ),
    Case("anthropic by older gateways", "anthropic", ELDER | {"total_tokens": 35}, 58, 5, 63),
    Case("anthropic by older gateways", "Anthropic", openai(30, 5, 35, cached=20), 50, 5, 55),
    Case("bedrock by older gateways", "bedrock", ELDER | {"total_tokens": 63}, 58, 5, 63),
    Case("bedrock by older gateways", "bedrock", openai(30, 5, 35, cached=20), 30, 5, 35),
    Case("anthropic and bedrock by gateways", "anthropic", gateway(58, 5, 63, read=20, written=8), 58, 5, 63),
    Case("anthropic and bedrock by gateways", "bedrock", gateway(30, 5, 63, read=20, written=8), 58, 5, 63),
    Case("google by gateways", "gemini", openai(20, 198, 623, thought=405), 20, 603, 623),
    Case("google by gateways", "vertex", openai(20, 603, 623, thought=405), 20, 603, 623),
    Case(
        "google by gateways",
        "gemini",
        {"prompt_tokens": 20, "completion_tokens": 424, "total_tokens": 1016},
        20,
        996,
        1016,
    ),
    Case("xai", "xai", openai(12, 1, 303, cached=11, thought=290), 12, 291, 303),
    Case("xai", "xai", openai(12, 291, 303, thought=290), 12, 291, 303),
    Case("xai responses", "xai", responses(1875, 695, 2570, cached=1578, thought=397), 1875, 695, 2570, RESPONSES),
    Case("perplexity", "perplexity", DEEP, 33, 7163 + 73997 + 19028, 33 + 7163 + 73997 + 19028),
    Case("perplexity responses", "perplexity", responses(50, 20, 70, cached=5, thought=9), 50, 20, 70, RESPONSES),
    Case("openai", "openai", openai(2006, 300, 2306, cached=1920, thought=64), 2006, 300, 2306),
    Case("openai", "azure", responses(137, 28, 165, cached=100, thought=20), 137, 28, 165, RESPONSES),
    Case(
        "deepseek",
        "deepseek",
        openai(18, 219, 237, thought=205) | {"prompt_cache_hit_tokens": 0, "prompt_cache_miss_tokens": 18},
        18,
        219,
        237,
    ),
    Case("mistral", "mistral", openai(171, 14, 185, cached=128), 171, 14, 185),
    Case("groq", "groq", openai(210, 15, 225) | {"queue_time": 0.04}, 210, 15, 225),
    Case("openrouter", "openrouter", openai(194, 2, 196) | {"cost": 0.95}, 194, 2, 196),
    Case("served by oneself", "vllm", openai(5, 2, 7, cached=4), 5, 2, 7),
    Case("anybody", None, openai(100, 9, 109, cached=90, thought=4), 100, 9, 109),
]


NAMES = [f"{number} {case.row}" for number, case in enumerate(CASES)]


def normal(case: Case) -> Json:
    """The record's usage."""
    found, odd = llm_usage(case.stream_type, case.raw, Origin(case.provider, case.model))
    assert odd == 0
    return found or {}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_every_provider_is_brought_to_one_convention(case: Case) -> None:
    """Input includes cache reads and writes, output includes reasoning, the total is their sum (issue 5, item 3)."""
    found = normal(case)

    assert [found[f"{name}_tokens"] for name in ("prompt", "completion", "total")] == [
        case.prompt,
        case.completion,
        case.total,
    ]
    inputs, outputs = found.get("prompt_tokens_details", {}), found.get("completion_tokens_details", {})
    cached = inputs.get("cached_read_tokens", 0) + inputs.get("cached_write_tokens", 0)
    assert cached <= found["prompt_tokens"]
    assert outputs.get("reasoning_tokens", 0) <= found["completion_tokens"]
    BifrostLLMUsage.model_validate(found)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_usage_under_the_convention_stays_as_it_is(case: Case) -> None:
    """Idempotence: what was reconciled is recognised as such, so that no gateway and no replay adds a part twice."""
    once = normal(case)
    again, odd = llm_usage(case.stream_type, once, Origin(case.provider, case.model))

    if case.row not in ("perplexity", "anthropic by older gateways"):
        assert (again, odd) == (once, 0)


def test_every_row_has_a_source_and_an_example() -> None:
    """No rule without a place where it can be looked up, and none that no test holds."""
    assert {case.row for case in CASES} == {row.name for row in TABLE}
    assert all(row.source for row in TABLE)


def test_the_examples_reach_their_rows() -> None:
    """First match wins, so a row could hide another."""
    for case in CASES:
        _, dialect = translate(case.raw)
        assert row_of(Origin(case.provider, case.model), dialect, case.stream_type).name == case.row


def test_nobody_is_known_to_send_deltas() -> None:
    """Usage of the highest chunk holds for every row: running counts and single ones are read alike (symptom 6)."""
    assert Reports.DELTA not in {row.reports for row in TABLE}


@pytest.mark.parametrize(
    ("raw", "prompt", "completion", "total"),
    [
        pytest.param(openai(100, 9, 200, cached=91), 191, 9, 200, id="the total holds the cache"),
        pytest.param(openai(100, 9, 113, thought=4), 100, 13, 113, id="the total holds the reasoning"),
        pytest.param(openai(100, 9, 204, cached=91, thought=4), 191, 13, 204, id="the total holds both"),
        pytest.param(openai(100, 9, 109, cached=150), 250, 9, 259, id="more cached than prompt"),
        pytest.param(openai(100, 9, 109, thought=10), 100, 19, 119, id="more reasoning than output"),
        pytest.param(openai(100, 9, 777, cached=91, thought=4), 100, 9, 777, id="a total that fits nothing"),
    ],
)
def test_figures_tell_what_a_strange_provider_includes(raw: Json, prompt: int, completion: int, total: int) -> None:
    """A part larger than its whole is beside it, and a stated total tells; else OpenAI's convention holds."""
    found = normal(Case("anybody", "somebody", raw, 0, 0, 0))

    assert (found["prompt_tokens"], found["completion_tokens"], found["total_tokens"]) == (prompt, completion, total)


def test_a_side_that_nobody_stated_stays_unknown() -> None:
    """Parts make no whole: absent is not 0, nor is it its parts."""
    found, _ = llm_usage(CHAT, {"cache_read_input_tokens": 5, "output_tokens": 7}, Origin("anthropic"))

    assert found == {"prompt_tokens_details": {"cached_read_tokens": 5}, "completion_tokens": 7}


def test_counts_beyond_all_readers_are_left_as_they_are() -> None:
    """A sum over 2^53-1 would not survive JSON."""
    raw = openai(MAX_INTEGER, 1, 0, cached=0, thought=5) | {"total_tokens": None}

    assert llm_usage(CHAT, raw, Origin("xai"))[0] == {
        "prompt_tokens": MAX_INTEGER,
        "prompt_tokens_details": {"cached_read_tokens": 0},
        "completion_tokens": 1,
        "completion_tokens_details": {"reasoning_tokens": 5},
    }


_providers = st.sampled_from(sorted({name for row in TABLE for name in row.providers} | {"somebody"}))
_count = st.integers(0, 9_999)


@given(_providers, _count, _count, _count, _count, st.booleans())
def test_a_part_is_never_more_than_its_whole(
    provider: str, prompt: int, completion: int, cached: int, thought: int, stated: bool
) -> None:
    """Whatever is stated, by whomever converts: details never exceed the count above them where figures may tell."""
    total = prompt + completion if stated else None
    raw = openai(prompt, completion, 0, cached=cached, thought=thought) | {"total_tokens": total}
    row = row_of(Origin(provider), Dialect.OPENAI, CHAT)

    found = llm_usage(CHAT, raw, Origin(provider))[0] or {}

    if found and "INSIDE" not in (row.cache.name, row.reasoning.name):
        assert found["prompt_tokens_details"]["cached_read_tokens"] <= found["prompt_tokens"]
        assert found["completion_tokens_details"]["reasoning_tokens"] <= found["completion_tokens"]
    assert found.get("prompt_tokens", prompt) in (prompt, prompt + cached)
    assert found.get("completion_tokens", completion) in (completion, completion + thought)
