"""The chunks of one request as points in time, packed, and thinned out evenly when there are too many.

Owns their memory: 32 bytes each. What is noteworthy (a repeat, usage, an error, an end) outlives plain data. Imports
the shapes of the views.
"""

from __future__ import annotations

from array import array
from typing import Final

from pipeline.core.signs import DATA, KINDS
from pipeline.ops.live.view import Dot

_WIDTH: Final = 4
"""Numbers of a dot: time, offset, index, and attempt with its flags."""
_KIND: Final = 0b0011
_REPEAT: Final = 0b0100
_FINAL: Final = 0b1000
_FLAGS: Final = 4
_LARGEST: Final = (1 << 53) - 1


class Dots:
    """Points of one request, in the order of their offsets."""

    __slots__ = ("_most", "_numbers", "_plain", "_stride")

    def __init__(self, most: int) -> None:
        """`most`: how many are kept."""
        self._most = most
        self._numbers = array("q")
        self._plain = 0
        self._stride = 1

    def __len__(self) -> int:
        return len(self._numbers) // _WIDTH

    def add(self, at: int, offset: int, index: int, told: int) -> None:
        """One more; `told` is made by `told_of`. `at`: append time in ms since the epoch."""
        if told & (_KIND | _REPEAT | _FINAL) == DATA:
            self._plain += 1
            if self._stride > 1 and (self._plain - 1) % self._stride:
                return
        numbers = self._numbers
        numbers.extend((at, offset, index, told))
        if len(numbers) > self._most * _WIDTH:
            self._thin()

    def all(self, started: int) -> tuple[Dot, ...]:
        """Those that are kept; times count from `started`."""
        numbers = self._numbers
        return tuple(
            Dot(
                at_ms=max(at - started, 0),
                kind=KINDS[told & _KIND],
                index=index,
                attempt=told >> _FLAGS,
                duplicate=bool(told & _REPEAT),
                final=bool(told & _FINAL),
                offset=offset,
            )
            for at, offset, index, told in zip(
                numbers[0::_WIDTH], numbers[1::_WIDTH], numbers[2::_WIDTH], numbers[3::_WIDTH], strict=True
            )
        )

    def _thin(self) -> None:
        """Every second plain one goes; where they are few, the oldest go too: a quarter at once, for it costs time."""
        numbers, kept, plain = self._numbers, array("q"), 0
        for place in range(0, len(numbers), _WIDTH):
            if numbers[place + 3] & (_KIND | _REPEAT | _FINAL) == DATA:
                plain += 1
                if plain % 2 == 0:
                    continue
            kept.extend(numbers[place : place + _WIDTH])
        if plain > 1:
            self._stride *= 2
        beyond = len(kept) // _WIDTH - max(self._most * 3 // 4, 1)
        self._numbers = kept[beyond * _WIDTH :] if beyond > 0 else kept


def told_of(attempt: int, kind: int, *, repeat: bool, final: bool) -> int:
    """Attempt and flags of a dot in one number."""
    return min(attempt, _LARGEST) << _FLAGS | kind | (_REPEAT if repeat else 0) | (_FINAL if final else 0)
