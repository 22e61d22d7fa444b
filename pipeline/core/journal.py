"""Segments of one partition: written but not yet sent, in flight, and in the store.

Whoever reads sees all three as one; nothing is written twice (DESIGN §3).
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.core.head import Head
from pipeline.core.rest import rest, wake
from pipeline.core.restore import run_head, segment_head
from pipeline.core.rows import Row, Rows
from pipeline.core.segment import (
    MAX_SEGMENT,
    SEGMENT,
    RunHead,
    SegmentHead,
    pack_run,
    pack_segments,
    segment_key,
    split_segment_key,
    unpack_chunks,
    unpack_head,
    unpack_scalars,
)
from pipeline.errors import InvariantBroken
from schemas.chunk import Chunk

Stored = list[tuple[int, Chunk]]


class Journal:
    """Rows between the working set and the store."""

    def __init__(self, rows: Rows) -> None:
        """Start with nothing waiting."""
        self._rows = rows
        self._pending: dict[bytes, bytes | None] = {}
        self._flying: dict[bytes, bytes | None] = {}
        self._touched: list[Head] = []

    @property
    def waiting(self) -> bool:
        """Whether anything is not yet in a snapshot."""
        return bool(self._pending or self._touched)

    def touch(self, head: Head) -> None:
        """Note that a head changed."""
        if not head.dirty:
            wake(head)
            head.dirty = True
            self._touched.append(head)

    def touched(self) -> Iterator[Head]:
        """Heads that changed since the last snapshot and are not finished."""
        return (head for head in self._touched if head.dirty)

    def stored(self, request_id: bytes, segments: int) -> Stored:
        """(source offset, chunk) of a request's segments, in order of arrival.

        Raises:
            InvariantBroken: a segment is missing.
        """
        found: Stored = []
        for number in range(segments):
            found.extend(unpack_chunks(self._segment(request_id, number)))
        return found

    def last_head(self, request_id: bytes, segments: int) -> SegmentHead:
        """The scalars of a closed request's last segment.

        Raises:
            InvariantBroken: it is missing, or that of an open request.
        """
        return unpack_scalars(self._segment(request_id, segments - 1))

    def _segment(self, request_id: bytes, number: int) -> bytes:
        key = segment_key(request_id, number)
        for rows in (self._pending, self._flying):
            if key in rows:
                value = rows[key]
                break
        else:
            value = self._rows.get(key)
        if value is None:
            raise InvariantBroken(f"segment {number} of a request is missing", request_id=request_id.decode())
        return value

    def write(self, head: Head, *, kept: bool = False) -> None:
        """Write what a head holds as its next segment; `kept`: it is closed, and stays for a revision."""
        size = head.size - head.saved_size
        if head.changed or kept or size > MAX_SEGMENT or not head.offsets:
            values = pack_segments(segment_head(head, kept=kept), head.held, head.offsets, size)
        else:
            values = iter([pack_run(run_head(head), head.held, head.offsets)])
        for value in values:
            self._pending[segment_key(head.key, head.segments)] = value
            head.segments += 1
        rest(head)
        head.saved_size, head.dirty, head.changed = head.size, False, False

    def clear(self, request_id: bytes, segments: int) -> None:
        """Give the segments of a request tombstones."""
        for number in range(segments):
            self._pending[segment_key(request_id, number)] = None

    def take(self) -> list[Row]:
        """The rows of a snapshot; they stay readable until `settled`."""
        self._flying, self._pending, self._touched = self._pending, {}, []
        return list(self._flying.items())

    def settled(self) -> None:
        """The snapshot's rows are in the store."""
        self._flying = {}

    def load(self) -> Iterator[tuple[bytes, list[SegmentHead | RunHead]]]:
        """(request id, heads of its segments) of all requests in the store.

        Raises:
            InvariantBroken: a segment is missing.
        """
        request_id, heads = b"", list[SegmentHead | RunHead]()
        for key, value in self._rows.scan(SEGMENT):
            name, number = split_segment_key(key)
            if name != request_id:
                if heads:
                    yield request_id, heads
                request_id, heads = name, []
            if number != len(heads):
                raise InvariantBroken(f"segment {len(heads)} of a request is missing", request_id=name.decode())
            heads.append(unpack_head(value))
        if heads:
            yield request_id, heads
