"""What the two decoders say about the same bytes, in a form that can be compared.

Owns the deep comparison of structs and models: numbers with their types, so that 1, 1.0, -0.0 and true all differ.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from pydantic import BaseModel

from schemas.chunk import Chunk
from schemas.decode import ChunkRejected, decode, decode_strict

MINIMAL: dict[str, Any] = {
    "request_id": "r-1",
    "stream_type": "chat.completion",
    "chunk_index": 0,
    "timestamp": "2026-01-01T00:00:00Z",
}
"""The required fields of a chunk and no other."""


def encoded(**fields: Any) -> bytes:
    """A minimal chunk with these fields set, as ASCII JSON; a field that is ... is left out."""
    document = {name: value for name, value in (MINIMAL | fields).items() if value is not ...}
    return json.dumps(document).encode()


def plain(value: Any) -> Any:
    """A decoded value as nested tuples that are equal only if types and values are."""
    if isinstance(value, BaseModel | msgspec.Struct):
        names = type(value).model_fields if isinstance(value, BaseModel) else value.__struct_fields__
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return ("object", [(name, plain(child)) for name, child in value.items()])
    if isinstance(value, list):
        return ("array", [plain(child) for child in value])
    if isinstance(value, datetime):
        return ("instant", value.isoformat())
    return (type(value).__name__, repr(value))


def chunk_fields(chunk: Chunk) -> dict[str, Any]:
    """All that is to be known of a chunk, whichever decoder it comes from."""
    known = ("stream_type", "anomalies", "original", "said")
    return {**plain(chunk), **{name: plain(getattr(chunk, name)) for name in known}}


def verdicts(value: bytes) -> tuple[Any, Any]:
    """What `decode` and `decode_strict` say about a value: the fields of a chunk, or reason and detail."""
    said: list[Any] = []
    for decoder in (decode, decode_strict):
        try:
            said.append(chunk_fields(decoder(value)))
        except ChunkRejected as rejected:
            said.append((rejected.reason, rejected.detail))
    return said[0], said[1]


def reason(value: bytes) -> str | None:
    """Why both decoders refuse a value; None if both read it, and equally."""
    compiled, strict = verdicts(value)
    assert compiled == strict
    return compiled[0] if isinstance(compiled, tuple) else None


def both(value: bytes) -> Chunk:
    """The chunk that both decoders read, equally."""
    assert reason(value) is None
    return decode(value)
