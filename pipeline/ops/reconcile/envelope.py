"""The envelope of a chunk as CONTRACT §1 words it: bytes into a plain object, or the reason why it is none.

Imports msgspec, and of `schemas` only limits.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from schemas.chunk import SCHEMA_VERSION, StreamType
from schemas.decode import MAX_DEPTH
from schemas.leaves import (
    MAX_INTEGER,
    MAX_LABEL_KEY_BYTES,
    MAX_LABEL_VALUE_BYTES,
    MAX_LABELS,
    MAX_NESTING,
    MAX_REQUEST_ID_BYTES,
)

Json = dict[str, Any]

_TYPES: Final = frozenset(each.value for each in StreamType)
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]([01]\d|2[0-3])(:\d\d:\d\d)(\.\d+)?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_DIGITS: Final = 400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Refused(ValueError):
    """A value that is no chunk; the text is the reason of its dead letter (CONTRACT §3)."""


def document_of(value: bytes) -> tuple[Json, bool]:
    """The JSON object, and whether it may hold halves of characters, which the contract takes and msgspec does not."""
    halves = False
    try:
        document = msgspec.json.decode(value)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        halves = True
        try:
            document = json.loads(value, parse_constant=_no_constant, parse_int=_integer)
        except RecursionError:
            raise Refused("invalid") from None
        except ValueError:
            raise Refused("not_json") from None
    if not isinstance(document, dict):
        raise Refused("invalid")
    return document, halves


def mended(value: Any) -> Any:
    """Halves of characters as records have them: U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {mended(name): mended(child) for name, child in value.items()}
    return [mended(child) for child in value] if isinstance(value, list) else value


def _integer(digits: str) -> int:
    """Any integer: of one with thousands of digits only its size matters, and Python reads no more than 4,300."""
    return int(digits[:_DIGITS])


def _no_constant(_: str) -> float:
    raise ValueError


def check(chunk: Json) -> tuple[int, int | None]:
    """The strict envelope; its timestamp and start_timestamp in µs since the epoch.

    Raises:
        Refused: it is none.
    """
    version = chunk.get("schema_version", 1)
    if type(version) is int and version > SCHEMA_VERSION:
        raise Refused("unsupported_version")
    begun, at = chunk.get("start_timestamp"), moment(chunk.get("timestamp"))
    started = None if begun is None else moment(begun)
    fine = (
        version == SCHEMA_VERSION
        and isinstance(chunk.get("stream_type"), str)
        and chunk["stream_type"] in _TYPES
        and _is_id(chunk.get("request_id"))
        and _is_count(chunk.get("chunk_index"))
        and (begun is None or started is not None)
        and isinstance(chunk.get("provider"), str | None)
        and isinstance(chunk.get("model"), str | None)
        and isinstance(chunk.get("is_final", False), bool)
        and (chunk.get("image_index") is None or _is_count(chunk["image_index"]))
        and _is_count(chunk.get("attempt", 0))
        and isinstance(chunk.get("response"), dict | None)
        and isinstance(chunk.get("error"), dict | None)
        and (chunk.get("cost") is None or _is_number(chunk["cost"]))
        and _are_labels(chunk.get("labels", {}))
    )
    if at is None or not fine:
        raise Refused("invalid")
    return at, started


def _is_id(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return False
    return 1 <= size <= MAX_REQUEST_ID_BYTES and _CONTROL.search(value) is None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INTEGER


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= MAX_INTEGER if isinstance(value, int) else math.isfinite(value)


def _are_labels(value: Any) -> bool:
    if not value and isinstance(value, dict):
        return True
    if not isinstance(value, dict) or len(value) > MAX_LABELS:
        return False
    return all(
        isinstance(text, str) and _size(name) <= MAX_LABEL_KEY_BYTES and _size(text) <= MAX_LABEL_VALUE_BYTES
        for name, text in value.items()
    )


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def beyond(value: bytes) -> bool:
    """Whether a number is too large or something nests too deeply, anywhere: a chunk may be refused for that alone."""
    if value.count(b"{") + value.count(b"[") > MAX_DEPTH:
        return True
    todo: list[tuple[Any, int]] = [(document_of(value)[0], 0)]
    while todo:
        node, depth = todo.pop()
        if isinstance(node, dict | list):
            if depth >= MAX_NESTING:
                return True
            todo.extend((child, depth + 1) for child in (node.values() if isinstance(node, dict) else node))
        elif isinstance(node, int | float) and not isinstance(node, bool) and not _is_number(node):
            return True
    return False


def moment(text: Any) -> int | None:
    """µs since the epoch of an RFC 3339 time, fractions cut to µs; None where it is none."""
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    day, hour, rest, fraction, zone = found.groups()
    try:
        when = datetime.fromisoformat(f"{day}T{hour}{rest}{(fraction or '.0')[:7]:0<7}{zone.upper()}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return (when - _EPOCH) // _MICROSECOND
