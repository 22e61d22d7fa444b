"""Chunks that come after their request closed (CONTRACT §4, last part)."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from pipeline.core.closing import LATE
from pipeline.core.head import Head
from pipeline.core.identity import Slot, slot_of
from pipeline.core.novelty import adds_nothing
from pipeline.core.policy import Policy
from pipeline.core.ranges import contains
from pipeline.core.restore import head_of, merge, settle_run
from pipeline.core.segment import Marker, SegmentHead
from pipeline.core.signs import SIGNS
from schemas.chunk import Chunk

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Fate(StrEnum):
    """What becomes of a late chunk; the values of those that are refused are dead letter reasons."""

    REPEAT = "repeat"
    EMPTY = "empty"
    REVISE = "revise"
    LATE = "late"
    REUSED = "request_id_reused"
    OTHER_TYPE = "stream_type_conflict"


def micros(moment: datetime) -> int:
    """µs since the epoch."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def fate_of(chunk: Chunk, marker: Marker, now: int, policy: Policy) -> tuple[Fate, str]:
    """Decide about a chunk of a closed request; the second value explains a refusal.

    A chunk of an identity that was seen is a repeat, unless its payload time lies outside the request's: then the id
    was used twice, and a second request is never merged into the first.
    """
    outside = not marker.span[0] <= micros(chunk.timestamp) <= marker.span[1]
    if outside and (marker.reused or was_seen(chunk, marker)):
        return Fate.REUSED, "a closed request has this id and another time"
    if chunk.stream_type != marker.stream_type:
        return Fate.OTHER_TYPE, f"the request was {marker.stream_type}"
    if was_seen(chunk, marker):
        return Fate.REPEAT, ""
    if adds_nothing(chunk, marker):
        return Fate.EMPTY, ""
    if now >= marker.closed_at + policy.revise_window:  # first: segments go some time after it
        return Fate.LATE, "the revise window is over"
    if not marker.segments:
        return Fate.LATE, f"closed by {marker.closed_by}, no revision is possible"
    return Fate.REVISE, ""


def was_seen(chunk: Chunk, marker: Marker) -> bool:
    """Whether the identity of a chunk lies in the ranges of a closed request."""
    slot = slot_of(chunk.attempt, SIGNS[chunk.stream_type](chunk).kind, chunk.image_index)
    return any(
        contains(bounds, chunk.chunk_index)
        for attempt, kind, image, bounds in marker.seen
        if Slot(attempt, kind, image) == slot
    )


def reopen(request_id: str, marker: Marker, last: SegmentHead) -> Head:
    """A head that gathers late chunks for the next revision; its segments go on after the kept ones."""
    head = head_of(request_id, [last])
    merge(head.seen, marker.seen)
    settle_run(head)
    head.segments = marker.segments
    head.revision = marker.revision + 1
    head.first_closed_at = marker.closed_at
    head.closed_by, head.cause = None, LATE
    head.dirty = False
    return head
