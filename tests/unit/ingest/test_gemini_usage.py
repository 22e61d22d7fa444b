"""Gemini's counts: what they leave out, and what our sums include."""

import pytest

from pipeline.ingest.gemini_usage import tier_of, usage_of
from pipeline.ingest.leaf import Payload


def test_prompt_includes_tools_and_cache_and_output_includes_thoughts() -> None:
    """The figures of a recorded answer: 12 + 65 + 71 + 89 = 237, with 4 of the 12 read from the cache."""
    report = {
        "promptTokenCount": 12,
        "cachedContentTokenCount": 4,
        "toolUsePromptTokenCount": 65,
        "candidatesTokenCount": 71,
        "thoughtsTokenCount": 89,
        "totalTokenCount": 237,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 12}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 4}],
        "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": 60}, {"modality": "IMAGE", "tokenCount": 5}],
    }

    assert usage_of(report, 0) == {
        "prompt_tokens": 77,
        "prompt_tokens_details": {
            "text_tokens": 72,
            "image_tokens": 5,
            "cached_read_tokens": 4,
            "cached_text_tokens": 4,
            "tool_use_tokens": 65,
        },
        "completion_tokens": 160,
        "completion_tokens_details": {"reasoning_tokens": 89},
        "total_tokens": 237,
    }


def test_modalities_keep_their_names() -> None:
    """WIRE §4 has text, audio and image; others stay under names of the same kind, since they are priced apart."""
    rows = [{"modality": name, "tokenCount": 1} for name in ("TEXT", "IMAGE", "AUDIO", "VIDEO", "DOCUMENT")]
    odd = [{"modality": "A B", "tokenCount": 1}, {"modality": 7, "tokenCount": 1}, {"modality": "TEXT"}, "odd"]
    usage = usage_of({"promptTokenCount": 5, "candidatesTokensDetails": rows + odd}, 2) or {}

    assert usage["completion_tokens_details"] == {
        "text_tokens": 1,
        "image_tokens": 1,
        "audio_tokens": 1,
        "video_tokens": 1,
        "document_tokens": 1,
        "num_search_queries": 2,
    }


@pytest.mark.parametrize(
    ("report", "usage"),
    [
        (
            {"promptTokenCount": 9, "totalTokenCount": 9},
            {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9},
        ),
        ({"candidatesTokenCount": 3}, {"prompt_tokens": 0, "completion_tokens": 3, "total_tokens": 3}),
        (
            {"promptTokenCount": 2, "totalTokenCount": "x"},
            {"prompt_tokens": 2, "completion_tokens": 0, "total_tokens": 2},
        ),
    ],
)
def test_a_count_that_is_absent_beside_others_is_zero(report: Payload, usage: Payload) -> None:
    """Protocol buffers leave zeros out: a blocked prompt has no output."""
    assert usage_of(report, 0) == usage


@pytest.mark.parametrize(
    "report", [{}, {"trafficType": "ON_DEMAND"}, {"promptTokenCount": None}, {"thoughtsTokenCount": 1}]
)
def test_a_report_without_counts_states_no_usage(report: Payload) -> None:
    """Vertex sends the traffic type with every event and counts with the last."""
    assert usage_of(report, 3) is None


@pytest.mark.parametrize(
    ("report", "tier"),
    [
        ({"serviceTier": "flex", "trafficType": "ON_DEMAND"}, "flex"),
        ({"trafficType": "ON_DEMAND"}, "standard"),
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "priority"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
        ({"trafficType": "TRAFFIC_TYPE_UNSPECIFIED"}, None),
        ({"trafficType": 7, "serviceTier": ""}, None),
        ({}, None),
    ],
)
def test_the_tier_is_named_as_gemini_names_it(report: Payload, tier: str | None) -> None:
    """Vertex's traffic types are the same tiers under other names."""
    assert tier_of(report) == tier
