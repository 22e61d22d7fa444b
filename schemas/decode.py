"""Bytes of a chunk topic → chunk.  Two decoders of one contract that accept and reject the same bytes.

`decode` is the hot path: compiled structs.  `decode_strict` is pydantic.  Whatever the compiled decoder refuses (an odd
payload leaf, a lone surrogate escape, deep nesting) is read by the strict one, which decides and explains.

Strict envelope, lenient payload (CONTRACT §1): a wrong envelope field rejects the chunk; a payload leaf of unexpected
shape is dropped, counted in `anomalies`, and the original bytes are kept.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NoReturn, Union, cast

import msgspec
from pydantic import ValidationError

from schemas.anomaly import drop
from schemas.chunk import CHUNKS, SCHEMA_VERSION, Chunk
from schemas.compiled import NOTHING, Compiler
from schemas.leaves import BEYOND, MAX_INTEGER, TOO_DEEP, check_labels, check_request_id, parse_timestamp

NOT_JSON: Final = "not_json"
INVALID: Final = "invalid"
UNSUPPORTED_VERSION: Final = "unsupported_version"

MAX_DEPTH: Final = 300
"""Nesting of a chunk, ignored fields included; deeper ones are invalid.  A limit of our own, because the interpreter's
depends on its version and on the caller's stack, and a replay has to decide the same."""

_SHALLOW: Final = 2 * MAX_DEPTH
"""Bytes that cannot hold more than MAX_DEPTH levels, each of which opens and closes."""

_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKET: Final = bytes(set(range(256)) - set(b"[]{}"))

_LONG: Final = 400
"""Digits of an integer that are read."""

_BARE_POINT: Final = len("2026-01-01T00:00:00.Z")
"""Length at which a fraction has no digits."""

_Z_LAYOUT: Final = frozenset({"-T::.", "-T::Z"})
"""Characters 7, 10, 13, 16 and 19 of an RFC 3339 timestamp in UTC, with and without a fraction."""

_REPLACED: Final = ("response", "raw_request", "said")

_wire = Compiler(stored=False)
_stored = Compiler(stored=True)
_WIRE: Final = tuple(_wire.struct(model, tag="stream_type") for model in CHUNKS.values())
_PLAIN: Final = {name: _stored.struct(model, tag="stream_type") for name, model in CHUNKS.items()}
_LEFT: Final = {
    name: [each for each in kind.__struct_fields__ if each not in _REPLACED] for name, kind in _PLAIN.items()
}
_COPIES: Final = {name: (_PLAIN[name], names, attrgetter(*names)) for name, names in _LEFT.items()}
"""What of a chunk is copied when its content is left out, by stream type."""

_ODD: Final = {name: _stored.odd(model) for name, model in CHUNKS.items()}
_decode_json: Final = msgspec.json.Decoder(Union[_WIRE]).decode  # noqa: UP007  built at run time
_from_iso: Final = datetime.fromisoformat

STORED: Final[Any] = Union[tuple(_PLAIN.values())]  # noqa: UP007  built at run time
"""Union of the structs that state is read back into; encode chunks of `decode` as msgpack and decode with this type."""


class ChunkRejected(ValueError):
    """A value that is no chunk.

    Attributes:
        reason: not_json, invalid or unsupported_version (CONTRACT §3).
        detail: which field and why; never a value from the chunk (G7).
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Keep reason and detail apart from the text."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def decode(value: bytes) -> Chunk:
    """Decode one chunk by the compiled decoder.

    Returns:
        A struct with the attributes of its model in schemas.chunk.

    Raises:
        ChunkRejected: see there.
    """
    if len(value) > _SHALLOW:
        _check_depth(value)
    try:
        if not value.isascii():
            value.decode()  # strings of unknown fields are skipped unread, and UTF-8 holds for the whole value
        chunk: Any = _decode_json(value)
        text = chunk.timestamp
        if (
            text[-1] == "Z"
            and text[7:20:3] in _Z_LAYOUT
            and (text[11] != "2" or text[12] < "4")
            and len(text) != _BARE_POINT
        ):
            chunk.timestamp = _from_iso(text)  # parse_timestamp's common case, without the call
        else:
            chunk.timestamp = parse_timestamp(text)
        if chunk.start_timestamp is not None:
            chunk.start_timestamp = parse_timestamp(chunk.start_timestamp)
        text = chunk.request_id
        if not (text.isascii() and text.isprintable()):
            check_request_id(text)
        if chunk.labels is not NOTHING:
            check_labels(chunk.labels)
            chunk.labels = chunk.labels or NOTHING  # written out or not, no labels are the same
    except (msgspec.MsgspecError, ValueError, IndexError, RecursionError):
        return _compiled(decode_strict(value))
    return chunk  # type: ignore[no-any-return]  # a cast would cost a call for each chunk


def stripped(chunk: Any, response: Any, said: int | None) -> Chunk:
    """A copy of a chunk for state, with another payload and without its raw request; its original bytes stay behind."""
    kind, names, values = _COPIES[chunk.stream_type]
    return cast("Chunk", kind(**dict(zip(names, values(chunk), strict=True)), response=response, said=said))


def _compiled(chunk: Chunk) -> Chunk:
    """The struct of a chunk that the strict decoder read."""
    kind = type(chunk)
    fields = {name: getattr(chunk, name) for name in kind.model_fields if name not in ("stream_type", "response")}
    fields["labels"] = chunk.labels or NOTHING
    if chunk.response is not None:
        struct = _stored.struct(type(chunk.response))
        fields["response"] = msgspec.convert(chunk.response, struct, from_attributes=True)
    if chunk.original is None:
        return cast("Chunk", _PLAIN[chunk.stream_type](**fields))
    return cast("Chunk", _ODD[chunk.stream_type](**fields, anomalies=chunk.anomalies, original=chunk.original))


def decode_strict(value: bytes) -> Chunk:
    """Decode one chunk by the pydantic models; 60 times slower than `decode`, with every error located.

    Raises:
        ChunkRejected: see there.
    """
    document = _load(value)
    version = document.get("schema_version", SCHEMA_VERSION)
    if type(version) is int and version > SCHEMA_VERSION:
        raise ChunkRejected(UNSUPPORTED_VERSION, f"schema_version is above {SCHEMA_VERSION}")
    stream_type = document.get("stream_type")
    model = CHUNKS.get(stream_type) if isinstance(stream_type, str) else None
    if model is None:
        raise ChunkRejected(INVALID, "stream_type: missing or not one of the six stream types")
    anomalies = 0
    while True:  # each round drops a leaf at least; nearly always one round drops them all
        try:
            chunk = model.model_validate(document)
        except ValidationError as error:
            _check_envelope(document, error)
            anomalies += drop(document, error)
            continue
        chunk._anomalies = anomalies  # noqa: SLF001  set here only: the models are otherwise read-only
        if anomalies or not _storable(value, document):
            chunk._original = value  # noqa: SLF001  as above
        return chunk


def _load(value: bytes) -> dict[str, Any]:
    _check_depth(value)
    try:
        document = json.loads(value.decode(), parse_constant=_no_constant, parse_int=_integer)
    except UnicodeDecodeError as error:
        raise ChunkRejected(NOT_JSON, f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ChunkRejected(NOT_JSON, f"{error.msg} at character {error.pos}") from None
    except ValueError:
        raise ChunkRejected(NOT_JSON, "NaN or an infinity") from None
    if not isinstance(document, dict):
        raise ChunkRejected(INVALID, "not a JSON object")
    return document


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and infinities are not JSON")


def _integer(digits: str) -> int:
    """Any integer; of one too long to be ever accepted only the size matters, and Python limits its digits."""
    return int(digits[:_LONG])


def _check_depth(value: bytes) -> None:
    """Refuse brackets, outside strings, deeper than MAX_DEPTH; decided on any bytes, JSON or not.

    Raises:
        ChunkRejected: with the reason `invalid`.
    """
    if value.count(b"{") + value.count(b"[") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _STRING.sub(b"", value).translate(None, _NO_BRACKET):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise ChunkRejected(INVALID, f"nested deeper than {MAX_DEPTH} levels")


def _check_envelope(document: dict[str, Any], error: ValidationError) -> None:
    """Refuse a chunk whose envelope is wrong, or whose payload goes beyond the limits of JSON that is kept.

    Raises:
        ChunkRejected: naming the field, never its value.
    """
    for found in error.errors(include_url=False, include_context=False):
        place = found["loc"]
        if place[0] != "response" or len(place) == 1 or not isinstance(document["response"], dict):
            raise ChunkRejected(INVALID, f"{place[0]}: {found['msg']}")
        limit = BEYOND if _too_big(found["input"]) else found["msg"].removeprefix("Value error, ")
        if limit in (BEYOND, TOO_DEEP):
            raise ChunkRejected(INVALID, f"{place[0]}.{place[1]}: {limit}")  # deeper names may be the producer's own


def _too_big(value: object) -> bool:
    if type(value) is int:
        return not -MAX_INTEGER <= value <= MAX_INTEGER
    return type(value) is float and value in (float("inf"), float("-inf"))


def _storable(value: bytes, document: dict[str, Any]) -> bool:
    """Whether the decoded strings can be encoded again: lone surrogate escapes cannot, so their bytes are kept."""
    if b"\\u" not in value:
        return True
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
