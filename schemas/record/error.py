"""The error of a record (WIRE §3)."""

from __future__ import annotations

from schemas.leaves import Integer, Json, JsonObject
from schemas.record.part import Part


class ErrorField(Part):
    """What went wrong, in the provider's words; a numeric code becomes text."""

    type: str | None = None
    code: str | None = None
    message: str | None = None
    error: str | None = None
    param: Json = None
    event_id: str | None = None


class BifrostError(Part):
    """An error that the gateway handed in, or an in-band one in the same shape (S-ERR-5)."""

    event_id: str | None = None
    type: str | None = None
    is_bifrost_error: bool | None = None
    status_code: Integer | None = None
    extra_fields: JsonObject | None = None
    error: ErrorField | None = None
