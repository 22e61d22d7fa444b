"""Bills worked out by hand, from the price per unit that stands in the comment: the list must give them to the digit.

A release of the list that changes a price shows here: look at the provider's page, then at the comment and the figure.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pipeline.core.valuation import Units
from tests.unit.pricing.calls import USED, bill, call, price_list, tokens, why

AUDIO, IMAGE, TRANSCRIPTION = "audio.speech", "image.generation", "audio.transcription"
IN_MARCH = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("model", "asked", "expected"),
    [
        # 17 × 2.50 + 64 × 1.25 per million; 19 × 10
        pytest.param(
            "openai/gpt-4o",
            {"usage": tokens(81, 19, cached_read_tokens=64)},
            {
                "total": "0.0003125",
                "input": "0.0001225",
                "output": "0.00019",
                "input_tokens": "0.0000425",
                "cache_read_tokens": "0.00008",
                "output_tokens": "0.00019",
            },
            id="gpt-4o with cache",
        ),
        # of 1000: 500 written × 3.75, 300 read × 0.30, 200 × 3.00; 100 × 15.00
        pytest.param(
            "anthropic/claude-sonnet-4-5",
            {"usage": tokens(1000, 100, cached_read_tokens=300, cached_write_tokens=500)},
            {
                "total": "0.004065",
                "input": "0.002565",
                "output": "0.0015",
                "input_tokens": "0.0006",
                "cache_read_tokens": "0.00009",
                "cache_write_tokens": "0.001875",
                "output_tokens": "0.0015",
            },
            id="claude-sonnet-4-5 with cache",
        ),
        # 400 kept for an hour × 6.00, 100 for five minutes × 3.75
        pytest.param(
            "anthropic/claude-sonnet-4-5",
            {
                "usage": tokens(
                    500,
                    0,
                    cached_write_tokens=500,
                    cached_write_token_details={"cached_write_tokens_5m": 100, "cached_write_tokens_1h": 400},
                )
            },
            {
                "total": "0.002775",
                "input": "0.002775",
                "output": "0",
                "cache_write_tokens": "0.000375",
                "cache_write_1h_tokens": "0.0024",
            },
            id="claude-sonnet-4-5 writes for an hour",
        ),
        # one search at 10 per thousand
        pytest.param(
            "anthropic/claude-sonnet-4-5",
            {"usage": tokens(11665, 186, output={"num_search_queries": 1})},
            {
                "total": "0.047785",
                "input": "0.034995",
                "output": "0.01279",
                "input_tokens": "0.034995",
                "output_tokens": "0.00279",
                "web_searches": "0.01",
            },
            id="claude-sonnet-4-5 searches",
        ),
        # up to 200,000: 1.25 and 10; above: 2.50 and 15 for all tokens
        pytest.param(
            "google/gemini-2.5-pro",
            {"usage": tokens(200_000, 1000)},
            {"total": "0.26", "input": "0.25", "output": "0.01", "input_tokens": "0.25", "output_tokens": "0.01"},
            id="gemini-2.5-pro at the border",
        ),
        pytest.param(
            "google/gemini-2.5-pro",
            {"usage": tokens(250_000, 1000)},
            {"total": "0.64", "input": "0.625", "output": "0.015", "input_tokens": "0.625", "output_tokens": "0.015"},
            id="gemini-2.5-pro above the border",
        ),
        # audio 14 × 6.00; text 2 × 2.50; 45 × 10.00
        pytest.param(
            "openai/gpt-4o-transcribe",
            {"usage": tokens(16, 45, text_tokens=2, audio_tokens=14), "kind": TRANSCRIPTION},
            {
                "total": "0.000539",
                "input": "0.000089",
                "output": "0.00045",
                "input_tokens": "0.000005",
                "input_audio_tokens": "0.000084",
                "output_tokens": "0.00045",
            },
            id="gpt-4o-transcribe",
        ),
        # text 50 × 5.00; 4160 × 40.00
        pytest.param(
            "openai/gpt-image-1",
            {"usage": tokens(50, 4160, text_tokens=50, image_tokens=0), "kind": IMAGE},
            {
                "total": "0.16665",
                "input": "0.00025",
                "output": "0.1664",
                "input_tokens": "0.00025",
                "output_tokens": "0.1664",
            },
            id="gpt-image-1",
        ),
        # an edit: text 50 × 5.00, image 1000 × 10.00; 1056 × 40.00
        pytest.param(
            "openai/gpt-image-1",
            {"usage": tokens(1050, 1056, text_tokens=50, image_tokens=1000), "kind": IMAGE},
            {
                "total": "0.05249",
                "input": "0.01025",
                "output": "0.04224",
                "input_tokens": "0.00025",
                "input_image_tokens": "0.01",
                "output_tokens": "0.04224",
            },
            id="gpt-image-1 edits",
        ),
        # the whole output is image: 1056 × 32.00, not × 10.00
        pytest.param(
            "openai/gpt-image-1.5",
            {"usage": tokens(50, 1056, text_tokens=50, image_tokens=0), "kind": IMAGE},
            {
                "total": "0.034042",
                "input": "0.00025",
                "output": "0.033792",
                "input_tokens": "0.00025",
                "output_image_tokens": "0.033792",
            },
            id="gpt-image-1.5",
        ),
        # 0.006 per minute
        pytest.param(
            "openai/whisper-1",
            {"kind": TRANSCRIPTION, "units": Units(seconds=Decimal(30))},
            {"total": "0.003", "input": "0.003", "output": "0", "input_audio_seconds": "0.003"},
            id="whisper-1 by the second",
        ),
        # 0.04 per hour: 30 s are a third of a thousandth, rounded at the picodollar
        pytest.param(
            "groq/whisper-large-v3-turbo",
            {"kind": TRANSCRIPTION, "units": Units(seconds=Decimal(30))},
            {
                "total": "0.000333333333",
                "input": "0.000333333333",
                "output": "0",
                "input_audio_seconds": "0.000333333333",
            },
            id="a division that does not end",
        ),
        # 0.111 per hour, 10 s at least
        pytest.param(
            "groq/whisper-large-v3",
            {"kind": TRANSCRIPTION, "units": Units(seconds=Decimal(3))},
            {
                "total": "0.000308333333",
                "input": "0.000308333333",
                "output": "0",
                "input_audio_seconds": "0.000308333333",
            },
            id="ten seconds at least",
        ),
        # 15.00 per million characters
        pytest.param(
            "openai/tts-1",
            {"kind": AUDIO, "usage": tokens(12, 34), "units": Units(characters=44)},
            {"total": "0.00066", "input": "0.00066", "output": "0", "input_characters": "0.00066"},
            id="tts-1 by the character",
        ),
        # 7 × 0.60; 42 × 12.00
        pytest.param(
            "openai/gpt-4o-mini-tts",
            {"kind": AUDIO, "usage": tokens(7, 42)},
            {
                "total": "0.0005082",
                "input": "0.0000042",
                "output": "0.000504",
                "input_tokens": "0.0000042",
                "output_tokens": "0.000504",
            },
            id="gpt-4o-mini-tts by the token",
        ),
        # flex: 0.625 and 5.00; priority: 2.50 and 20.00; batch: as flex
        pytest.param(
            "openai/gpt-5",
            {"usage": tokens(1000, 100), "tier": "flex"},
            {
                "total": "0.001125",
                "input": "0.000625",
                "output": "0.0005",
                "input_tokens": "0.000625",
                "output_tokens": "0.0005",
            },
            id="gpt-5 flex",
        ),
        pytest.param(
            "openai/gpt-5",
            {"usage": tokens(1000, 100), "tier": "priority"},
            {
                "total": "0.0045",
                "input": "0.0025",
                "output": "0.002",
                "input_tokens": "0.0025",
                "output_tokens": "0.002",
            },
            id="gpt-5 priority",
        ),
        # batch: 1.25 and 5.00, cached input at the standard 1.25, for which no batch price is published
        pytest.param(
            "openai/gpt-4o",
            {"usage": tokens(1000, 100, cached_read_tokens=400), "tier": "batch"},
            {
                "total": "0.00175",
                "input": "0.00125",
                "output": "0.0005",
                "input_tokens": "0.00075",
                "cache_read_tokens": "0.0005",
                "output_tokens": "0.0005",
            },
            id="gpt-4o batch",
        ),
        # audio 100 × 32.00, text 20 × 2.50; audio 300 × 64.00, text 40 × 10.00
        pytest.param(
            "openai/gpt-audio",
            {"usage": tokens(120, 340, audio_tokens=100, text_tokens=20, output={"audio_tokens": 300})},
            {
                "total": "0.02285",
                "input": "0.00325",
                "output": "0.0196",
                "input_tokens": "0.00005",
                "input_audio_tokens": "0.0032",
                "output_tokens": "0.0004",
                "output_audio_tokens": "0.0192",
            },
            id="gpt-audio by modality",
        ),
        # 8 × 0.02
        pytest.param(
            "openai/text-embedding-3-small",
            {"usage": tokens(8, 0)},
            {"total": "0.00000016", "input": "0.00000016", "output": "0", "input_tokens": "0.00000016"},
            id="an embedding",
        ),
        # 10 × 1.00 + 12.00 per thousand requests; 336 × 1.00
        pytest.param(
            "perplexity/sonar",
            {"usage": tokens(10, 336, output={"num_search_queries": 2}), "at": IN_MARCH},
            {
                "total": "0.012346",
                "input": "0.01201",
                "output": "0.000336",
                "input_tokens": "0.00001",
                "requests": "0.012",
                "output_tokens": "0.000336",
            },
            id="sonar with its fee, searches included",
        ),
    ],
)
def test_a_list_price_is_what_the_provider_charges(model: str, asked: dict[str, Any], expected: dict[str, str]) -> None:
    """ECOSYSTEM §3.2; SYMPTOMS 8 to 12."""
    assert bill(price_list().quote(call(model, **asked))) == expected


SUMMED = tokens(180_000, 1_000)
ASIDE = {"compaction": tokens(150_000, 2_000), "advisors": {"claude-opus-4-7": tokens(2_000, 300)}}


@pytest.mark.parametrize(
    ("model", "usage", "total"),
    [
        # each prompt is below the step at 200,000: 330,000 × 3 + 3,000 × 15; 2,000 × 5 + 300 × 25
        pytest.param("claude-sonnet-4-5", SUMMED | ASIDE, "1.0525", id="samplings by themselves"),
        # 1.1 × (180,000 × 5 + 1,000 × 25)
        pytest.param("claude-opus-4-6", SUMMED | {"inference_geo": "us"}, "1.0175", id="in a place"),
        # 1.1 × (180,000 × 5 + 1,000 × 25), 1.1 × (150,000 × 5 + 2,000 × 25), 1.1 × (2,000 × 5 + 300 × 25); 10 a search
        pytest.param(
            "claude-opus-4-6",
            SUMMED | ASIDE | {"inference_geo": "us", "completion_tokens_details": {"num_search_queries": 2}},
            "1.93675",
            id="all of it in a place, but for searches",
        ),
    ],
)
def test_what_anthropic_bills_beside_the_answer(model: str, usage: dict[str, Any], total: str) -> None:
    """Compactions at the model's price, advisors at their own, US-only at 1.1 of the tokens' prices."""
    assert bill(price_list().quote(call(f"anthropic/{model}", usage)))["total"] == total


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"inference_geo": "mars"}, "unknown_inference_geo"),
        ({"advisors": {"": USED}}, "no_model"),
        ({"advisors": {"nobody": USED}}, "unknown_model"),
    ],
)
def test_a_part_without_a_price_leaves_the_whole_without(usage: dict[str, Any], expected: str) -> None:
    """Nothing is left out of a bill without a word."""
    assert why("anthropic/claude-opus-4-6", USED | usage) == expected


@pytest.mark.parametrize(
    ("at", "total"),
    [
        pytest.param(datetime(2025, 6, 9, 23, 59, 59, tzinfo=UTC), "0.05", id="10.00 and 40.00 at first"),
        pytest.param(datetime(2025, 6, 11, tzinfo=UTC), "0.01", id="2.00 and 8.00 since 2025-06-10"),
    ],
)
def test_a_request_is_priced_at_its_own_time(at: datetime, total: str) -> None:
    """A replay finds the price of then: o3 became cheaper by 80 %."""
    assert bill(price_list().quote(call("openai/o3", tokens(1000, 1000), at=at)))["total"] == total
