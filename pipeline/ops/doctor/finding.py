"""What a check says: one line, how bad it is, and what to do.

Imports the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "wrong", "unknown"]
"""`warn` is a promise that is thinner than it could be, `wrong` one that does not hold; `unknown` could not be seen."""


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Attributes:
        check: Name of the check.
        state: How bad it is.
        text: What was found.
        advice: What to do; None where nothing is to be done.
    """

    check: str
    state: State
    text: str
    advice: str | None = None


def fine(check: str, text: str) -> Finding:
    """As it should be."""
    return Finding(check, "ok", text)


def thin(check: str, text: str, advice: str) -> Finding:
    """It works, but less is promised than could be."""
    return Finding(check, "warn", text, advice)


def wrong(check: str, text: str, advice: str) -> Finding:
    """A promise does not hold, or something won't start."""
    return Finding(check, "wrong", text, advice)


def unseen(check: str, text: str, advice: str | None = None) -> Finding:
    """It could not be looked at."""
    return Finding(check, "unknown", text, advice)
