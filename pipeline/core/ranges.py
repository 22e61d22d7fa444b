"""Sets of indexes as sorted half-open bounds [start, end, start, end, …].

A huge index costs neither memory nor time (CONTRACT §2, S-ORD-4): the size is that of the gaps.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

Bounds = list[int]


def contains(bounds: Bounds, index: int) -> bool:
    """Whether an index is in the set."""
    return bisect_right(bounds, index) % 2 == 1


def add(bounds: Bounds, start: int, end: int) -> None:
    """Put the indexes start … end-1 into the set."""
    left, right = bisect_left(bounds, start), bisect_right(bounds, end)
    bounds[left:right] = ([start] if left % 2 == 0 else []) + ([end] if right % 2 == 0 else [])


def union(sets: Iterable[Bounds]) -> Bounds:
    """The indexes that are in any of the sets."""
    joined: Bounds = []
    for bounds in sets:
        for start, end in zip(bounds[::2], bounds[1::2], strict=True):
            add(joined, start, end)
    return joined


def open_base(bounds: Bounds) -> bool:
    """Whether the set begins at 1: a stream counted from 1, or index 0 is still to come (S-ORD-6)."""
    return bool(bounds) and bounds[0] == 1


def gaps(bounds: Bounds) -> list[tuple[int, int]]:
    """Missing indexes as (first, last); a base of 1 is no gap, a first index of 2 or more is one."""
    if not bounds:
        return []
    missing = [(0, bounds[0] - 1)] if bounds[0] > 1 else []
    missing += [(end, start - 1) for end, start in zip(bounds[1:-1:2], bounds[2::2], strict=True)]
    return missing
