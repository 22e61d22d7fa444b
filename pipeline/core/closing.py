"""When a request closes: the table of CONTRACT §4.

Two rules hold for this file: the first row that applies names closed_by; a row depends on the head alone, never on how
it came about, so that any order of admitted chunks closes alike.

    error   the highest attempt has an error and no bare final marker came
              at once        final error, its index above all seen, no gap
              finish_grace   any other final error
              attempt_grace  otherwise: a fallback attempt may follow
    final   is_final was seen
              at once        no gap, and every image of n has ended
              finish_grace   otherwise
    finish  every choice seen (n of raw_request, when known) finished, or the terminal event came
              finish_grace   always: usage, cost and end markers come after it
    expiry    session_window otherwise
    limit   none of them within max_request_age of the first chunk
"""

from __future__ import annotations

from typing import Final, NamedTuple

from pipeline.core.head import MAIN_RUN, Head
from pipeline.core.identity import FLOATING, NO_IMAGE
from pipeline.core.policy import Policy
from pipeline.core.ranges import Bounds, add, gaps, open_base, union
from pipeline.core.signs import DATA, ERROR
from schemas.chunk import StreamType

AT_ONCE: Final = 0
LATE: Final = "late"
EXPIRY: Final = "expiry"
LIMIT: Final = "limit"


class Rule(NamedTuple):
    """What applies to a head: closed_by, and how long after its last new chunk (ms; AT_ONCE = with that chunk)."""

    cause: str
    wait: int


def rule_of(head: Head, policy: Policy) -> Rule:
    """The row of the table that applies."""
    if head.error and not head.bare_final:
        if not head.error_final:
            return Rule("error", policy.attempt_grace)
        clean = head.error_index > top_index(head) and not has_gap(head)
        return Rule("error", AT_ONCE if clean else policy.finish_grace)
    if head.final:
        waits = has_gap(head) or not images_ended(head)
        return Rule("final", policy.finish_grace if waits else AT_ONCE)
    if finished(head):
        return Rule("finish", policy.finish_grace)
    return Rule(EXPIRY, policy.session_window)


def finished(head: Head) -> bool:
    """Rule 2: the end of every choice or image, or the terminal event, was seen in the highest attempt."""
    if head.terminal:
        return True
    if not head.seen_mask or head.done & head.seen_mask != head.seen_mask:
        return False
    if head.stream_type == StreamType.IMAGE or head.images_total is None:
        return True
    return head.done.bit_count() >= head.images_total


def images_ended(head: Head) -> bool:
    """Whether all n images have ended; an unknown n is never known to be all (rule 1)."""
    if head.stream_type != StreamType.IMAGE:
        return True
    return head.images_total is not None and head.done.bit_count() >= head.images_total


def indexes(head: Head, attempt: int) -> dict[int, Bounds]:
    """Seen indexes of an attempt by image_index: data, usage and markers, and an error above all of them.

    Markers without an attempt count in the highest one.  In an image stream data without image_index belongs to
    image 0, but a marker or usage without one speaks of the whole stream when other chunks name their image.
    """
    head.flush_run()
    if attempt == 0 and len(head.seen) == 1 and MAIN_RUN in head.seen and head.stream_type != StreamType.IMAGE:
        return {NO_IMAGE: head.seen[MAIN_RUN]}
    images = head.stream_type == StreamType.IMAGE
    named = images and any(slot.image != NO_IMAGE for slot in head.seen)
    sets: dict[int, list[Bounds]] = {}
    errors: list[tuple[int, int, int]] = []
    for slot, bounds in head.seen.items():
        if (head.attempt if slot.attempt == FLOATING else slot.attempt) != attempt:
            continue
        place = max(slot.image, 0) if images else NO_IMAGE
        if slot.kind == ERROR:
            errors += [(place, *pair) for pair in zip(bounds[::2], bounds[1::2], strict=True)]
        elif not (named and slot.image == NO_IMAGE and slot.kind != DATA):
            sets.setdefault(place, []).append(bounds)
    joined = {place: union(found) for place, found in sets.items()}
    top = max((bounds[-1] for bounds in joined.values()), default=0)
    for place, start, end in errors:
        if end > top and (place in joined or not joined):
            add(joined.setdefault(place, []), max(start, top), end)
    return joined


def top_index(head: Head) -> int:
    """Highest index of data, usage and markers in the highest attempt; -1 when there is none."""
    head.flush_run()
    tops = (
        bounds[-1] - 1
        for slot, bounds in head.seen.items()
        if slot.kind != ERROR and slot.attempt in (head.attempt, FLOATING)
    )
    return max(tops, default=-1)


def has_gap(head: Head) -> bool:
    """Whether the highest attempt misses an index, or its base is still open."""
    return any(gaps(bounds) or open_base(bounds) for bounds in indexes(head, head.attempt).values())


def missing(head: Head, attempt: int) -> list[list[int]]:
    """missing_indexes of the record: [first, last], for images [image_index, first, last]."""
    images = head.stream_type == StreamType.IMAGE
    return [
        [place, *gap] if images else list(gap)
        for place, bounds in sorted(indexes(head, attempt).items())
        for gap in gaps(bounds)
    ]
