"""A head at rest: all it holds is in segments, so its containers are empty and can be the same ones for all heads.

Most open requests rest most of the time; containers of their own would be a third of what they cost. So the bounds of
indexes are let go, too, where the run tells them. The shared containers can't be changed: a chunk that came to a head
still at rest would be an error, never another request's chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from pipeline.core.head import MAIN_RUN, Head

_NO_ITEMS: Final = cast("list[Any]", ())
_NO_BOUNDS: Final = cast("dict[Any, Any]", cast("Mapping[Any, Any]", MappingProxyType({})))


def rest(head: Head) -> None:
    """Let go of what is in a segment now."""
    head.held = head.offsets = _NO_ITEMS
    head.fresh = _NO_BOUNDS
    if len(head.seen) == 1 and head.seen.get(MAIN_RUN) == [0, head.next_index]:
        head.seen = _NO_BOUNDS
    if not head.repeats:
        head.repeats = _NO_ITEMS


def wake(head: Head) -> None:
    """Give a head that rests containers of its own again; one that does not rest keeps what it has."""
    if head.fresh is _NO_BOUNDS:
        head.held, head.offsets, head.fresh = [], [], {}
    if head.seen is _NO_BOUNDS:
        head.seen = {MAIN_RUN: [0, head.next_index]}
    if head.repeats is _NO_ITEMS:
        head.repeats = []
