"""What a call used, counted in units that prices are for.

Owns the way from a normalised usage (input with cache reads and writes, output with reasoning) and from what was used
beside tokens to counts by name of unit, and what is not known.  Nothing is guessed: where a usage leaves open how much
of it was sound, and a price depends on it, the call has no price.  Imports the units.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from pipeline.core.valuation import Call, Units
from pipeline.pricing.unit import KEYS, MODALITIES
from schemas.chunk import StreamType

Number = int | Decimal
Json = Mapping[str, Any]

_NATIVE: Final[Mapping[str, frozenset[str]]] = {
    StreamType.AUDIO: frozenset(("output_audio_tokens",)),
    StreamType.TRANSCRIPTION: frozenset(("input_audio_tokens",)),
    StreamType.IMAGE: frozenset(("output_image_tokens",)),
}
"""Tokens that a stream of that type consists of: the plain price of such a model is theirs."""

_OPEN_INPUT: Final[Mapping[str, tuple[str, ...]]] = {StreamType.TRANSCRIPTION: ("audio",), StreamType.IMAGE: ("image",)}
"""Modalities that may be in a prompt of that type without the usage saying so."""

_ALL_OUTPUT: Final[Mapping[str, str]] = {StreamType.AUDIO: "audio", StreamType.IMAGE: "image"}
"""What the output of that type is, unless the usage says otherwise."""

_SERVER_TOOLS: Final = {
    "web_search_calls": "web_searches",
    "x_search_calls": "social_searches",
    "file_search_calls": "file_searches",
    "code_interpreter_calls": "code_executions",
    "image_generation_calls": "image_generations",
}
"""Calls of server-side tools as xAI's usage counts them (`server_side_tool_usage_details`)."""

_INPUT: Final = {name: (f"{name}_tokens", f"input_{name}_tokens", f"cache_{name}_read_tokens") for name in MODALITIES}
"""By modality: leaf of the details, unit, unit of what of it was read from the cache."""

_LIFETIMES: Final = "cached_write_token_details"
_TOOL_TABLE: Final = "server_side_tool_usage_details"
_QUERIES: Final = "num_search_queries"
_MEDIA: Final = frozenset((StreamType.AUDIO, StreamType.TRANSCRIPTION, StreamType.IMAGE))
_NO_UNITS: Final = Units()
_NO_NATIVE: Final[frozenset[str]] = frozenset()


class Quantities(NamedTuple):
    """What was used.

    Attributes:
        counts: by name of unit, above 0.
        unknown: units that may have been used, nobody says how many.
        native: tokens of the stream's own kind.
        spoken: sound is output, not input.
    """

    counts: dict[str, Number]
    unknown: set[str]
    native: frozenset[str] = _NO_NATIVE
    spoken: bool = False


def quantities_of(call: Call) -> Quantities:
    """Count what a call used."""
    kind = call.stream_type
    used = Quantities({}, set(), _NATIVE.get(kind, _NO_NATIVE), kind == StreamType.AUDIO)
    usage = call.usage or {}
    inside, outside = _table(usage, "prompt_tokens_details"), _table(usage, "completion_tokens_details")
    prompt, completion = _sides(usage)
    _put(used, "input_tokens", prompt)
    if inside or kind in _OPEN_INPUT:
        _count_input(used, kind, prompt, inside)
    _put(used, "output_tokens", completion)
    if outside or kind in _ALL_OUTPUT:
        _count_output(used, kind, completion, outside)
    if call.units != _NO_UNITS or kind in _MEDIA:
        _count_units(used, call)
    if call.units.tools or _TOOL_TABLE in usage or _QUERIES in outside:
        _count_tools(used, call, usage, outside)
    return used


def _sides(usage: Json) -> tuple[int | None, int | None]:
    """Tokens in and out; one that is missing is the rest of the total."""
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if (prompt is None) != (completion is None):
        rest = (_count(usage.get("total_tokens")) or -1) - (prompt or 0) - (completion or 0)
        if rest >= 0:
            return (rest, completion) if prompt is None else (prompt, rest)
    return prompt, completion


def _count_input(used: Quantities, kind: str, prompt: int | None, details: Json) -> None:
    read, written = _count(details.get("cached_read_tokens")), _count(details.get("cached_write_tokens"))
    if _LIFETIMES in details:
        lifetimes = _table(details, _LIFETIMES)
        short, long = (_count(lifetimes.get(f"cached_write_tokens_{name}")) or 0 for name in ("5m", "1h"))
        written = short + long if written is None else written  # some say only how long it is kept
        _put(used, "cache_write_5m_tokens", short)
        _put(used, "cache_write_1h_tokens", long)
    _put(used, "cache_read_tokens", read or 0)
    _put(used, "cache_write_tokens", written or 0)
    text, cached = _count(details.get("text_tokens")), _table(details, "cached_tokens_details")
    for modality, (name, whole, part) in _INPUT.items():
        count = _count(details.get(name))
        if count is None and prompt and modality in _OPEN_INPUT.get(kind, ()):
            count = None if text is None else max(prompt - text, 0)
        else:
            count = count or 0
        if count != 0:
            _put(used, whole, count)
            if read:
                _put(used, part, _overlap(prompt, read, count, _count(cached.get(name))))


def _overlap(prompt: int | None, read: int, count: int | None, told: int | None) -> int | None:
    """How much of a modality was read from the cache: as told, or where it can only be one number."""
    if told is not None or count is None:
        return told
    if count == prompt:
        return read
    return count if read == prompt else None


def _count_output(used: Quantities, kind: str, completion: int | None, details: Json) -> None:
    native = _ALL_OUTPUT.get(kind)
    for modality in MODALITIES:
        count = _count(details.get(f"{modality}_tokens"))
        if count is None and modality == native:  # the whole output is of that kind, but for text that is told apart
            count = max((completion or 0) - (_count(details.get("text_tokens")) or 0), 0)
        _put(used, f"output_{modality}_tokens", count or 0)
    _put(used, "output_reasoning_tokens", _count(details.get("reasoning_tokens")) or 0)
    _put(used, "output_citation_tokens", _count(details.get("citation_tokens")) or 0)


def _count_units(used: Quantities, call: Call) -> None:
    """What is counted beside tokens; only a stream of a kind leaves the measure of its kind unknown."""
    units, kind = call.units, call.stream_type
    if units.characters is not None or kind == StreamType.AUDIO:
        _put(used, "input_characters", units.characters)
    if units.seconds is not None or kind in (StreamType.AUDIO, StreamType.TRANSCRIPTION):
        _put(used, "audio_seconds", units.seconds)
        _put(used, "output_audio_seconds" if used.spoken else "input_audio_seconds", units.seconds)
    if units.images is not None or kind == StreamType.IMAGE:
        _put(used, "images", units.images)


def _count_tools(used: Quantities, call: Call, usage: Json, output: Json) -> None:
    """Calls of tools: as the usage counts them, else as the output shows them."""
    tools = dict(call.units.tools or {})
    stated = _table(usage, _TOOL_TABLE)
    tools |= {tool: count for name, tool in _SERVER_TOOLS.items() if (count := _count(stated.get(name))) is not None}
    if (queries := _count(output.get(_QUERIES))) is not None:
        tools["web_searches"] = queries
    for tool, count in tools.items():
        _put(used, KEYS[tool].name, count)


def _put(used: Quantities, name: str, count: Number | None) -> None:
    if count is None:
        used.unknown.add(name)
    elif count:
        used.counts[name] = count


def _table(fields: Json, name: str) -> Json:
    found = fields.get(name)
    return found if isinstance(found, dict) else {}


def _count(value: Any) -> int | None:
    """A whole number of at least 0."""
    return value if type(value) is int and value >= 0 else None
