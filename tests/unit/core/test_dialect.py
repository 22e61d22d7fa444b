"""Usage under providers' own names, translated leaf by leaf."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.dialect import Dialect, lifetimes, translate
from pipeline.core.usage import llm_usage
from pipeline.testing.chunk import CHAT

Json = dict[str, Any]


def usage_of(raw: Json) -> Json:
    """The record's usage of an unknown provider."""
    found, odd = llm_usage(CHAT, raw)
    assert odd == 0
    return found or {}


@pytest.mark.parametrize(
    ("raw", "dialect"),
    [
        ({"prompt_tokens": 1, "prompt_tokens_details": {"cached_read_tokens": 1}}, Dialect.OURS),
        ({"prompt_tokens": 1, "prompt_tokens_details": {"cached_write_tokens": 1}}, Dialect.OURS),
        ({"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}}, Dialect.OPENAI),
        ({"prompt_tokens": 1, "cache_read_input_tokens": 1}, Dialect.BLEND),
        ({"input_tokens": 1, "cache_creation_input_tokens": 1}, Dialect.MESSAGES),
        ({"input_tokens": 1, "output_tokens_details": {"thinking_tokens": 1}}, Dialect.MESSAGES),
        ({"input_tokens": 1, "iterations": []}, Dialect.MESSAGES),
        ({"input_tokens": 1, "input_tokens_details": None, "iterations": []}, Dialect.OPENAI),
        ({"input_tokens": 1, "output_tokens": 1}, Dialect.OPENAI),
        ({"promptTokenCount": 1}, Dialect.GENERATE),
        ({"inputTokens": 1}, Dialect.CONVERSE),
        ({"tokens": {"input_tokens": 1}}, Dialect.COHERE),
        ({"prompt_tokens": 1, "tokens": {"input_tokens": 1}}, Dialect.OPENAI),
        ({"tokens": 5}, Dialect.OPENAI),
    ],
)
def test_leaves_tell_the_dialect(raw: Json, dialect: Dialect) -> None:
    """A gateway that passes a usage through does not say so."""
    assert translate(raw)[1] is dialect


def test_messages_keep_what_the_cache_did_by_lifetime() -> None:
    """Claude API: reads, writes, the split of writes, thinking and searches, each under its name of WIRE §4."""
    raw = {
        "input_tokens": 10,
        "cache_read_input_tokens": 200,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": None},
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 5},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
        "service_tier": "standard",
    }

    assert usage_of(raw) == {
        "prompt_tokens": 1210,
        "prompt_tokens_details": {
            "cached_read_tokens": 200,
            "cached_write_tokens": 1000,
            "cached_write_token_details": {"cached_write_tokens_5m": 1000, "cached_write_tokens_1h": 0},
        },
        "completion_tokens": 7,
        "completion_tokens_details": {"num_search_queries": 2, "reasoning_tokens": 5},
        "total_tokens": 1217,
        "server_tool_use": {"web_fetch_requests": 1, "web_search_requests": 2},
    }


SUMMARY: Json = {
    "type": "compaction",
    "input_tokens": 180_000,
    "output_tokens": 3_500,
    "cache_creation": {"ephemeral_5m_input_tokens": 7},
}
ANSWER: Json = {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000}
ADVICE: Json = {"type": "advisor_message", "model": "wise", "input_tokens": 2_000, "output_tokens": 300}


def test_what_was_sampled_beside_an_answer_stands_beside_its_counts() -> None:
    """Claude API, Compaction (its example) and Advisor tool: counts at the top stay those of the answer (symptom 7)."""
    told = [SUMMARY, ANSWER, ADVICE, ADVICE, SUMMARY, "odd", {"type": []}, {"type": "advisor_message"}]
    advice = {"prompt_tokens": 2_000, "completion_tokens": 300, "total_tokens": 2_300}

    found = usage_of({"input_tokens": 23_000, "output_tokens": 1_000, "iterations": [*told, {**ADVICE, "model": 5}]})

    assert found == {
        "prompt_tokens": 23_000,
        "completion_tokens": 1_000,
        "total_tokens": 24_000,
        "compaction": {
            "prompt_tokens": 360_014,
            "prompt_tokens_details": {
                "cached_write_tokens": 14,
                "cached_write_token_details": {"cached_write_tokens_5m": 14, "cached_write_tokens_1h": 0},
            },
            "completion_tokens": 7_000,
            "total_tokens": 367_014,
        },
        "advisors": {"wise": {name: 2 * count for name, count in advice.items()}, "": advice},
    }
    assert list(found["advisors"]) == ["", "wise"]


@pytest.mark.parametrize("iterations", ["odd", [], [ANSWER], [{"type": "compaction", "iterations": [SUMMARY]}]])
def test_without_such_samplings_a_usage_is_as_it_was(iterations: object) -> None:
    """Messages and fallbacks are in the counts at the top; a sampling holds no others."""
    assert usage_of({"input_tokens": 23_000, "output_tokens": 1_000, "iterations": iterations}) == {
        "prompt_tokens": 23_000,
        "completion_tokens": 1_000,
        "total_tokens": 24_000,
    }


def test_half_a_split_of_writes_says_that_the_other_half_is_none() -> None:
    """And no split says nothing."""
    assert lifetimes({"cache_creation": {}}) == {}


def test_generate_keeps_modalities() -> None:
    """Gemini API: tool-use prompts are input of their own, documents are seen as images, others keep their name."""
    raw = {
        "promptTokenCount": 100,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 40},
            {"modality": "DOCUMENT", "tokenCount": 50},
            {"modality": "IMAGE", "tokenCount": 5},
            {"modality": "VIDEO", "tokenCount": 5},
            {"modality": 5},
            "odd",
        ],
        "toolUsePromptTokenCount": 30,
        "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 30}],
        "candidatesTokenCount": 9,
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 9}],
        "cachedContentTokenCount": 60,
        "totalTokenCount": 139,
        "trafficType": "ON_DEMAND",
    }

    assert usage_of(raw) == {
        "prompt_tokens": 130,
        "prompt_tokens_details": {
            "text_tokens": 70,
            "image_tokens": 55,
            "cached_read_tokens": 60,
            "video_tokens": 5,
        },
        "completion_tokens": 9,
        "completion_tokens_details": {"audio_tokens": 9},
        "total_tokens": 139,
        "tool_use_prompt_tokens": 30,
    }


def test_an_answer_of_thoughts_alone_has_no_candidates() -> None:
    """CLIProxyAPI#5733: 21 of prompt and 60 of thoughts are 81."""
    raw = {"promptTokenCount": 21, "thoughtsTokenCount": 60, "totalTokenCount": 81}

    assert usage_of(raw) == {
        "prompt_tokens": 21,
        "completion_tokens": 60,
        "completion_tokens_details": {"reasoning_tokens": 60},
        "total_tokens": 81,
    }


def test_converse_keeps_writes_by_lifetime() -> None:
    """Amazon Bedrock API, TokenUsage: cacheDetails has a ttl and a count for each checkpoint."""
    details = [{"ttl": "5m", "inputTokens": 3}, {"ttl": "5m", "inputTokens": 2}, {"ttl": 5}, {"ttl": "1h"}, "odd"]
    raw = {"inputTokens": 1, "cacheWriteInputTokens": 5, "cacheDetails": details, "outputTokens": 2, "totalTokens": 8}

    found = usage_of(raw)

    assert found["prompt_tokens_details"] == {
        "cached_write_tokens": 5,
        "cached_write_token_details": {"cached_write_tokens_5m": 5},
    }
    assert usage_of({"inputTokens": 1, "cacheDetails": "odd", "outputTokens": 2})["total_tokens"] == 3


def test_cohere_bills_in_units_of_its_own() -> None:
    """Cohere API: what is billed counts; what was processed, and units that are no tokens, stay beside it."""
    raw = {
        "billed_units": {"input_tokens": 5, "output_tokens": 9, "search_units": 1},
        "tokens": {"input_tokens": 71, "output_tokens": 9},
        "cached_tokens": 16,
    }

    assert usage_of(raw) == {
        "prompt_tokens": 5,
        "prompt_tokens_details": {"cached_read_tokens": 16},
        "completion_tokens": 9,
        "total_tokens": 14,
        "search_units": 1,
        "tokens": {"input_tokens": 71, "output_tokens": 9},
    }
    assert usage_of({"tokens": {"input_tokens": 71, "output_tokens": 9}})["prompt_tokens"] == 71


@pytest.mark.parametrize(
    ("raw", "details"),
    [
        ({"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}, {"cached_read_tokens": 4}),
        (
            {"prompt_cache_hit_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}},
            {"cached_read_tokens": 3},
        ),
        (
            {"cache_read_input_tokens": 4, "cache_creation_input_tokens": 5},
            {"cached_read_tokens": 4, "cached_write_tokens": 5},
        ),
        ({"prompt_tokens_details": {"cache_read_input_tokens": 4}}, {"cached_read_tokens": 4}),
        ({"prompt_tokens_details": {"cache_creation_input_tokens": 5}}, {"cached_write_tokens": 5}),
        ({"prompt_tokens_details": {"cache_creation_tokens": 5, "cached_write_tokens": 6}}, {"cached_write_tokens": 6}),
        (
            {"cache_creation": {"ephemeral_5m_input_tokens": 5}},
            {"cached_write_token_details": {"cached_write_tokens_5m": 5, "cached_write_tokens_1h": 0}},
        ),
        (
            {
                "cache_creation": {"ephemeral_5m_input_tokens": 5},
                "prompt_tokens_details": {"cached_write_token_details": {"cached_write_tokens_5m": 4}},
            },
            {"cached_write_token_details": {"cached_write_tokens_5m": 4}},
        ),
    ],
)
def test_cache_counts_of_openai_shaped_usages_have_many_names(raw: Json, details: Json) -> None:
    """DeepSeek, LiteLLM, Databricks, Qwen, Perplexity: what the details state already is not replaced."""
    found = usage_of({"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, **raw})

    assert found["prompt_tokens_details"] == details
    assert (found["prompt_tokens"], found["total_tokens"]) == (9, 10)


_leaves = st.sampled_from(
    [
        *("promptTokenCount", "thoughtsTokenCount", "inputTokens", "cacheDetails", "tokens", "billed_units"),
        *("cache_creation", "cache_read_input_tokens", "iterations", "prompt_tokens", "prompt_tokens_details"),
        *("output_tokens_details", "promptTokensDetails", "toolUsePromptTokenCount", "prompt_cache_hit_tokens"),
    ]
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 9) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_leaves, inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(_leaves, _values))
def test_odd_leaves_are_dropped_whatever_the_dialect(raw: Json) -> None:
    """CONTRACT §1: a leaf of unexpected shape is ignored; nothing raises, and no count is negative."""
    found, odd = llm_usage(CHAT, raw)

    assert odd >= 0
    assert found is None or all(found[name] >= 0 for name in found.keys() & {"prompt_tokens", "completion_tokens"})
