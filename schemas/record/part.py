"""Base class and leaf types of record parts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from schemas.leaves import JsonObject, Model, parse_timestamp

UUID_PATTERN: Final = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
SHA256_PATTERN: Final = "^[0-9a-f]{64}$"


class Part(Model):
    """A part of a record that keeps what a provider said beyond the listed fields; the listed ones are exact."""

    model_config = ConfigDict(extra="allow")


_Part = TypeVar("_Part", bound=Part)
Lenient = Annotated[_Part | JsonObject, Field(union_mode="left_to_right")]
"""What is passed on as the provider sent it: an object in any case, and a part if its leaves have their types."""


def format_timestamp(value: datetime) -> str:
    """An instant as records write it: UTC, `Z`, six digits (CONTRACT §2, canonical record)."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _instant(value: object) -> datetime:
    if isinstance(value, str):
        return parse_timestamp(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    raise ValueError("not an RFC 3339 timestamp with a zone")


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    PlainSerializer(format_timestamp, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}),
]
"""A timestamp of a record; read from RFC 3339 text, written as UTC with six digits."""

Uuid = Annotated[str, Field(pattern=UUID_PATTERN, json_schema_extra={"format": "uuid"})]
Sha256 = Annotated[str, Field(pattern=SHA256_PATTERN)]
Decimal = Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$")]
"""An exact amount of money as text; never a float."""
