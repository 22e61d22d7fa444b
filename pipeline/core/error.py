"""Errors in one shape, that of a BifrostError (WIRE §3), whether handed in or found inside a stream (S-ERR-5).

Imports pipeline.core.{output,text}, schemas.chunk and the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pipeline.core.output import Json
from pipeline.core.text import mend_json
from schemas.chunk import StreamType

CANCELLED: Final = "request_cancelled"
"""`type` of the error by which a caller's cancellation is told."""

_OUTSIDE: Final = ("event_id", "type", "is_bifrost_error", "status_code", "extra_fields")
_INSIDE: Final = ("type", "code", "message", "error", "param", "event_id")
_KNOWN: Final = frozenset((*_OUTSIDE, *_INSIDE))
_EXTRA_KEPT: Final = (
    *("provider", "model_requested", "original_model_requested", "resolved_model_used", "request_type"),
    *("converted_request_type", "latency", "billed_usage", "error_type"),
)
_SCALARS: Final = (str, int, float)
_MOST: Final = 1 << 31
"""Bound of a status code: far above any, and every reader keeps it exact."""

_TEXTS: Final = frozenset({"event_id", "type", "message", "error"})


def bifrost_error(value: Any) -> tuple[Json, int]:
    """Bring an error into normal form.

    Args:
        value: a BifrostError, an object {message, type, code, param}, a bare text, or whatever a provider sent instead.

    Returns:
        The error (`is_bifrost_error` and `error.message` always there, codes as text, unknown fields kept) and how many
        leaves of unexpected shape were dropped.
    """
    outside, inside, odd = _parts(value)
    error: Json = {}
    for name, leaf in _in_order(outside, _OUTSIDE):
        kept, wrong = _leaf(name, leaf)
        odd += wrong
        if kept is not None:
            error[name] = kept
    error.setdefault("is_bifrost_error", False)
    body: Json = {}
    for name, leaf in _in_order(inside, _INSIDE):
        kept, wrong = _leaf(name, leaf)
        odd += wrong
        if kept is not None:
            body[name] = kept
    body.setdefault("message", "")
    error["error"] = body
    normal: Json = mend_json(error)
    return normal, odd


def payload_error(stream_type: str, response: Any) -> tuple[Json | None, int]:
    """The error that a payload itself reports: `error` in it, a Responses `error` event or `response.failed` (S-ERR-5).

    Returns:
        The error in normal form, or None; and how many of its leaves were dropped.
    """
    reported = response.error or _groq_error(response)
    if stream_type == StreamType.RESPONSES:
        if response.type == "response.failed":
            reported = (response.response or {}).get("error") or reported or {}
        elif response.type == "error":
            reported = reported or {name: getattr(response, name) for name in ("code", "message", "param")}
        elif not reported:
            return None, 0
    elif not reported:
        if getattr(response, "type", None) != "error":
            return None, 0
        reported = {}
    return bifrost_error(reported)


def is_faulty(response: Any) -> bool:
    """Whether a chat or text completion payload reports an error; Groq writes it under `x_groq`."""
    return bool(response.error or _groq_error(response))


def _groq_error(response: Any) -> Any:
    own = getattr(response, "x_groq", None)
    return None if own is None else own.get("error")


def is_cancelled(error: Json) -> bool:
    """Whether an error in normal form says that the caller gave up: the record is `incomplete` then (CONTRACT §2)."""
    return error.get("type") == CANCELLED or error["error"].get("type") == CANCELLED


def without_content(value: Any) -> Any:
    """An error of any shape without what may quote a request: raw requests and responses, fields that nobody knows.

    Type, code, message and billed usage stay. What was odd stays odd, and what was an error stays one.
    """
    if not value or isinstance(value, _SCALARS):
        return value
    if not isinstance(value, dict):
        return [None]
    return {name: _quiet(name, leaf) for name, leaf in value.items() if name in _KNOWN} or {"message": ""}


def _quiet(name: str, leaf: Any) -> Any:
    if leaf is None or isinstance(leaf, _SCALARS):
        return leaf
    if name == "error" and isinstance(leaf, dict):
        return without_content(leaf)
    if name == "extra_fields" and isinstance(leaf, dict):
        return {name: leaf[name] for name in _EXTRA_KEPT if name in leaf}
    return []


def _parts(value: Any) -> tuple[Json, Json, int]:
    """What belongs outside and inside of `error`; of a flat object all but the outer names belongs inside."""
    if not isinstance(value, dict):
        return ({}, {"message": value}, 0) if isinstance(value, str) else ({}, {}, 1)
    body = value.get("error")
    if isinstance(body, dict):
        return {name: leaf for name, leaf in value.items() if name != "error"}, body, 0
    outside: Json = {name: value[name] for name in _OUTSIDE if name in value and name != "type"}
    inside = {name: leaf for name, leaf in value.items() if name not in outside}
    if isinstance(body, str) and not value.get("message"):
        inside["message"] = inside.pop("error")
    return outside, inside, 0


def _in_order(fields: Json, known: tuple[str, ...]) -> Iterable[tuple[str, Any]]:
    """Fields in the order of the wire, unknown ones after them by name."""
    for name in (*known, *sorted(fields.keys() - set(known))):
        if name in fields:
            yield name, fields[name]


def _leaf(name: str, leaf: Any) -> tuple[Any, int]:
    """A leaf in its type, or None and 1 when it has another one; null is absent."""
    if leaf is None:
        return None, 0
    if name == "code":
        return _code(leaf)
    if name == "status_code":
        number = isinstance(leaf, int | float) and not isinstance(leaf, bool)
        return (int(leaf), 0) if number and abs(leaf) <= _MOST and leaf == int(leaf) else (None, 1)
    wanted = str if name in _TEXTS else {"is_bifrost_error": bool, "extra_fields": dict}.get(name, object)
    return (leaf, 0) if isinstance(leaf, wanted) else (None, 1)


def _code(leaf: Any) -> tuple[str | None, int]:
    """A code as text; providers send numbers too (WIRE §3)."""
    if isinstance(leaf, str):
        return leaf, 0
    if isinstance(leaf, int | float) and not isinstance(leaf, bool):
        return str(int(leaf) if leaf == int(leaf) else leaf), 0
    return None, 1
