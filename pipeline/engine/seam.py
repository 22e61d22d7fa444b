"""Failpoints in the pure core, which must neither know nor pay for them: put around its functions when one is armed.

Without armed points nothing is replaced. Each seam names a function and where the core looks it up; a test fails when
one is not passed any more. Imports the core and failpoints.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from pipeline.core import finish, partition
from pipeline.core.closed import Closed
from pipeline.core.outbox import Outbox
from pipeline.core.partition import Partition
from pipeline.engine.failpoint import armed, failpoint

Around = Callable[[str, Callable[..., Any]], Callable[..., Any]]
"""Name of the points and the function → one that passes the points, too."""


def _call(name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    """Before and after each call."""

    @functools.wraps(inner)
    def passed(*args: Any, **kwargs: Any) -> Any:
        failpoint(f"{name}.before")
        result = inner(*args, **kwargs)
        failpoint(f"{name}.after")
        return result

    return passed


def _revision(name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    """Before and after each call whose head is that of a revision."""
    watched = _call(name, inner)

    @functools.wraps(inner)
    def passed(head: Any, *args: Any, **kwargs: Any) -> Any:
        return (watched if head.revision else inner)(head, *args, **kwargs)

    return passed


def _each(name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    """Before and after the caller deals with each of what is returned."""

    @functools.wraps(inner)
    def passed(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for each in inner(*args, **kwargs):
            failpoint(f"{name}.before")
            yield each
            failpoint(f"{name}.after")

    return passed


class Seam(NamedTuple):
    """A function of the core: where it is looked up, under which name, and how points are put around it."""

    owner: Any
    attribute: str
    around: Around = _call


SEAMS: Final = {
    "decode": Seam(partition, "decode"),
    "admit": Seam(partition, "admit"),
    "dead_letter": Seam(Outbox, "refuse"),
    "late": Seam(Partition, "_take_late"),
    "fold": Seam(finish, "fold"),
    "revision": Seam(partition, "finish", _revision),
    "sweep": Seam(Closed, "sweep", _each),
}

_originals: dict[str, Any] = {}


def put() -> None:
    """Put the armed points into the core; nothing is touched when none of them is armed. Idempotent."""
    for name, seam in SEAMS.items():
        points = f"{name}.before", f"{name}.after"
        if name not in _originals and not armed().isdisjoint(points):
            _originals[name] = getattr(seam.owner, seam.attribute)
            setattr(seam.owner, seam.attribute, seam.around(name, _originals[name]))


def take_away() -> None:
    """The core as it was."""
    while _originals:
        name, original = _originals.popitem()
        setattr(SEAMS[name].owner, SEAMS[name].attribute, original)
