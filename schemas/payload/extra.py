"""extra_fields, carried by every payload (WIRE §1)."""

from __future__ import annotations

from schemas.leaves import Json, JsonObject, Model, Number


class ExtraFields(Model):
    """What the gateway adds to a provider's payload."""

    request_type: str | None = None
    latency: Number | None = None
    raw_request: Json = None
    raw_response: Json = None
    cache_debug: JsonObject | None = None
