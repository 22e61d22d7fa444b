"""A head to and from the scalars that its segments carry."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from pipeline.core.head import MAIN_RUN, Head
from pipeline.core.identity import Slot
from pipeline.core.ranges import Bounds, add
from pipeline.core.segment import RunHead, Seen, SegmentHead
from pipeline.errors import InvariantBroken

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


def head_of(request_id: str, parts: Sequence[SegmentHead | RunHead]) -> Head:
    """The head that a request's segments describe, in order; the first of them has all scalars."""
    first = parts[0]
    if isinstance(first, RunHead):
        raise InvariantBroken("the first segment of a request has no head", request_id=request_id)
    head = Head(request_id, first.stream_type, now=first.first_ms, offset=first.first_offset)
    for part in parts:
        if isinstance(part, RunHead):
            head.chunk_count += part.end - part.start
            head.last_ms, head.due, head.size, head.last_offset = part[2:]
            add(head.seen[MAIN_RUN], part.start, part.end)
        else:
            for name in SHARED:
                setattr(head, name, getattr(part, name))
            head.seen_mask, head.done = int(part.seen_mask, 16), int(part.done, 16)
            merge(head.seen, part.fresh)
    head.segments, head.saved_size = len(parts), head.size
    settle_run(head)
    return head


def run_head(head: Head) -> RunHead:
    """How far the run of a head went since its last segment, when nothing else changed; the run begins anew."""
    head.last_offset = head.offsets[-1]
    start = head.run_start
    head.seen[MAIN_RUN][-1] = head.run_start = head.next_index
    return RunHead(start, head.next_index, head.last_ms, head.due, head.size, head.last_offset)


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
