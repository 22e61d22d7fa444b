"""Whether a late chunk adds anything to the record of its closed request (CONTRACT §4, after closing)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pipeline.core.identity import FLOATING, NO_IMAGE
from pipeline.core.ranges import gaps, union
from pipeline.core.segment import Marker
from pipeline.core.signs import DATA, ERROR, MARKER, SIGNS
from pipeline.core.streams.events import HANDLERS
from schemas.chunk import StreamType

_NAMES: Final = frozenset(
    {
        "id",
        "created",
        "model",
        "provider",
        "system_fingerprint",
        "index",
        "request_type",
        "latency",
        "type",
        "sequence_number",
        "partial_image_index",
    }
)
"""Fields that say who a payload is, not what."""

_SILENT: Final = (None, "", b"", "assistant")
"""Leaves that say nothing; the last is the role that every message has anyway."""


def adds_nothing(chunk: Any, marker: Marker) -> bool:
    """Whether the record would stay as it is.

    Args:
        chunk: late, of an identity that was not seen.
        marker: of its request.

    Returns:
        False when the chunk has content, usage, cost, an error, an end or attribution, or fills a gap.
    """
    signs = SIGNS[chunk.stream_type](chunk)
    if not marker.complete and (chunk.is_final or _fills_gap(chunk, marker)):
        return False
    if chunk.cost is not None or chunk.labels or chunk.raw_request is not None:
        return False
    if signs.kind == MARKER:
        return True
    return signs.kind == DATA and not (signs.done or signs.terminal) and not _says(chunk)


def _fills_gap(chunk: Any, marker: Marker) -> bool:
    """Whether the index was missing below others of the same attempt and image."""
    own = max(chunk.attempt, 0), max(_image(chunk), 0)
    seen = [
        bounds
        for attempt, kind, image, bounds in marker.seen
        if kind != ERROR and attempt != FLOATING and (attempt, max(image, 0)) == own
    ]
    return any(first <= chunk.chunk_index <= last for first, last in gaps(union(seen)))


def _image(chunk: Any) -> int:
    return NO_IMAGE if chunk.image_index is None else chunk.image_index


def _says(chunk: Any) -> bool:
    """Whether a payload has any leaf but names and empty texts; events that carry no output say nothing (S-RESP-1)."""
    response = chunk.response
    if chunk.stream_type == StreamType.RESPONSES:
        if response.type in HANDLERS:
            return True
        response = response.extra_fields
    todo = [msgspec.to_builtins(response, builtin_types=(bytes,))]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo.extend(child for name, child in value.items() if name not in _NAMES)
        elif isinstance(value, list):
            todo.extend(value)
        elif value not in _SILENT:
            return True
    return False
