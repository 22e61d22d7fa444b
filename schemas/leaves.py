"""Leaf types of the contract: what a single JSON value may be.

Owns the limits of CONTRACT §1 (integers up to 2^53-1, finite numbers, zoned timestamps, padded base64, request ids)
and the base class of every model.  Imports pydantic and the standard library only.
"""

from __future__ import annotations

import binascii
import math
import re
from base64 import b64decode
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

MAX_INTEGER: Final = 2**53 - 1
"""Largest integer that every JSON reader keeps exact (IEEE 754 double)."""

MAX_REQUEST_ID_BYTES: Final = 512
MAX_LABELS: Final = 32
MAX_LABEL_KEY_BYTES: Final = 64
MAX_LABEL_VALUE_BYTES: Final = 256

BEYOND: Final = "number beyond what JSON readers keep exact"
"""Message of every refusal of an infinity or of an integer over 2^53-1; such a number rejects the whole chunk."""

MAX_NESTING: Final = 100
"""Levels of a free JSON value that is kept.  Real ones stay below 40, and common JSON readers stop at 200 or less."""

TOO_DEEP: Final = f"nested deeper than {MAX_NESTING} levels"
"""Message of the refusal of a free JSON value; it rejects the whole chunk, so that no usage is lost with a leaf."""

_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
"""RFC 3339 §5.6; datetime.fromisoformat alone reads more, and not the same in every Python."""


class Model(BaseModel):
    """Base of all contract models: strict types, unknown fields ignored, NaN and infinities refused."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=False, protected_namespaces=())


def parse_timestamp(value: str) -> datetime:
    """Read an RFC 3339 timestamp with zone; fractions beyond microseconds are truncated (CONTRACT §1).

    A leap second is refused: no clock that stamps chunks shows one, and no Python datetime holds it.

    Returns:
        The instant in UTC.

    Raises:
        ValueError: not RFC 3339, without a zone, or outside the years 1 to 9999.
    """
    if not _RFC_3339.fullmatch(value):
        raise ValueError("not an RFC 3339 timestamp with a zone")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("not a date and time of the calendar") from None


def _timestamp(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("not an RFC 3339 timestamp")  # noqa: TRY004  pydantic collects ValueErrors, not TypeErrors
    return parse_timestamp(value)


def _base64(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("not base64 text")  # noqa: TRY004  pydantic collects ValueErrors, not TypeErrors
    try:
        return b64decode(value.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("not base64 text") from None


def _number(value: object) -> object:
    if type(value) is int and not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise ValueError(BEYOND)
    return value


def check_json(value: Any) -> Any:
    """Refuse a JSON value that holds an infinity or an integer over 2^53-1 anywhere, or that nests too deeply.

    Raises:
        ValueError: with the text BEYOND or TOO_DEEP.
    """
    _check_json(value, MAX_NESTING)
    return value


def _check_json(value: Any, room: int) -> None:
    kind = type(value)
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise ValueError(BEYOND)
    elif kind is float:
        if not math.isfinite(value):
            raise ValueError(BEYOND)
    elif kind is dict or kind is list:
        if not room:
            raise ValueError(TOO_DEEP)
        for child in value.values() if kind is dict else value:
            _check_json(child, room - 1)


def check_request_id(value: str) -> str:
    """Refuse control characters, lone surrogates and more than 512 UTF-8 bytes (CONTRACT §1).

    Raises:
        ValueError: naming what is wrong, never the id itself.
    """
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("lone surrogate in the request id") from None
    if not 1 <= size <= MAX_REQUEST_ID_BYTES:
        raise ValueError("a request id has 1 to 512 UTF-8 bytes")
    if not value.isprintable() and any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in value):
        raise ValueError("control character in the request id")
    return value


def check_labels(value: dict[str, str]) -> dict[str, str]:
    """Refuse more than 32 labels, keys over 64 and values over 256 UTF-8 bytes (CONTRACT §1).

    Raises:
        ValueError: naming the limit, never the label.
    """
    if len(value) > MAX_LABELS:
        raise ValueError("more than 32 labels")
    for key, text in value.items():
        if len(key.encode(errors="surrogatepass")) > MAX_LABEL_KEY_BYTES:
            raise ValueError("a label key over 64 bytes")
        if len(text.encode(errors="surrogatepass")) > MAX_LABEL_VALUE_BYTES:
            raise ValueError("a label value over 256 bytes")
    return value


Integer = Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)]
Count = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
Number = Annotated[float, BeforeValidator(_number)]
Json = Annotated[Any, AfterValidator(check_json)]
JsonObject = Annotated[dict[str, Any], AfterValidator(check_json)]
RequestId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_REQUEST_ID_BYTES,
        json_schema_extra={"pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$"},
    ),
    AfterValidator(check_request_id),
]
Labels = Annotated[
    dict[str, str],
    AfterValidator(check_labels),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MAX_LABELS,
            "propertyNames": {"maxLength": MAX_LABEL_KEY_BYTES},
            "additionalProperties": {"type": "string", "maxLength": MAX_LABEL_VALUE_BYTES},
        }
    ),
]
Timestamp = Annotated[
    datetime, BeforeValidator(_timestamp), WithJsonSchema({"type": "string", "format": "date-time"}, mode="validation")
]
Base64 = Annotated[bytes, BeforeValidator(_base64), WithJsonSchema({"type": "string", "contentEncoding": "base64"})]
