"""A stream as a drawing: places of its chunks, gaps and marks on a line of time, in a space that is `WIDTH` wide.

Owns the scale and the geometry; templates only write it down. Time is drawn by its square root, so that the first
moments of a stream keep their room beside one that lasts minutes, and nothing runs off the page. Pure; imports the
view's shapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from pipeline.ops.live.view import Dot, Gap, Strip

WIDTH: Final = 1_000
"""Of the space that is drawn in; the page stretches it."""
EDGE: Final = 8
"""Left free on both sides, so that no dot is cut."""
STEP: Final = 2
"""Dots nearer to each other than this are one: more could not be told apart."""
LEAST_GAP: Final = 14
"""A gap is at least so wide: it must be seen."""

STOPS: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 3_600, 7_200, 21_600, 43_200, 86_400)
"""Ends that an axis can have, in seconds; a few of them, so that it does not jump with every chunk."""
FINE: Final = (0.1, 0.25, 0.5, *STOPS)
APART: Final = 85
"""Between two ticks, so that their words do not touch on a telephone."""


@dataclass(frozen=True)
class Tick:
    """A mark of the axis, in per cent of its width."""

    at: float
    text: str


@dataclass(frozen=True)
class Scale:
    """The axis that all strips of a page share: from 0 to `longest` milliseconds."""

    longest: int

    @classmethod
    def of(cls, spans: Iterable[int]) -> Scale:
        """The shortest axis that holds spans of milliseconds."""
        longest = max(spans, default=0)
        return cls(next((stop * 1_000 for stop in STOPS if stop * 1_000 >= longest), max(longest, 1)))

    def at(self, ms: int) -> int:
        """Where a time is, within the edges whatever comes."""
        inside = min(max(ms, 0), self.longest)
        return EDGE + round((WIDTH - 2 * EDGE) * sqrt(inside / self.longest))

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Marks of the axis that leave each other room, its end among them."""
        wanted = [round(stop * 1_000) for stop in FINE if stop * 1_000 <= self.longest]
        taken = [0, self.longest]
        for ms in reversed(wanted):
            if all(abs(self.at(ms) - self.at(other)) >= APART for other in taken):
                taken.append(ms)
        return tuple(Tick(self.at(ms) / WIDTH * 100, _axis(ms)) for ms in sorted(set(taken)))


def _axis(ms: int) -> str:
    if ms == 0:
        return "0"
    seconds = ms / 1_000
    return (
        f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min" if seconds < 7_200 else f"{seconds / 3_600:g} h"
    )


@dataclass(frozen=True)
class Span:
    """From here to there."""

    first: int
    last: int


@dataclass(frozen=True)
class Picture:
    """A strip, drawn.

    Attributes:
        dots, squares, rings: places of chunks, of usages and end markers, and of repeats.
        crosses, retries: where errors are, and where a further attempt begins; in per cent.
        flag: the first token.
        gaps: where indexes are missing.
        end: of the chunks; `until`: of an open request's wait, now.
    """

    dots: tuple[int, ...]
    squares: tuple[int, ...]
    rings: tuple[int, ...]
    crosses: tuple[float, ...]
    retries: tuple[float, ...]
    flag: int | None
    gaps: tuple[Span, ...]
    end: int
    until: int | None

    @staticmethod
    def path(places: Sequence[int], height: int = 12) -> str:
        """Places as a path of points: a stroke of no length with caps is a dot or a square."""
        return "".join(f"M{place} {height}h0" for place in places)


def span_of(strip: Strip, now: int) -> int:
    """How long a strip is, in milliseconds: an open one goes on until now."""
    return max((now if strip.box is None else strip.seen_at) - strip.started_at, 0)


def picture(strip: Strip, scale: Scale, now: int) -> Picture:
    """Draw a strip; `now` in milliseconds since the epoch is where an open one ends."""
    drawn = strip.dots
    end = scale.at(max((dot.at_ms for dot in drawn), default=strip.seen_at - strip.started_at))
    return Picture(
        dots=_places(scale, (dot for dot in drawn if dot.kind == "data" and not dot.duplicate)),
        squares=_places(scale, (dot for dot in drawn if dot.kind in ("usage", "marker") and not dot.duplicate)),
        rings=_places(scale, (dot for dot in drawn if dot.duplicate)),
        crosses=_percents(_places(scale, (dot for dot in drawn if dot.kind == "error" and not dot.duplicate))),
        retries=_percents(_retries(scale, drawn)),
        flag=None if strip.first_token_ms is None else scale.at(strip.first_token_ms),
        gaps=tuple(_gap(scale, missing, drawn, end) for missing in strip.gaps),
        end=end,
        until=None if strip.box is not None else max(scale.at(now - strip.started_at), end),
    )


def _places(scale: Scale, dots: Iterable[Dot]) -> tuple[int, ...]:
    """Where dots are, those in one place once."""
    return tuple(sorted({scale.at(dot.at_ms) // STEP * STEP for dot in dots}))


def _percents(places: Iterable[int]) -> tuple[float, ...]:
    return tuple(round(place / WIDTH * 100, 1) for place in places)


def _retries(scale: Scale, dots: Sequence[Dot]) -> list[int]:
    """Where the first chunk of each further attempt is."""
    firsts: dict[int, int] = {}
    for dot in dots:
        firsts[dot.attempt] = min(dot.at_ms, firsts.get(dot.attempt, dot.at_ms))
    return [scale.at(ms) for attempt, ms in sorted(firsts.items()) if attempt > min(firsts)]


def _gap(scale: Scale, missing: Gap, dots: Sequence[Dot], end: int) -> Span:
    """A gap reaches from the chunk before it to the one behind it, in time."""
    mine = [dot for dot in dots if dot.attempt == missing.attempt and not dot.duplicate]
    before = max((dot.at_ms for dot in mine if dot.index < missing.first), default=0)
    behind = min((dot.at_ms for dot in mine if dot.index > missing.last), default=None)
    first, last = scale.at(before), end if behind is None else scale.at(behind)
    if last - first >= LEAST_GAP:
        return Span(first, last)
    middle = min(max((first + last) // 2, EDGE + LEAST_GAP // 2), WIDTH - EDGE - LEAST_GAP // 2)
    return Span(middle - LEAST_GAP // 2, middle + LEAST_GAP // 2)
