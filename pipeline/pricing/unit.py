"""What can be counted and has a price: names, the number of units that a price is for, and what is part of what.

Owns the table of units.  Names and amounts are those of genai-prices where it has the unit (a test compares them), so
that one arithmetic serves the price list and overlays.  Imports the standard library only.
"""

from __future__ import annotations

from typing import Final, NamedTuple

INPUT: Final = "input"
OUTPUT: Final = "output"

TOKENS: Final = "tokens"
CHARACTERS: Final = "characters"
DURATIONS: Final = "durations"
IMAGES: Final = "images"
REQUESTS: Final = "requests"
TOOLS: Final = "tools"

MILLION: Final = 1_000_000


class Unit(NamedTuple):
    """Something that is counted.

    Attributes:
        name: as counts and prices have it.
        key: as an overlay file has it; null for what no overlay prices by itself.
        per: units that a price of the price list is for; overlays are per million throughout.
        side: part of the bill; what has no direction of its own is of the side it is caused by.
        family: tokens · characters · durations · images · requests · tools; only tools of one kind are alike.
        marks: what is counted; a unit with more marks is a part of one with fewer of the same.
        least: USD per million below which a price can't be meant: it was written per single unit.
    """

    name: str
    key: str | None
    per: int
    side: str
    family: str
    marks: frozenset[str]
    least: str = "0.001"

    def contains(self, other: Unit) -> bool:
        """Whether the other is a part of this one."""
        return self.family == other.family and self.marks < other.marks


def _tokens(name: str, key: str | None, side: str, *marks: str) -> Unit:
    return Unit(name, key, MILLION, side, TOKENS, frozenset((TOKENS, side, *marks)))


def _sound(name: str, key: str | None, side: str, *marks: str) -> Unit:
    return Unit(name, key, 3_600, side, DURATIONS, frozenset((DURATIONS, *marks)), "0.1")


def _calls(name: str, key: str) -> Unit:
    return Unit(name, key, 1_000, OUTPUT, TOOLS, frozenset((name,)), "1")


_TABLE: Final = (
    _tokens("input_tokens", "input", INPUT),
    _tokens("output_tokens", "output", OUTPUT),
    _tokens("cache_read_tokens", "cache_read", INPUT, "read"),
    _tokens("cache_write_tokens", "cache_write", INPUT, "write"),
    _tokens("cache_write_5m_tokens", "cache_write_5m", INPUT, "write", "5m"),
    _tokens("cache_write_1h_tokens", "cache_write_1h", INPUT, "write", "1h"),
    _tokens("input_audio_tokens", "input_audio", INPUT, "audio"),
    _tokens("input_image_tokens", "input_image", INPUT, "image"),
    _tokens("input_video_tokens", "input_video", INPUT, "video"),
    _tokens("cache_audio_read_tokens", "cache_read_audio", INPUT, "read", "audio"),
    _tokens("cache_image_read_tokens", "cache_read_image", INPUT, "read", "image"),
    _tokens("cache_video_read_tokens", "cache_read_video", INPUT, "read", "video"),
    _tokens("output_audio_tokens", "output_audio", OUTPUT, "audio"),
    _tokens("output_image_tokens", "output_image", OUTPUT, "image"),
    _tokens("output_video_tokens", "output_video", OUTPUT, "video"),
    _tokens("output_reasoning_tokens", "reasoning", OUTPUT, "reasoning"),
    _tokens("output_citation_tokens", "citation", OUTPUT, "citation"),
    Unit("input_characters", "characters", MILLION, INPUT, CHARACTERS, frozenset((CHARACTERS,)), "0.01"),
    _sound("audio_seconds", "seconds", INPUT),
    _sound("input_audio_seconds", None, INPUT, "in"),
    _sound("output_audio_seconds", None, OUTPUT, "out"),
    Unit("images", "images", MILLION, OUTPUT, IMAGES, frozenset((IMAGES,)), "1"),
    Unit("requests", "requests", 1_000, INPUT, REQUESTS, frozenset((REQUESTS,)), "1"),
    _calls("web_searches", "web_searches"),
    _calls("social_searches", "social_searches"),
    _calls("storage_searches", "file_searches"),
    _calls("code_executions", "code_executions"),
    _calls("image_generations", "image_generations"),
)

UNITS: Final = {unit.name: unit for unit in _TABLE}
"""All units by name."""

KEYS: Final = {unit.key: unit for unit in _TABLE if unit.key is not None}
"""Those that an overlay prices, by the key that it has for them."""

MODALITIES: Final = ("audio", "image", "video")
