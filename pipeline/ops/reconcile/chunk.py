"""What one chunk says, read from its JSON alone: the counting path that shares nothing with the fold.

Owns the envelope's rules as CONTRACT §1 words them, the kinds of chunks, and the print by which repeats are told from
conflicts.  Imports msgspec, and of `schemas` only names of fields and limits; pipeline.core is forbidden to this room.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from zlib import crc32

import msgspec

from pipeline.ops.reconcile.fields import known
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

DATA, USAGE, ERROR, MARKER = range(4)
FLOATING: Final = -1
"""Attempt of a bare marker that names none: it belongs to the highest."""
NO_IMAGE: Final = -1

SILENT, LOUD, LAST_WORD = range(3)
"""Whether a chunk adds something to a record that is made without it; the last one only to a record without an end."""

_TYPES: Final = frozenset(StreamType)
_CHAT: Final = (StreamType.CHAT, StreamType.TEXT)
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]([01]\d|2[0-3])(:\d\d:\d\d)(\.\d+)?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_WHO: Final = frozenset(
    ("id", "created", "model", "provider", "system_fingerprint", "index", "request_type", "latency", "type", "object")
)
_SAID: Final = ("delta", "item", "part", "text", "refusal", "arguments", "input", "code", "annotation", "output", "diff")
_SAID_ELSEWHERE: Final = ("command", "signature", "citations", "search_results", "videos", "partial_image_b64")
_NOTHING: Final = (None, "", "assistant", [], {})
_ENDS: Final = frozenset(("response.completed", "response.incomplete", "response.cancelled"))


class Refused(ValueError):
    """A value that is no chunk; the text is the reason of its dead letter (CONTRACT §3)."""


class Chunk(NamedTuple):
    """What a chunk says of identity, end and money.

    Attributes:
        request_id, stream_type, image, index: as on the wire; NO_IMAGE where there is none.
        attempt: FLOATING for a bare marker that names none.
        kind: DATA, USAGE, ERROR or MARKER.
        at, started: payload times in µs since the epoch.
        provider, model: as the envelope names them.
        said_model: as the payload does.
        is_final: the gateway's word.
        finish: finish_reason of choice 0.
        others: it speaks of other choices.
        usage, cost, labels: as they are.
        usage_type: whose usage it is.
        tier, cached: service tier; the gateway answered from its own cache.
        loudness: SILENT, LOUD or LAST_WORD.
        print: of what must be equal in a repeat.
        doubtful: it holds something beyond the limits of CONTRACT §1, somewhere: it may have been refused for that.
    """

    request_id: str
    stream_type: str
    attempt: int
    kind: int
    image: int
    index: int
    at: int
    started: int | None
    provider: str | None
    model: str | None
    said_model: str | None
    is_final: bool
    finish: str | None
    others: bool
    usage: Json | None
    usage_type: str
    cost: float | None
    labels: dict[str, str]
    tier: str | None
    cached: bool
    loudness: int
    print: int
    doubtful: bool


def read(key: bytes | None, value: bytes | None, limit: int) -> Chunk:
    """Read a chunk.

    Args:
        key: of the record on the topic.
        value: its bytes.
        limit: max_chunk_bytes.

    Raises:
        Refused: it is none; the text is the reason.
    """
    if value is None:
        raise Refused("not_json")
    if len(value) > limit:
        raise Refused("oversize")
    document, halves = _document(value)
    _check(document)
    request_id = document["request_id"]
    document = _mended(document) if halves else document
    if key != request_id.encode():
        raise Refused("key_mismatch")
    return _chunk(document, doubtful=len(value) > MAX_NESTING and _beyond(document))


def _document(value: bytes) -> tuple[Json, bool]:
    """The JSON object, and whether it may hold halves of characters, which the contract takes and msgspec does not."""
    halves = False
    try:
        document = msgspec.json.decode(value)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        halves = True
        try:
            document = json.loads(value, parse_constant=_no_constant)
        except RecursionError:
            raise Refused("invalid") from None
        except ValueError:
            raise Refused("not_json") from None
    if not isinstance(document, dict):
        raise Refused("invalid")
    return document, halves


def _mended(value: Any) -> Any:
    """Halves of characters as records have them: U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_mended(name): _mended(child) for name, child in value.items()}
    return [_mended(child) for child in value] if isinstance(value, list) else value


def _no_constant(_: str) -> float:
    raise ValueError


def _check(chunk: Json) -> None:
    """The strict envelope."""
    version = chunk.get("schema_version", 1)
    if type(version) is int and version > SCHEMA_VERSION:
        raise Refused("unsupported_version")
    fine = (
        version == SCHEMA_VERSION
        and chunk.get("stream_type") in _TYPES
        and _is_id(chunk.get("request_id"))
        and _is_count(chunk.get("chunk_index"))
        and moment(chunk.get("timestamp")) is not None
        and (chunk.get("start_timestamp") is None or moment(chunk["start_timestamp"]) is not None)
        and all(isinstance(chunk.get(name), str | None) for name in ("provider", "model"))
        and isinstance(chunk.get("is_final", False), bool)
        and (chunk.get("image_index") is None or _is_count(chunk["image_index"]))
        and _is_count(chunk.get("attempt", 0))
        and all(isinstance(chunk.get(name), dict | None) for name in ("response", "error"))
        and (chunk.get("cost") is None or _is_number(chunk["cost"]))
        and _are_labels(chunk.get("labels", {}))
    )
    if not fine:
        raise Refused("invalid")


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
    return math.isfinite(value) and (isinstance(value, float) or abs(value) <= MAX_INTEGER)


def _are_labels(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) > MAX_LABELS:
        return False
    return all(
        isinstance(text, str) and _size(name) <= MAX_LABEL_KEY_BYTES and _size(text) <= MAX_LABEL_VALUE_BYTES
        for name, text in value.items()
    )


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def _beyond(document: Any) -> bool:
    """Whether a number is too large or something nests too deeply, anywhere."""
    todo: list[tuple[Any, int]] = [(document, 0)]
    while todo:
        value, depth = todo.pop()
        if isinstance(value, dict | list):
            if depth >= min(MAX_NESTING, MAX_DEPTH):
                return True
            todo.extend((child, depth + 1) for child in (value.values() if isinstance(value, dict) else value))
        elif isinstance(value, int | float) and not isinstance(value, bool) and not _is_number(value):
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


def _chunk(document: Json, *, doubtful: bool) -> Chunk:
    stream_type = document["stream_type"]
    response, error = document.get("response"), document.get("error")
    payload = _known_part(response, stream_type)
    usage, usage_type = _usage(stream_type, payload, error)
    kind = _kind(stream_type, payload, error, usage)
    attempt = document.get("attempt", FLOATING if kind == MARKER else 0)
    choices = _choices(payload) if payload is not None and stream_type in _CHAT and error is None else []
    image = document.get("image_index")
    extra = table(payload.get("extra_fields")) if payload is not None else {}
    said = table(payload.get("response")) if payload is not None and stream_type == StreamType.RESPONSES else payload
    return Chunk(
        request_id=document["request_id"],
        stream_type=stream_type,
        attempt=attempt,
        kind=kind,
        image=NO_IMAGE if image is None else image,
        index=document["chunk_index"],
        at=moment(document["timestamp"]) or 0,
        started=moment(document.get("start_timestamp")),
        provider=document.get("provider"),
        model=document.get("model"),
        said_model=_text(said, "model") if stream_type in (*_CHAT, StreamType.RESPONSES) else None,
        is_final=document.get("is_final", False),
        finish=_finish(choices),
        others=any(choice.get("index") for choice in choices),
        usage=usage,
        usage_type=usage_type,
        cost=document.get("cost"),
        labels=document.get("labels") or {},
        tier=_text(said, "service_tier") if stream_type in (*_CHAT, StreamType.RESPONSES) else None,
        cached=table(extra.get("cache_debug")).get("cache_hit") is True,
        loudness=_loudness(document, payload, kind),
        print=_print(document, stream_type),
        doubtful=doubtful,
    )


def _known_part(response: Json | None, stream_type: str) -> Json | None:
    """A payload without the leaves that no reader looks at."""
    return None if response is None else {name: response[name] for name in known(stream_type) if name in response}


def table(value: Any) -> Json:
    """An object; an empty one in the place of anything else (lenient payload)."""
    return value if isinstance(value, dict) else {}


def _text(payload: Json | None, name: str) -> str | None:
    found = None if payload is None else payload.get(name)
    return found if isinstance(found, str) else None


def _choices(payload: Json) -> list[Json]:
    found = payload.get("choices")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _usage(stream_type: str, payload: Json | None, error: Json | None) -> tuple[Json | None, str]:
    """What is stated of usage; of a failed stream by the error (WIRE §3)."""
    if error is not None:
        return table(error.get("extra_fields")).get("billed_usage"), StreamType.CHAT
    if payload is None:
        return None, stream_type
    if stream_type == StreamType.RESPONSES:
        return table(payload.get("response")).get("usage"), stream_type
    usage = payload.get("usage")
    if not isinstance(usage, dict):
        usage = table(payload.get("x_groq")).get("usage") or None
    return usage if isinstance(usage, dict) else None, stream_type


def _kind(stream_type: str, payload: Json | None, error: Json | None, usage: Any) -> int:
    if error is not None:
        return ERROR
    if payload is None:
        return MARKER
    if payload.get("error") or _is_failure(stream_type, payload):
        return ERROR
    if usage is None:
        return DATA
    if stream_type in _CHAT:
        bare = not _choices(payload)
    elif stream_type == StreamType.RESPONSES:
        bare = payload.get("delta") is None and not _has_table(payload, "item") and not _has_table(payload, "part")
    else:
        said = {StreamType.AUDIO: ("audio",), StreamType.TRANSCRIPTION: ("delta", "text")}
        bare = not any(_text(payload, name) for name in said.get(StreamType(stream_type), ("b64_json", "url")))
    return USAGE if bare else DATA


def _has_table(payload: Json, name: str) -> bool:
    return isinstance(payload.get(name), dict)


def _is_failure(stream_type: str, payload: Json) -> bool:
    if stream_type in _CHAT:
        return bool(table(payload.get("x_groq")).get("error"))
    return payload.get("type") == "error" or (
        stream_type == StreamType.RESPONSES and payload.get("type") == "response.failed"
    )


def _finish(choices: list[Json]) -> str | None:
    found = [choice.get("finish_reason") for choice in choices if not choice.get("index")]
    return next((reason for reason in reversed(found) if isinstance(reason, str) and reason), None)


def _loudness(document: Json, payload: Json | None, kind: int) -> int:
    """Whether a record without this chunk would lack something."""
    if kind in (USAGE, ERROR) or document.get("cost") is not None or document.get("labels"):
        return LOUD
    if document.get("raw_request") is not None:
        return LOUD
    if payload is not None and _says(document["stream_type"], payload):
        return LOUD
    return LAST_WORD if document.get("is_final") else SILENT


def _says(stream_type: str, payload: Json) -> bool:
    if stream_type == StreamType.RESPONSES:
        return payload.get("type") in _ENDS or any(
            payload.get(name) not in _NOTHING for name in (*_SAID, *_SAID_ELSEWHERE)
        )
    todo: list[Any] = [payload]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo.extend(child for name, child in value.items() if name not in _WHO)
        elif isinstance(value, list):
            todo.extend(value)
        elif value not in _NOTHING:
            return True
    return False


def _print(document: Json, stream_type: str) -> int:
    """CRC-32 of what a repeat must have in common with the first: known fields, but for the time and the latency."""
    same = {name: document.get(name) for name in known(None)}
    payload = same.get("response")
    if isinstance(payload, dict):
        same["response"] = _pruned(payload, known(stream_type))
        extra = same["response"].get("extra_fields")
        if isinstance(extra, dict):
            extra.pop("latency", None)
            if not extra:
                del same["response"]["extra_fields"]
    kept = {name: _even(value) for name, value in same.items() if value not in (None, {}, False) or name == "response"}
    try:
        return crc32(msgspec.json.encode(kept, order="sorted"))
    except (UnicodeEncodeError, RecursionError):
        return crc32(json.dumps(kept, sort_keys=True).encode())


def _pruned(value: Json, spec: Any) -> Json:
    """Known fields that are not null, down to where anything may stand."""
    pruned: Json = {}
    for name, inner in spec.items():
        child = value.get(name)
        if child is None:
            continue
        if inner and isinstance(child, dict):
            child = _pruned(child, inner)
        elif inner and isinstance(child, list):
            child = [_pruned(each, inner) if isinstance(each, dict) else each for each in child]
        pruned[name] = _even(child)
    return pruned


def _even(value: Any) -> Any:
    """1.0 as 1: one number."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_INTEGER else value
