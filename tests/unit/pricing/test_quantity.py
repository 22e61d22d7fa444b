"""A normalised usage, counted in units that have prices; what is open stays open."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from genai_prices.data_units import unit_data

from pipeline.core.valuation import Units
from pipeline.pricing.quantity import quantities_of
from pipeline.pricing.unit import UNITS
from tests.unit.pricing.calls import call, tokens

CHAT, RESPONSES = "chat.completion", "responses"
AUDIO, TRANSCRIPTION, IMAGE = "audio.speech", "audio.transcription", "image.generation"


def counted(usage: dict[str, Any] | None, kind: str = CHAT, **units: Any) -> dict[str, Any]:
    """What was used, with the names of what is unknown."""
    used = quantities_of(call("p/m", usage, kind=kind, units=Units(**units)))
    return {**used.counts, "unknown": sorted(used.unknown)} if used.unknown else dict(used.counts)


def test_units_are_those_of_the_list() -> None:
    """Names, what a price is for, and what is part of what, as far as the list has the unit."""
    ours = {name: unit for name, unit in UNITS.items() if name in unit_data}

    assert set(UNITS) - set(ours) == {"images", "image_generations"}
    assert {name: unit.per for name, unit in ours.items()} == {name: unit_data[name]["per"] for name in ours}
    for name, unit in ours.items():
        dimensions = unit_data[name]["dimensions"].items()
        parts = {other for other in ours if dimensions < unit_data[other]["dimensions"].items()}
        assert {other for other in ours if unit.contains(ours[other])} == parts


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(tokens(5, 2), {"input_tokens": 5, "output_tokens": 2}, id="both sides"),
        pytest.param(tokens(5, 0), {"input_tokens": 5}, id="zeros are known and not listed"),
        pytest.param(
            {"prompt_tokens": 5, "total_tokens": 7}, {"input_tokens": 5, "output_tokens": 2}, id="the rest of the total"
        ),
        pytest.param(
            {"completion_tokens": 2, "total_tokens": 7}, {"input_tokens": 5, "output_tokens": 2}, id="the other rest"
        ),
        pytest.param(
            {"prompt_tokens": 9, "total_tokens": 7}, {"input_tokens": 9, "unknown": ["output_tokens"]}, id="no rest"
        ),
        pytest.param({"completion_tokens": 2}, {"output_tokens": 2, "unknown": ["input_tokens"]}, id="one side"),
        pytest.param(
            {"prompt_tokens": True, "completion_tokens": 2.5}, {"unknown": ["input_tokens", "output_tokens"]}, id="odd"
        ),
        pytest.param(
            tokens(9, 4, cached_read_tokens=3, cached_write_tokens=2, output={"reasoning_tokens": 1}),
            {
                "input_tokens": 9,
                "output_tokens": 4,
                "cache_read_tokens": 3,
                "cache_write_tokens": 2,
                "output_reasoning_tokens": 1,
            },
            id="cache and reasoning",
        ),
        pytest.param(
            tokens(9, 4, audio_tokens=3, image_tokens=2, video_tokens=1, output={"citation_tokens": 2}),
            {
                "input_tokens": 9,
                "output_tokens": 4,
                "input_audio_tokens": 3,
                "input_image_tokens": 2,
                "input_video_tokens": 1,
                "output_citation_tokens": 2,
            },
            id="modalities and citations",
        ),
        pytest.param(
            tokens(9, 4, cached_read_tokens=9, audio_tokens=3),
            {
                "input_tokens": 9,
                "output_tokens": 4,
                "cache_read_tokens": 9,
                "input_audio_tokens": 3,
                "cache_audio_read_tokens": 3,
            },
            id="all of it was cached",
        ),
        pytest.param(
            tokens(9, 4, cached_read_tokens=5, audio_tokens=9),
            {
                "input_tokens": 9,
                "output_tokens": 4,
                "cache_read_tokens": 5,
                "input_audio_tokens": 9,
                "cache_audio_read_tokens": 5,
            },
            id="all of it was sound",
        ),
        pytest.param(
            tokens(9, 4, cached_read_tokens=5, audio_tokens=6, cached_tokens_details={"audio_tokens": 2}),
            {
                "input_tokens": 9,
                "output_tokens": 4,
                "cache_read_tokens": 5,
                "input_audio_tokens": 6,
                "cache_audio_read_tokens": 2,
            },
            id="told",
        ),
        pytest.param(
            tokens(9, 4, cached_read_tokens=5, audio_tokens=6),
            {
                "input_tokens": 9,
                "output_tokens": 4,
                "cache_read_tokens": 5,
                "input_audio_tokens": 6,
                "unknown": ["cache_audio_read_tokens"],
            },
            id="not told",
        ),
        pytest.param(
            tokens(9, 4, output={"num_search_queries": 2}),
            {"input_tokens": 9, "output_tokens": 4, "web_searches": 2},
            id="searches",
        ),
        pytest.param(
            {
                **tokens(9, 4),
                "server_side_tool_usage_details": {"x_search_calls": 2, "web_search_calls": 0, "mcp_calls": 1},
            },
            {"input_tokens": 9, "output_tokens": 4, "social_searches": 2},
            id="tools as xAI counts them",
        ),
        pytest.param(None, {"unknown": ["input_tokens", "output_tokens"]}, id="nothing"),
    ],
)
def test_a_chat_usage_is_counted(usage: dict[str, Any] | None, expected: dict[str, Any]) -> None:
    """Parts stand beside the whole they are parts of."""
    assert counted(usage) == expected


def test_searches_of_the_usage_win_over_those_of_the_output() -> None:
    """The bill counts, the output shows."""
    usage = tokens(9, 4, output={"num_search_queries": 2})

    assert counted(usage, RESPONSES, tools={"web_searches": 5, "file_searches": 1}) == {
        "input_tokens": 9,
        "output_tokens": 4,
        "web_searches": 2,
        "storage_searches": 1,
    }


def test_speech_is_sound_and_its_measures_may_be_unknown() -> None:
    """Output is sound unless it is told apart; seconds are of the output."""
    assert counted(tokens(7, 42), AUDIO) == {
        "input_tokens": 7,
        "output_tokens": 42,
        "output_audio_tokens": 42,
        "unknown": ["audio_seconds", "input_characters", "output_audio_seconds"],
    }
    assert counted(tokens(7, 42, output={"text_tokens": 2}), AUDIO, characters=5, seconds=Decimal("1.5")) == {
        "input_tokens": 7,
        "output_tokens": 42,
        "output_audio_tokens": 40,
        "input_characters": 5,
        "audio_seconds": Decimal("1.5"),
        "output_audio_seconds": Decimal("1.5"),
    }
    assert counted(tokens(7, 42, output={"audio_tokens": 30}), AUDIO, characters=5, seconds=Decimal(0)) == {
        "input_tokens": 7,
        "output_tokens": 42,
        "output_audio_tokens": 30,
        "input_characters": 5,
    }


def test_a_transcription_hears_what_it_is_not_told_to_read() -> None:
    """The prompt is sound, but for text that is told apart; without any word about it, it is open."""
    assert counted(tokens(16, 5, text_tokens=2), TRANSCRIPTION, seconds=Decimal(3)) == {
        "input_tokens": 16,
        "output_tokens": 5,
        "input_audio_tokens": 14,
        "audio_seconds": Decimal(3),
        "input_audio_seconds": Decimal(3),
    }
    assert counted(tokens(16, 5, cached_read_tokens=4), TRANSCRIPTION)["unknown"] == [
        "audio_seconds",
        "cache_audio_read_tokens",
        "input_audio_seconds",
        "input_audio_tokens",
    ]
    assert counted(tokens(0, 5), TRANSCRIPTION, seconds=Decimal(3)) == {
        "output_tokens": 5,
        "audio_seconds": Decimal(3),
        "input_audio_seconds": Decimal(3),
    }


def test_images_are_counted_and_their_tokens_are_pictures() -> None:
    """Output, unless told apart; what the prompt showed must be told."""
    assert counted(tokens(50, 1056, text_tokens=50, image_tokens=0), IMAGE, images=1) == {
        "input_tokens": 50,
        "output_tokens": 1056,
        "output_image_tokens": 1056,
        "images": 1,
    }
    assert counted(None, IMAGE)["unknown"] == ["images", "input_tokens", "output_tokens"]


def test_sound_in_a_chat_is_heard() -> None:
    """Mistral counts its seconds beside the tokens."""
    assert counted(tokens(9, 4), CHAT, seconds=Decimal(9)) == {
        "input_tokens": 9,
        "output_tokens": 4,
        "audio_seconds": Decimal(9),
        "input_audio_seconds": Decimal(9),
    }
