"""What one chunk says, read from its JSON alone: the counting path that shares nothing with the fold.

Owns the kinds of chunks and where each stream type states usage and end.  Imports of `schemas` only names of fields and
limits; pipeline.core is forbidden to this room.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from pipeline.ops.reconcile.envelope import Json, Refused, check, document_of, mended
from pipeline.ops.reconcile.fields import known
from pipeline.ops.reconcile.likeness import print_of
from schemas.chunk import StreamType

DATA, USAGE, ERROR, MARKER = range(4)
FLOATING: Final = -1
"""Attempt of a bare marker that names none: it belongs to the highest."""
NO_IMAGE: Final = -1

SILENT, LOUD, LAST_WORD, FILLS = range(4)
"""Whether a chunk adds something to a record that is made without it; the last two only to one that is not complete:
they end it, or fill a gap."""

_RESPONSES: Final = StreamType.RESPONSES.value
_CHAT: Final = frozenset((StreamType.CHAT.value, StreamType.TEXT.value))
_TELLING: Final = _CHAT | {_RESPONSES}
"""Types whose payloads name model and service tier."""
_SPOKEN: Final = {
    StreamType.AUDIO.value: ("audio",),
    StreamType.TRANSCRIPTION.value: ("delta", "text"),
    StreamType.IMAGE.value: ("b64_json", "url"),
}
"""Leaves of which one makes more than a usage of a payload."""
_WHO: Final = frozenset(
    (
        *("id", "created", "model", "provider", "system_fingerprint", "index", "request_type", "latency", "type"),
        *("object", "sequence_number", "partial_image_index"),
    )
)
_SAID: Final = (
    "delta",
    "item",
    "part",
    "text",
    "refusal",
    "arguments",
    "input",
    "code",
    "annotation",
    "output",
    "diff",
)
_SAID_ELSEWHERE: Final = ("command", "signature", "citations", "search_results", "videos", "partial_image_b64")
_NOTHING: Final[tuple[Any, ...]] = (None, "", "assistant", [], {})
_ENDS: Final = frozenset(("response.completed", "response.incomplete", "response.cancelled"))


class Chunk(NamedTuple):
    """What a chunk says of identity, end and money.

    Attributes:
        request_id, stream_type, image, position: as on the wire; NO_IMAGE where there is none.
        attempt: FLOATING for a bare marker that names none.
        kind: DATA, USAGE, ERROR or MARKER.
        at, started: payload times in µs since the epoch.
        provider, model: as the envelope names them; an empty name is none.
        said_model: as the payload does.
        is_final: the gateway's word.
        finish: finish_reason of choice 0.
        others: it speaks of other choices.
        usage, cost, labels: as they are.
        usage_type: whose usage it is.
        tier, cached: service tier; the gateway answered from its own cache.
        loudness: SILENT, LOUD or LAST_WORD.
        print: of what must be equal in a repeat.
    """

    request_id: str
    stream_type: str
    attempt: int
    kind: int
    image: int
    position: int
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
    document, halves = document_of(value)
    times = check(document)
    request_id = document["request_id"]
    document = mended(document) if halves else document
    if key != request_id.encode():
        raise Refused("key_mismatch")
    return _chunk(document, times)


def _chunk(document: Json, times: tuple[int, int | None]) -> Chunk:
    stream_type = document["stream_type"]
    response, error = document.get("response"), document.get("error")
    payload = _known_part(response, stream_type)
    usage, usage_type = _usage(stream_type, payload, error)
    kind = _kind(stream_type, payload, error, usage)
    attempt = document.get("attempt", FLOATING if kind == MARKER else 0)
    choices = _choices(payload) if payload is not None and stream_type in _CHAT and error is None else []
    image = document.get("image_index")
    extra = table(payload.get("extra_fields")) if payload is not None else {}
    said = table(payload.get("response")) if payload is not None and stream_type == _RESPONSES else payload
    return Chunk(
        request_id=document["request_id"],
        stream_type=stream_type,
        attempt=attempt,
        kind=kind,
        image=NO_IMAGE if image is None else image,
        position=document["chunk_index"],
        at=times[0],
        started=times[1],
        provider=document.get("provider") or None,
        model=document.get("model") or None,
        said_model=_text(said, "model") if stream_type in _TELLING else None,
        is_final=document.get("is_final", False),
        finish=_finish(choices),
        others=any(choice.get("index") for choice in choices),
        usage=usage,
        usage_type=usage_type,
        cost=document.get("cost"),
        labels=document.get("labels") or {},
        tier=_text(said, "service_tier") if stream_type in _TELLING else None,
        cached=table(extra.get("cache_debug")).get("cache_hit") is True,
        loudness=_loudness(document, payload, kind),
        print=print_of(document, stream_type),
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
    if stream_type == _RESPONSES:
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
    elif stream_type == _RESPONSES:
        bare = payload.get("delta") is None and not _has_table(payload, "item") and not _has_table(payload, "part")
    else:
        bare = not any(_text(payload, name) for name in _SPOKEN[stream_type])
    return USAGE if bare else DATA


def _has_table(payload: Json, name: str) -> bool:
    return isinstance(payload.get(name), dict)


def _is_failure(stream_type: str, payload: Json) -> bool:
    if stream_type in _CHAT:
        return "x_groq" in payload and bool(table(payload["x_groq"]).get("error"))
    return payload.get("type") == "error" or (stream_type == _RESPONSES and payload.get("type") == "response.failed")


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
    if stream_type == _RESPONSES:
        event = payload.get("type")
        if not isinstance(event, str) or not event.startswith("response."):
            return False  # an event that nobody knows is ignored (S-RESP-11)
        return event in _ENDS or any(payload.get(name) not in _NOTHING for name in (*_SAID, *_SAID_ELSEWHERE))
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
