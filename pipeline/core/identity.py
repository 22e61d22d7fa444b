"""Identity and order of chunks (CONTRACT §1): (attempt, kind, image_index, chunk_index)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from pipeline.core.signs import MARKER, SIGNS
from schemas.chunk import NO_ATTEMPT, Chunk, StreamType

NO_IMAGE: Final = -1
"""Place of chunks without image_index."""

FLOATING: Final = NO_ATTEMPT
"""Attempt of a bare marker that carries none: it belongs to the highest attempt, known only at the end."""


class Slot(NamedTuple):
    """What indexes are counted within; (slot, chunk_index) is the identity of a chunk."""

    attempt: int
    kind: int
    image: int


def slot_of(attempt: int, kind: int, image: int | None) -> Slot:
    """The slot of a chunk; `attempt` is NO_ATTEMPT when the chunk carries none."""
    if attempt == NO_ATTEMPT and kind != MARKER:
        attempt = 0
    return Slot(attempt, kind, NO_IMAGE if image is None else image)


def order_of(stream_type: str) -> Callable[[Chunk], tuple[int, ...]]:
    """Sort key of one attempt's chunks: images by (image_index, chunk_index), others by chunk_index (S-ORD-1)."""
    return _image_order if stream_type == StreamType.IMAGE else index_order


def index_order(chunk: Chunk) -> tuple[int, ...]:
    """Sort key by index: what "lowest" and "highest" mean within an attempt (CONTRACT §1).

    No two identities have one key: a marker without an attempt comes before one that names it.
    """
    image = NO_IMAGE if chunk.image_index is None else chunk.image_index
    return chunk.chunk_index, image, SIGNS[chunk.stream_type](chunk).kind, chunk.attempt


def _image_order(chunk: Chunk) -> tuple[int, ...]:
    return chunk.image_index or 0, *index_order(chunk)


def same_payload(first: Chunk, second: Chunk) -> bool:
    """Whether two chunks of one identity repeat each other: all but timestamp and extra_fields.latency (S-DEDUP-2).

    Of chunks stored without their content the number of its characters is compared, where both know it.
    """
    lengths = first.said, second.said
    return bool(_content(first) == _content(second)) and (None in lengths or lengths[0] == lengths[1])


def _content(chunk: Any) -> Any:
    plain = msgspec.to_builtins(chunk, builtin_types=(bytes,))
    for name in ("timestamp", "anomalies", "original", "attempt", "said"):  # an absent attempt is attempt 0
        plain.pop(name, None)
    response = plain.get("response")
    if response and "extra_fields" in response:
        response["extra_fields"].pop("latency", None)
        if not response["extra_fields"]:
            del response["extra_fields"]
    return plain
