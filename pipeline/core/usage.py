"""Token usage in one shape, that of BifrostLLMUsage (WIRE §4), and its arithmetic.

Usage is read, never summed over chunks (S-META-1); sums are for attempts, differences for revisions.  What its figures
include is brought to one convention by pipeline.core.convention.
Imports pipeline.core, schemas and the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, TypeGuard

from pipeline.core.convention import Origin, reconciled, row_of
from pipeline.core.dialect import COMPLETION_TABLES, PROMPT_TABLES, apart, translate
from pipeline.core.output import Json
from schemas.chunk import StreamType
from schemas.leaves import MAX_INTEGER

_PROMPT_LEAVES: Final = ("text_tokens", "audio_tokens", "image_tokens", "cached_read_tokens", "cached_write_tokens")
_WRITE_LEAVES: Final = ("cached_write_tokens_5m", "cached_write_tokens_1h")
_COMPLETION_LEAVES: Final = (
    "text_tokens",
    "accepted_prediction_tokens",
    "audio_tokens",
    "citation_tokens",
    "num_search_queries",
    "reasoning_tokens",
    "image_tokens",
    "rejected_prediction_tokens",
)
_PROMPT_PARTS: Final = (*PROMPT_TABLES, "cached_tokens")
_COMPLETION_OUTSIDE: Final = ("citation_tokens", "num_search_queries", "reasoning_tokens")
"""Details that some providers leave outside the table."""

_COMPLETION_PARTS: Final = (*COMPLETION_TABLES, *_COMPLETION_OUTSIDE)
_COST_LEAVES: Final = ("input_cost", "output_cost", "additional_cost", "total_cost")
_COST_DETAILS: Final = ("input_cost_details", "output_cost_details", "additional_cost_details")
_FLAT_INPUT: Final = (("input_tokens_cost", "text_cost"), ("request_cost", "request_cost"))
_FLAT_OUTPUT: Final = (
    ("output_tokens_cost", "text_cost"),
    ("reasoning_tokens_cost", "reasoning_cost"),
    ("citation_tokens_cost", "citation_cost"),
    ("search_queries_cost", "search_queries_cost"),
)
_FLAT_CACHED: Final = "cache_read_tokens_cost"
_FLAT: Final = frozenset({name for name, _ in (*_FLAT_INPUT, *_FLAT_OUTPUT)} | {_FLAT_CACHED})
_TICKS_EXPONENT: Final = -10
"""10^10 of cost_in_usd_ticks are one dollar (WIRE §4)."""

_ORDER: Final = (
    *("prompt_tokens", "prompt_tokens_details", "completion_tokens", "completion_tokens_details"),
    *("total_tokens", "cost", "audio_seconds", "search_units", "cost_in_usd_ticks"),
    *_COMPLETION_LEAVES,
    *("cached_read_tokens", "cached_write_tokens", "cached_write_token_details", *_WRITE_LEAVES),
    *("input_cost", "input_cost_details", "output_cost", "output_cost_details"),
    *("additional_cost", "additional_cost_details", "total_cost"),
    *("text_cost", "audio_cost", "image_cost", "cached_read_cost", "cached_write_cost", "request_cost"),
    *("reasoning_cost", "citation_cost", "search_queries_cost"),
)
_RANK: Final = {name: rank for rank, name in enumerate(_ORDER)}
TOKENS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
_PLAIN: Final = frozenset(TOKENS)
"""Keys of a usage that is already as it should be."""

NOBODY: Final = Origin()
GEO: Final = "inference_geo"
"""Where the answer had to be computed (Claude API, Data residency), in a usage only if that was asked for."""
COMPACTION: Final = "compaction"
"""Usage, inside of a usage, of the summary that a provider made of the conversation so far."""
ADVISORS: Final = "advisors"
"""Usages, inside of a usage, of models that the answering one asked, by their names."""

_OURS: Final = frozenset({GEO, COMPACTION, ADVISORS})
"""Names under which nothing is taken over as it is."""
_ANYWHERE: Final = ("", "global", "not_available")


def stated_usage(stream_type: str, response: Any) -> Any:
    """What a payload states of usage, as it is; Groq puts it into x_groq, and beside it only when asked to."""
    if stream_type == StreamType.RESPONSES:
        return None if response.response is None else response.response.get("usage")
    usage = response.usage
    if usage is None and getattr(response, "x_groq", None):
        usage = response.x_groq.get("usage")
    if usage and getattr(response, GEO, None):
        return {GEO: response.inference_geo, **usage}
    return usage


def is_partial(stream_type: str, raw: Any) -> bool:
    """Whether a usage leaves one side to an earlier chunk: Anthropic's events may state what changed (symptom 7)."""
    if stream_type != StreamType.CHAT or not isinstance(raw, dict) or not raw.keys().isdisjoint(TOKENS):
        return False
    return (raw.get("input_tokens") is None) != (raw.get("output_tokens") is None)


def llm_usage(stream_type: str, raw: Any, origin: Origin = NOBODY) -> tuple[Json | None, int]:
    """A stated usage, normalised: the names of WIRE §4, the convention of pipeline.core.convention.

    Only keys that are present, in the order of the wire.  Aliases of other stream types and providers are resolved
    (S-META-5, S-RESP-10, S-AUDIO-3, S-TR-5, S-IMG-7), unknown numbers kept under their own names, a missing total is
    computed when both parts are known.  Chat and text usage with a total of 0 is none (S-META-3), nor is a duration.

    Args:
        stream_type: of the chunk.
        raw: of `stated_usage`.
        origin: who counted.

    Returns:
        The usage or None, and how many leaves of unexpected shape were dropped.
    """
    if raw is None:
        return None, 0
    if not isinstance(raw, dict):
        return None, 1
    if _is_plain(raw):
        return {name: raw[name] for name in TOKENS}, 0
    reader = _Reader()
    fields, dialect = translate(raw)
    usage = _tidy(reconciled(reader.usage(fields), row_of(origin, dialect, stream_type)))
    if stream_type in (StreamType.CHAT, StreamType.TEXT) and usage.get("total_tokens", True) == 0:
        return None, reader.odd
    if stream_type == StreamType.TRANSCRIPTION and not any(name in usage for name in TOKENS):
        return None, reader.odd
    if usage and (place := _kept_in(raw)) is not None:
        usage[GEO] = place
    return (usage | _apart(raw) if "iterations" in raw else usage) or None, reader.odd


def _kept_in(raw: Json) -> str | None:
    """Where the request asked to be computed; nothing where it did not ask."""
    place = raw.get(GEO)
    word = place.lower() if isinstance(place, str) else ""
    return None if word in _ANYWHERE else word


def _apart(raw: Json) -> Json:
    """What was sampled beside the answer, each in the form of a usage: by the answer's model, and by advisors'."""
    found: Json = {}
    advisors: Json = {}
    for model, sampling in apart(raw):
        counted, _ = llm_usage(StreamType.CHAT, sampling)
        table, name = (found, COMPACTION) if model is None else (advisors, model)
        if counted is not None:
            table[name] = add_usage(table.get(name), counted)
    return found | ({ADVISORS: _ordered(advisors)} if advisors else {})


def _is_plain(raw: Json) -> bool:
    """Whether a usage is as it should be: three counts that add up."""
    if raw.keys() != _PLAIN or not all(type(value) is int and 0 < value <= MAX_INTEGER for value in raw.values()):
        return False
    return bool(raw["prompt_tokens"] + raw["completion_tokens"] == raw["total_tokens"])


def _tidy(usage: Json) -> Json:
    """In the order of the wire, details too; details without anything are left out."""
    found = {name: _ordered(value) if isinstance(value, dict) else value for name, value in usage.items()}
    return _ordered({name: value for name, value in found.items() if value != {}})


def add_usage(first: Json | None, second: Json | None) -> Json | None:
    """The sum of two normalised usages; None is nothing, and nothing plus nothing is None."""
    if first is None or second is None:
        return second if first is None else first
    return _combine(first, second, 1)


def subtract_usage(first: Json | None, second: Json | None) -> Json | None:
    """The first minus the second, null counting as 0 (CONTRACT §4); None only when both are None."""
    if first is None and second is None:
        return None
    return _combine(first or {}, second or {}, -1)


def _combine(first: Json, second: Json, sign: int) -> Json:
    total: Json = {}
    for name in first.keys() | second.keys():
        one, other = first.get(name), second.get(name)
        if isinstance(one, dict) or isinstance(other, dict):
            total[name] = _combine(one if isinstance(one, dict) else {}, other if isinstance(other, dict) else {}, sign)
        elif isinstance(one, bool | str) or isinstance(other, bool | str):
            total[name] = other if one is None else one
        else:
            total[name] = _sum((one or 0, sign * (other or 0)))
    return _ordered(total)


def _sum(numbers: Iterable[float]) -> float:
    """A sum as a person would write it: 0.1 + 0.2 is 0.3; integers stay integers."""
    listed = list(numbers)
    if all(isinstance(number, int) for number in listed):
        return sum(listed)
    return float(sum((Decimal(repr(number)) for number in listed), Decimal(0)))


def _ordered(fields: Json) -> Json:
    return {name: fields[name] for name in sorted(fields, key=lambda name: (_RANK.get(name, len(_RANK)), name))}


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


class _Reader:
    """Reads one usage; `odd` counts the leaves it had to drop."""

    def __init__(self) -> None:
        self.odd = 0

    def usage(self, raw: Json) -> Json:
        rest = {name: value for name, value in raw.items() if name not in _OURS}
        found: Json = {
            "prompt_tokens": self.count(_first(rest, "prompt_tokens", "input_tokens")),
            "completion_tokens": self.count(_first(rest, "completion_tokens", "output_tokens")),
            "total_tokens": self.count(rest.pop("total_tokens", None)),
            "prompt_tokens_details": self.prompt(rest),
            "completion_tokens_details": self.completion(rest),
            "cost": self.cost(rest.pop("cost", None)),
        }
        ticks = rest.get("cost_in_usd_ticks")
        if found["cost"] is None and _is_number(ticks) and ticks > 0:
            found["cost"] = {"total_cost": float(Decimal(ticks).scaleb(_TICKS_EXPONENT))}
        return _units(rest) | {name: value for name, value in found.items() if value is not None}

    def prompt(self, rest: Json) -> Json | None:
        if rest.keys().isdisjoint(_PROMPT_PARTS):
            return None
        raw = self.table(_first(rest, *PROMPT_TABLES))
        cached, written = (_first(raw, name) for name in ("cached_tokens", "cache_write_tokens"))
        outer = rest.pop("cached_tokens", None)
        writes = self.table(raw.pop("cached_write_token_details", None))
        found = {name: self.count(raw.pop(name, None)) for name in _PROMPT_LEAVES}
        if not found["cached_read_tokens"] and not found["cached_write_tokens"]:
            alias = self.count(outer if cached is None else cached)
            found["cached_read_tokens"] = found["cached_read_tokens"] if alias is None else alias
        if not found["cached_write_tokens"] and written is not None:
            found["cached_write_tokens"] = self.count(written)
        split = {name: self.count(writes.pop(name, None)) for name in _WRITE_LEAVES}
        details = _units(raw) | {name: value for name, value in found.items() if value is not None}
        if inner := _units(writes) | {name: value for name, value in split.items() if value is not None}:
            details["cached_write_token_details"] = _ordered(inner)
        return _ordered(details) or None

    def completion(self, rest: Json) -> Json | None:
        if rest.keys().isdisjoint(_COMPLETION_PARTS):
            return None
        raw = self.table(_first(rest, *COMPLETION_TABLES))
        for name in _COMPLETION_OUTSIDE:
            outer = rest.pop(name, None)
            if raw.get(name) is None:
                raw[name] = outer
        found = {name: self.count(raw.pop(name, None)) for name in _COMPLETION_LEAVES}
        return _ordered(_units(raw) | {name: value for name, value in found.items() if value is not None}) or None

    def cost(self, raw: Any) -> Json | None:
        """The object form; a bare number is the total, the old flat form is brought into the nested one (S-META-5)."""
        if raw is None:
            return None
        if _is_number(raw):
            total = self.amount(raw)
            return None if total is None else {"total_cost": total}
        rest = self.table(raw)
        flat = {name: self.amount(rest.pop(name)) for name in _FLAT & rest.keys()}
        found: Json = {name: self.amount(rest.pop(name, None)) for name in _COST_LEAVES}
        for name in _COST_DETAILS:
            table = {leaf: self.amount(value) for leaf, value in self.table(rest.pop(name, None)).items()}
            found[name] = _ordered({leaf: value for leaf, value in table.items() if value is not None}) or None
        nested = {name: value for name, value in found.items() if value is not None}
        return _ordered(_units(rest) | _unflattened(flat) | nested) or None

    def table(self, value: Any) -> Json:
        """A copy of an object; anything else but null is odd."""
        if isinstance(value, dict):
            return dict(value)
        self.odd += value is not None
        return {}

    def count(self, value: Any) -> int | None:
        """A whole number of at least 0; anything else but null is odd."""
        if _is_number(value) and 0 <= value <= MAX_INTEGER and value == int(value):
            return int(value)
        self.odd += value is not None
        return None

    def amount(self, value: Any) -> float | None:
        """A number of at least 0; anything else but null is odd."""
        if _is_number(value) and value >= 0:
            return value
        self.odd += value is not None
        return None


def _first(fields: Json, *names: str) -> Any:
    """The first of these fields that is not null; all of them are taken out."""
    found = [fields.pop(name, None) for name in names]
    return next((value for value in found if value is not None), None)


def _units(fields: Json) -> Json:
    """The numbers and flags among unknown fields, also one level down; what else they hold is ignored."""
    kept: Json = {name: value for name, value in fields.items() if isinstance(value, int | float)}
    tables = ((name, value) for name, value in fields.items() if isinstance(value, dict))
    for name, table in tables:
        if inner := {leaf: value for leaf, value in table.items() if isinstance(value, int | float)}:
            kept[name] = _ordered(inner)
    return _ordered(kept)


def _unflattened(flat: dict[str, float | None]) -> Json:
    """The nested form of a flat cost: a request's surcharge counts as input; searches and citations as output."""
    nested: Json = {}
    for side, parts in (("input", _FLAT_INPUT), ("output", _FLAT_OUTPUT)):
        details = {leaf: flat[name] for name, leaf in parts if flat.get(name) is not None}
        if details:
            nested[f"{side}_cost"] = _sum(value for value in details.values() if value is not None)
            nested[f"{side}_cost_details"] = _ordered(details)
    cached = flat.get(_FLAT_CACHED)
    if cached is not None:
        details = nested.setdefault("input_cost_details", {})
        details["cached_read_cost"] = cached
        if "text_cost" in details:
            details["text_cost"] = _sum((details["text_cost"], -cached))
        nested["input_cost_details"] = _ordered(details)
    return nested
