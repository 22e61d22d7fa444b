"""Responses API events (WIRE §10): one shape for all of them."""

from __future__ import annotations

from schemas.leaves import Integer, Json, JsonObject, Model
from schemas.payload.extra import ExtraFields


class ResponsesEvent(Model):
    """One event; items, parts and the response itself stay whole so that every item type survives."""

    type: str | None = None
    sequence_number: Integer | None = None
    output_index: Integer | None = None
    item_id: str | None = None
    content_index: Integer | None = None
    summary_index: Integer | None = None
    annotation_index: Integer | None = None
    command_index: Integer | None = None
    delta: Json = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    code: str | None = None
    command: str | None = None
    diff: str | None = None
    output: list[JsonObject] | None = None
    name: str | None = None
    message: str | None = None
    param: Json = None
    signature: str | None = None
    annotation: JsonObject | None = None
    logprobs: list[JsonObject] | None = None
    item: JsonObject | None = None
    part: JsonObject | None = None
    response: JsonObject | None = None
    partial_image_b64: str | None = None
    partial_image_index: Integer | None = None
    citations: list[Json] | None = None
    search_results: list[JsonObject] | None = None
    videos: list[JsonObject] | None = None
    error: Json = None
    extra_fields: ExtraFields | None = None
