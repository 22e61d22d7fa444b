"""The head: what memory keeps of an open request (DESIGN §3).

Chunks of earlier checkpoints are in the store only; the head knows which indexes were seen, what was seen of the end,
and the counters.  No rule is decided here: see admission (what enters) and closing (when it ends).
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.core.identity import NO_IMAGE, Slot
from pipeline.core.ranges import Bounds, add, contains
from pipeline.core.signs import DATA
from schemas.chunk import Chunk

Held = list[Chunk | bytes]

NEVER: Final = 1 << 62
"""A deadline that no clock reaches."""

MAIN_RUN: Final = Slot(0, DATA, NO_IMAGE)
"""The slot whose indexes usually rise by one: kept as a run of two integers instead of bounds."""


class Head:
    """State of one open request; times are append times in ms.

    Attributes:
        due: the deadline: at this append time the request is closed.
        cause: what closes it at `due` (CONTRACT §4).
        attempt: highest attempt seen; seen/done/terminal/error… speak of that attempt only.
        oldest: the deadline by age.
        plain: only choice 0 of attempt 0 was seen and nothing of an end: a plain chunk changes only counters.
        queued: the deadline that stands in the partition's heap.
        held, offsets: chunks not yet in a segment, and their source offsets; `saved_size` of the `size` bytes are.
            Whole until the request's first segment, for most that are short end before it; packed after it, for what
            waits from checkpoint to checkpoint should be bytes that stay in the processor's caches.
        dirty: something is not yet in a segment.
        changed: that is more than plain chunks and their counters.
        key: the request id as Kafka and the store have it.
        poisoned: an exception belongs to this request: it is quarantined (CONTRACT G4).
        repeats: (source record, chunk, `truncated` when it came) of identities seen before; see repeats.
        closed_by, closed_at: set once, when the request closes; nothing is admitted after.
        revision: above 0 while late chunks gather for a revision.
        first_closed_at: of revision 0, for the revise window and the marker's hour.
    """

    __slots__ = (
        "anomalies", "attempt", "bare_final", "cause", "changed", "chunk_count", "closed_at", "closed_by",
        "conflicts", "dirty", "done", "due", "duplicates", "error", "error_final", "error_index", "final",
        "first_closed_at", "first_ms", "first_offset", "fresh", "held", "images_total", "key", "last_ms", "last_offset",
        "next_index", "offsets", "oldest", "plain", "poisoned", "queued", "repeats", "request_id", "revision",
        "run_start", "saved_size", "seen", "seen_mask", "segments", "size", "stream_type", "terminal", "total_at",
        "traceparent", "truncated",
    )  # fmt: skip

    def __init__(self, request_id: str, stream_type: str, *, now: int, offset: int) -> None:
        """Open a request at append time `now`."""
        self.request_id, self.stream_type = request_id, stream_type
        self.key = request_id.encode()
        self.first_ms = self.last_ms = now
        self.first_offset = self.last_offset = offset
        self.due, self.cause = NEVER, "expiry"
        self.attempt = 0
        self.seen_mask = self.done = 0
        self.terminal = self.error = self.error_final = self.final = self.bare_final = False
        self.error_index = -1
        self.images_total: int | None = None  # n of raw_request: choices or images
        self.total_at: tuple[int, int] | None = None  # (attempt, chunk_index) it was read at
        self.seen: dict[Slot, Bounds] = {}
        self.fresh: dict[Slot, Bounds] = {}
        self.run_start = self.next_index = 0
        self.chunk_count = self.duplicates = self.conflicts = self.anomalies = self.size = 0
        self.saved_size = 0
        self.truncated = self.dirty = self.poisoned = False
        self.changed = True
        self.queued = self.oldest = NEVER
        self.plain = False
        self.segments = self.revision = 0
        self.held: Held = []
        self.offsets: list[int] = []
        self.repeats: list[Any] = []
        self.closed_by: str | None = None
        self.closed_at = self.first_closed_at = 0
        self.traceparent: str | None = None

    def remember(self, slot: Slot, index: int) -> bool:
        """Note an index; False when it was seen before.

        The run of the main slot always begins at the top of its bounds, so that the next index is new by itself.
        """
        if slot == MAIN_RUN:
            if index == self.next_index:
                self.next_index += 1
                return True
            self.flush_run()
        bounds = self.seen.setdefault(slot, [])
        if contains(bounds, index):
            return False
        add(bounds, index, index + 1)
        add(self.fresh.setdefault(slot, []), index, index + 1)
        if slot == MAIN_RUN:
            self.run_start = self.next_index = bounds[-1]
        return True

    def flush_run(self) -> None:
        """Move the run into the bounds; it goes on, empty, at the same place."""
        if self.next_index > self.run_start:
            add(self.seen.setdefault(MAIN_RUN, []), self.run_start, self.next_index)
            add(self.fresh.setdefault(MAIN_RUN, []), self.run_start, self.next_index)
            self.run_start = self.next_index

    def note_offset(self) -> None:
        """Bring `last_offset` up to the chunks in memory."""
        if self.offsets:
            self.last_offset = max(self.last_offset, self.offsets[-1])

    def raise_attempt(self, attempt: int) -> None:
        """A higher attempt began: what was seen of the end spoke of the one before."""
        self.attempt = attempt
        self.seen_mask = self.done = 0
        self.terminal = self.error = self.error_final = False
        self.error_index = -1
