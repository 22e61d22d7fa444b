"""Image payloads (WIRE §9); the index of the image is on the envelope, not here."""

from __future__ import annotations

from schemas.leaves import Integer, Json, JsonObject, Model
from schemas.payload.extra import ExtraFields


class ImageResponse(Model):
    """A preview, a finished image or an error; b64_json may be cut in pieces, so it stays text (S-IMG-5)."""

    type: str | None = None
    id: str | None = None
    partial_image_index: Integer | None = None
    b64_json: str | None = None
    url: str | None = None
    created_at: Integer | None = None
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    revised_prompt: str | None = None
    usage: JsonObject | None = None
    error: Json = None
    extra_fields: ExtraFields | None = None
