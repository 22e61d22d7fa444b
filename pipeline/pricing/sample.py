"""Calls to try prices on: from a command line, from JSON, from records of the ledger.

Owns what is written of a call by people and records.  Imports the core.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from pipeline.core.valuation import Call, Units
from pipeline.errors import UsageError
from pipeline.pricing.recorded import attempt_in, call_in
from pipeline.pricing.unit import KEYS, MODALITIES, TOOLS
from schemas.chunk import StreamType
from schemas.leaves import parse_timestamp

Json = dict[str, Any]

_INPUT: Final = {"cache_read": "cached_read_tokens", "cache_write": "cached_write_tokens"} | {
    f"input_{modality}": f"{modality}_tokens" for modality in MODALITIES
}
_OUTPUT: Final = {"reasoning": "reasoning_tokens", "citation": "citation_tokens"} | {
    f"output_{modality}": f"{modality}_tokens" for modality in MODALITIES
}
_LIFETIMES: Final = {"cache_write_5m": "cached_write_tokens_5m", "cache_write_1h": "cached_write_tokens_1h"}
_CACHED: Final = {f"cache_read_{modality}": f"{modality}_tokens" for modality in MODALITIES}
_MOST: Final = 10**15
"""Of anything that is counted: more is a slip of the hand, and an exponent of nine digits would fill the memory."""
_MEASURES: Final = ("characters", "seconds", "images")
COUNTED: Final = (*(key for key in KEYS if key != "requests"),)
"""What can be counted on a command line, by the keys of an overlay."""


class Sample(NamedTuple):
    """What is to be priced.

    Attributes:
        name: request id of a record, else the model.
        calls: one for each attempt.
        expected: what it should cost; null where nobody says.
    """

    name: str
    calls: list[Call]
    expected: Decimal | None


def counted(counts: Mapping[str, Decimal]) -> tuple[Json, Units]:
    """Usage and units from counts by the keys of an overlay.

    Raises:
        UsageError: a key is unknown, or a count is none.
    """
    for key, count in counts.items():
        if key not in COUNTED:
            near = get_close_matches(key, COUNTED, n=1)
            hint = f"did you mean {near[0]}?" if near else "one of " + ", ".join(COUNTED)
            raise UsageError(f"nothing is counted as {key!r}", hint=hint)
        if not count.is_finite() or not 0 <= count <= _MOST or (key != "seconds" and count != int(count)):
            raise UsageError(f"{key} {count} is no count", hint="write a whole number, seconds with a point if need be")
    whole = {key: int(count) for key, count in counts.items() if key != "seconds"}
    inside = _renamed(_INPUT, whole)
    inside |= _some({"cached_write_token_details": _renamed(_LIFETIMES, whole)})
    inside |= _some({"cached_tokens_details": _renamed(_CACHED, whole)})
    usage = _some({"prompt_tokens_details": inside, "completion_tokens_details": _renamed(_OUTPUT, whole)})
    if not whole.keys() <= {*_MEASURES, *_tools()}:
        usage |= {"prompt_tokens": whole.get("input", 0), "completion_tokens": whole.get("output", 0)}
    tools = {key: count for key, count in whole.items() if key in _tools()}
    return usage, Units(whole.get("characters"), counts.get("seconds"), whole.get("images"), tools or None)


def sample_of(line: str, now: datetime) -> Sample:
    """A sample from a line of JSON.

    Args:
        line: a record, or {provider, model, usage or counts, stream_type, service_tier, start_timestamp, expect}.
        now: time of a call that names none.

    Raises:
        UsageError: it is no such object.
    """
    try:
        document = json.loads(line)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UsageError("it is no JSON object", hint="write a record, or {provider, model, usage, expect}")
    expected = document.get("expect")
    attempts = document.get("attempts") or [{}]
    calls = [_call(document | attempt, now) for attempt in attempts]
    name = document.get("request_id") or document.get("model") or "?"
    return Sample(str(name), calls, None if expected is None else amount(expected, "expect"))


def amount(value: object, name: str) -> Decimal:
    """A number or its text as a decimal.

    Raises:
        UsageError: it is none.
    """
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        number = Decimal("NaN")
    if not number.is_finite():
        raise UsageError(f"{name} {value!r} is no number", hint=f"write for example {name} 0.00028")
    return number


def _call(fields: Json, now: datetime) -> Call:
    """A call from an object's fields; what a record shows of its output is counted as the fold counts it."""
    provider, model, tier = (_text(fields, name) for name in ("provider", "model", "service_tier"))
    kind = _text(fields, "stream_type") or StreamType.CHAT.value
    if kind not in set(StreamType):
        raise UsageError(f"stream_type {kind!r} is unknown", hint="one of " + ", ".join(StreamType))
    at = _time(fields, now)
    if counts := _object(fields, "counts"):
        usage, units = counted({key: amount(count, key) for key, count in counts.items()})
        return Call(provider, model, kind, at, usage or None, tier, units)
    told = fields | {
        "token_usage": _object(fields, "token_usage") or _object(fields, "usage"),
        "error_details": _object(fields, "error_details"),
        "service_tier": tier,
        "provider": provider,
        "model": model,
        "cache_debug": None,
    }
    return call_in(attempt_in(told, at), fields, kind, at)


def _text(fields: Json, name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{name} {value!r} is no text", hint=f"write {name} in quotes")
    return value


def _object(fields: Json, name: str) -> Json | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, dict):
        raise UsageError(f"{name} is no object", hint="write it as records have it")
    return value


def _time(fields: Json, now: datetime) -> datetime:
    stated = _text(fields, "start_timestamp")
    try:
        return now if stated is None else parse_timestamp(stated)
    except ValueError:
        raise UsageError(f"start_timestamp {stated!r} is no time", hint="write 2026-01-01T00:00:00Z") from None


def _renamed(names: Mapping[str, str], counts: Mapping[str, int]) -> Json:
    return {leaf: counts[key] for key, leaf in names.items() if key in counts}


def _some(tables: Json) -> Json:
    return {name: table for name, table in tables.items() if table}


def _tools() -> frozenset[str]:
    return frozenset(key for key, unit in KEYS.items() if unit.family == TOOLS)
