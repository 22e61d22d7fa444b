"""Memory of closed requests: markers by the hour in which the request closed (CONTRACT §4, DESIGN §3).

Nothing of them stays in memory but those of the running checkpoint and the set of hours that have any.
"""

from __future__ import annotations

from typing import Final

from pipeline.core.rows import Rows
from pipeline.core.segment import MARKER, Marker, hour_of, hour_prefix, marker_key, pack, unpack_marker

SWEEP_SLICE: Final = 1_000
"""Markers looked at per checkpoint when kept segments are given up; bounds the tombstones of a transaction."""


class Closed:
    """Markers of one partition."""

    def __init__(self, rows: Rows, *, retention: int, revise_window: int, grace: int) -> None:
        """Times in ms; a marker counts at least as long as it may be revised, window and grace."""
        self._rows = rows
        self._revisable = revise_window + grace
        self._retention = max(retention, self._revisable)
        self._fresh: dict[bytes, Marker] = {}
        self._flying: dict[bytes, Marker] = {}
        self._hours: set[int] = set()
        self._cursor = b""
        self.swept_hour = self.dropped_hour = -1

    def load(self, swept_hour: int, dropped_hour: int) -> None:
        """Find the hours that have markers; `swept_hour` and `dropped_hour` come from the checkpoint row."""
        self.swept_hour, self.dropped_hour = swept_hour, dropped_hour
        key = hour_prefix(max(dropped_hour + 1, 0))
        while (row := next(self._rows.scan(MARKER, key), None)) is not None:
            hour = int.from_bytes(row[0][1:5], "big")
            self._hours.add(hour)
            key = hour_prefix(hour + 1)

    def find(self, request_id: bytes) -> Marker | None:
        """The newest marker of a request, whether or not it still counts."""
        marker = self._fresh.get(request_id) or self._flying.get(request_id)
        if marker is not None:
            return marker
        for hour in sorted(self._hours, reverse=True):
            value = self._rows.get(marker_key(request_id, hour))
            if value is not None:
                return unpack_marker(value)
        return None

    def counts(self, marker: Marker, now: int) -> bool:
        """Whether a request is still remembered at append time `now`."""
        return now < marker.closed_at + self._retention

    def put(self, request_id: bytes, marker: Marker) -> None:
        """Remember a closed request; a revision is kept under the hour of the first close."""
        self._fresh[request_id] = marker

    @property
    def waiting(self) -> bool:
        """Whether there are markers that no checkpoint holds."""
        return bool(self._fresh)

    def take(self) -> list[tuple[bytes, bytes]]:
        """The markers of a snapshot, as rows; they can be found in memory until `settled`."""
        self._flying, self._fresh = self._fresh, {}
        rows = []
        for request_id, marker in self._flying.items():
            hour = hour_of(marker.closed_at)
            self._hours.add(hour)
            rows.append((marker_key(request_id, hour), pack(marker)))
        return rows

    def settled(self) -> None:
        """The snapshot's markers are in the store."""
        self._flying = {}

    def sweep(self, now: int) -> list[tuple[bytes, Marker]]:
        """A slice of the markers that gather nothing any more and whose segments are still kept."""
        last = hour_of(now - self._revisable) - 1
        hours = sorted(hour for hour in self._hours if self.swept_hour < hour <= last)
        fresh = {hour_of(marker.closed_at) for marker in self._fresh.values()} if hours else set()
        found: list[tuple[bytes, Marker]] = []
        left = SWEEP_SLICE
        for hour in hours:
            if hour in fresh:
                break  # not all of it is in the store
            left = self._sweep_hour(hour, left, found)
            if self.swept_hour < hour:
                break
        return found

    def _sweep_hour(self, hour: int, left: int, found: list[tuple[bytes, Marker]]) -> int:
        """Look at no more than `left` markers of an hour; how many may be looked at then."""
        prefix = hour_prefix(hour)
        for key, value in self._rows.scan(prefix, max(self._cursor, prefix)):
            if not left:
                self._cursor = key
                return 0
            left -= 1
            marker = unpack_marker(value)
            if marker.segments:
                found.append((key[5:], marker))
        self._cursor, self.swept_hour = b"", hour
        return left

    def drop(self, now: int) -> list[int]:
        """Hours whose markers count no more; the store deletes them as ranges."""
        last = hour_of(now - self._retention) - 1
        hours = sorted(h for h in self._hours if h <= min(last, self.swept_hour))
        self._hours.difference_update(hours)
        if hours:
            self.dropped_hour = max(self.dropped_hour, hours[-1])
        return hours
