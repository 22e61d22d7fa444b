"""The records of the window, one for each request.  Owns how long they are kept. Imports this room."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from pipeline.ops.live.told import Key, Told

LEEWAY_MS: Final = 60_000
"""Records are kept so much longer than the window: clocks differ, and partitions are read one after the other."""


class Figures:
    """The newest record of each request that had one in the window."""

    def __init__(self, window_ms: int, most: int) -> None:
        """`most`: how many are kept."""
        self._window, self._most = window_ms, most
        self._newest: OrderedDict[Key, Told] = OrderedDict()
        self._latest = 0
        self._lost = 0

    def __contains__(self, key: Key) -> bool:
        return key in self._newest

    def of(self, key: Key) -> Told | None:
        """The newest record of a request."""
        return self._newest.get(key)

    def take(self, told: Told) -> None:
        """One more record."""
        known = self._newest
        if not told.supersedes(known.get(told.key)):
            return
        known[told.key] = told
        known.move_to_end(told.key)
        self._latest = max(self._latest, told.at)
        keep = self._latest - self._window - LEEWAY_MS
        while known:
            oldest = next(iter(known.values()))
            if oldest.at > keep and len(known) <= self._most:
                break
            known.popitem(last=False)
            if oldest.at > keep:
                self._lost = max(self._lost, oldest.at)

    def since(self, at: int) -> int:
        """Append time after which records count, seen from `at`: the window, or as far back as is kept."""
        return min(max(at - self._window, self._lost), at)

    def within(self, since: int) -> Iterable[Told]:
        """Records after `since`."""
        return (told for told in self._newest.values() if told.at > since)
