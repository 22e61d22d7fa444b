"""What framing gives: numbered lines, and the events that they make up. Imports nothing."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """A line of the recording, numbered from 1."""

    number: int
    text: str


class Event(NamedTuple):
    """One event: its `event:` name, if it has one, and its data lines."""

    name: str | None
    data: list[Line]
