"""A head at rest: all it holds is in segments, so its containers are empty and can be the same ones for all heads.

Most open requests rest most of the time; empty lists of their own would be a sixth of what they cost. The shared ones
can't be changed, so a chunk that came to a head still at rest would be an error, never another request's chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from pipeline.core.head import Head

_NO_ITEMS: Final = cast("list[Any]", ())
_NO_BOUNDS: Final = cast("dict[Any, Any]", cast("Mapping[Any, Any]", MappingProxyType({})))


def rest(head: Head) -> None:
    """Let go of what is in a segment now."""
    head.packed = head.offsets = _NO_ITEMS
    head.fresh = _NO_BOUNDS
    if not head.repeats:
        head.repeats = _NO_ITEMS


def wake(head: Head) -> None:
    """Give a head that rests containers of its own again; one that does not rest keeps what it has."""
    if head.fresh is _NO_BOUNDS:
        head.packed, head.offsets, head.fresh = [], [], {}
    if head.repeats is _NO_ITEMS:
        head.repeats = []
