"""Pages out of templates: whole ones, and the parts of them that change.

Owns the environment of the templates and the list of parts. What goes in is escaped, always. Imports Jinja2 and its
siblings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.ops.dead.advice import advice
from pipeline.ops.kinds import KINDS
from pipeline.ops.live.view import STATUSES, Snapshot, Strip
from pipeline.web import words
from pipeline.web.picture import Picture, Scale, picture, span_of
from pipeline.web.question import ANY, Question

PARTS: Final[Mapping[str, Sequence[str]]] = {
    "live": ("trouble", "headline", "strips"),
    "open": ("trouble", "requests"),
    "money": ("trouble", "money"),
    "dead": ("trouble", "letters"),
}
"""The parts of each page that change, by the id of their element; each has a template of its name."""

STRIPS: Final[Mapping[str, int]] = {"live": 40, "open": 200, "money": 0, "dead": 0}
"""How many requests a page shows."""


@cache
def environment() -> Environment:
    """The templates, read from the package."""
    made = Environment(
        loader=PackageLoader("pipeline.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(words.FILTERS)
    made.filters["path"] = Picture.path
    made.filters["quoted"] = quoted
    made.globals.update(advice=advice, ANY=ANY, STATUSES=STATUSES, KINDS=KINDS)
    return made


def quoted(request_id: str) -> str:
    """A request id as one segment of a path, whatever stands in it."""
    return quote(request_id, safe="")


def part(name: str, question: Question, snapshot: Snapshot) -> str:
    """The inside of one part; it is the same for all who may see the page."""
    return environment().get_template(f"part/{name}.html").render(context(question, snapshot))


def page(question: Question, snapshot: Snapshot, more: Mapping[str, Any]) -> str:
    """A whole page."""
    return environment().get_template(f"{question.page}.html").render({**context(question, snapshot), **more})


def simple(name: str, **values: Any) -> str:
    """A page that shows no snapshot."""
    return environment().get_template(f"{name}.html").render(values)


def context(question: Question, snapshot: Snapshot) -> dict[str, Any]:
    """What templates are given."""
    return {
        "page": question.page,
        "question": question,
        "snapshot": snapshot,
        "headline": snapshot.headline,
        "now": snapshot.taken_at,
        "draw": Drawing(snapshot.strips, snapshot.taken_at),
        "parts": PARTS[question.page],
    }


class Drawing:
    """Draws the strips of one page on one scale."""

    def __init__(self, strips: Sequence[Strip], now: int) -> None:
        """Fit the scale to the strips; `now` in milliseconds since the epoch."""
        self.scale = Scale.of(span_of(strip, now) for strip in strips)
        self._now = now

    def __call__(self, strip: Strip) -> Picture:
        """Draw one."""
        return picture(strip, self.scale, self._now)
