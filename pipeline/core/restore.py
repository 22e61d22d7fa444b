"""A head to and from the scalars that its segments carry."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from pipeline.core.head import MAIN_RUN, Head
from pipeline.core.identity import Slot
from pipeline.core.ranges import Bounds, add
from pipeline.core.segment import Seen, SegmentHead

SHARED: Final = (
    "cause", "first_ms", "last_ms", "due", "attempt", "terminal", "error", "error_final", "error_index", "final",
    "bare_final", "images_total", "total_at", "chunk_count", "duplicates", "conflicts", "anomalies", "size",
    "truncated", "first_offset", "last_offset", "traceparent", "closed_by", "closed_at", "first_closed_at",
    "revision", "poisoned",
)  # fmt: skip
"""Fields that head and segment head share under one name, in the order in which they end a segment head."""

_values: Final = attrgetter(*SHARED)


def segment_head(head: Head, *, kept: bool) -> SegmentHead:
    """The scalars of a head, and the indexes that are new since its last segment."""
    head.flush_run()
    head.note_offset()
    seen_mask, done = f"{head.seen_mask:x}", f"{head.done:x}"
    return SegmentHead(head.stream_type, seen_mask, done, kept, flat(head.fresh), *_values(head))


def head_of(request_id: str, heads: list[SegmentHead]) -> Head:
    """The head that a request's segments describe, in order."""
    last = heads[-1]
    head = Head(request_id, last.stream_type, now=last.first_ms, offset=last.first_offset)
    for name in SHARED:
        setattr(head, name, getattr(last, name))
    head.seen_mask, head.done = int(last.seen_mask, 16), int(last.done, 16)
    head.segments = len(heads)
    head.saved_size = last.size
    for segment in heads:
        merge(head.seen, segment.fresh)
    settle_run(head)
    return head


def settle_run(head: Head) -> None:
    """Let the run of the main slot begin at the top of its bounds."""
    bounds = head.seen.get(MAIN_RUN)
    head.run_start = head.next_index = bounds[-1] if bounds else 0


def flat(seen: dict[Slot, Bounds]) -> Seen:
    """Bounds by slot, as they are stored."""
    return [(*slot, list(bounds)) for slot, bounds in seen.items()]


def merge(seen: dict[Slot, Bounds], stored: Seen) -> None:
    """Add stored bounds to those of a head."""
    for attempt, kind, image, bounds in stored:
        own = seen.setdefault(Slot(attempt, kind, image), [])
        for start, end in zip(bounds[::2], bounds[1::2], strict=True):
            add(own, start, end)
