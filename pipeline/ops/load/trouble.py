"""What befalls requests on their way: repeats, another order, a lost chunk, no end, a second attempt, a late chunk.

Owns which and how often. Imports its siblings and the standard library.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from pipeline.ops.load.template import Template

Trouble = Literal["duplicates", "reordered", "gap", "cut", "retry", "late"]

TROUBLES: Final[Sequence[tuple[Trouble, float]]] = (
    ("duplicates", 0.30),
    ("reordered", 0.30),
    ("gap", 0.10),
    ("cut", 0.10),
    ("retry", 0.10),
    ("late", 0.10),
)
"""Share of each among the requests that trouble befalls."""

REPEATED: Final = 0.10
"""Share of chunks that come twice, where some do."""
APART: Final = 4.0
"""A chunk is overtaken by at most so many of its own request."""


class Route(NamedTuple):
    """Which steps of a stream are sent, in which order.

    Attributes:
        order: Numbers of steps; one may come twice.
        held: Number of a step that comes late, after all others.
        trouble: What befell the request.
    """

    order: Sequence[int]
    held: int | None = None
    trouble: Trouble | None = None


def chosen(draw: random.Random) -> Trouble:
    """Some trouble."""
    return draw.choices([name for name, _ in TROUBLES], [share for _, share in TROUBLES])[0]


def route(draw: random.Random, template: Template, trouble: Trouble | None) -> Route:
    """The way of a stream; one that is too short for its trouble, or retried already, has none of it."""
    plain = range(len(template.steps))
    if trouble == "reordered":
        return Route(shuffled(draw, plain, APART), None, trouble)
    if trouble == "duplicates":
        return Route(_repeated(draw, plain), None, trouble)
    if trouble == "cut":
        return Route(range(draw.randint(1, template.before_end)), None, trouble)
    if trouble in ("gap", "late") and template.losable:
        lost = draw.choice(template.losable)
        rest = [number for number in plain if number != lost]
        return Route(rest, lost if trouble == "late" else None, trouble)
    return Route(plain, None, "retry" if template.retried and trouble == "retry" else None)


def shuffled(draw: random.Random, order: Sequence[int], apart: float) -> list[int]:
    """Neighbours swapped, over a distance of at most `apart`."""
    return sorted(order, key=lambda number: number + draw.uniform(0, apart))


def _repeated(draw: random.Random, order: Sequence[int]) -> list[int]:
    """Some steps again, a few chunks later; at least one."""
    again = [number for number in order if draw.random() < REPEATED] or [draw.choice(order)]
    places = [(float(number), number) for number in order]
    places += [(number + draw.uniform(0, APART), number) for number in again]
    return [number for _, number in sorted(places)]
