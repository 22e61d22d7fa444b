"""Pieces become chunks of the contract: indexes, times, who pays.

Imports its siblings and the standard library.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.ops.load.piece import Json, Made, Piece


def places(pieces: Iterable[Piece]) -> list[int]:
    """Chunk indexes: each attempt and each image counts from 0."""
    counts: dict[tuple[int, int], int] = {}
    found = []
    for piece in pieces:
        where = piece.attempt or 0, piece.image or 0
        found.append(counts.get(where, 0))
        counts[where] = found[-1] + 1
    return found


def envelope(request_id: str, made: Made, piece: Piece, place: int, timestamp: str) -> Json:
    """One chunk; the time comes last."""
    fields: dict[str, Any] = {
        "request_id": request_id,
        "stream_type": made.kind,
        "chunk_index": place,
        "provider": made.model.provider,
        "model": made.model.name,
        **piece.body,
    }
    if piece.last:
        fields["is_final"] = True
    if piece.image is not None:
        fields["image_index"] = piece.image
    if piece.attempt is not None:
        fields["attempt"] = piece.attempt
    fields["timestamp"] = timestamp
    return fields
