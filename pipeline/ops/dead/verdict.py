"""What becomes of each dead letter that a redrive looks at.  Imports its siblings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from pipeline.ops.dead.letter import Place
from pipeline.ops.explain.ending import append_time

Json = dict[str, Any]


class Outcome(StrEnum):
    """What becomes of a letter."""

    CHUNKS = "chunks"
    """Sent to the chunk topic, as any chunk."""
    CORRECTION = "correction"
    """Folded into a correction of its request's record."""
    DONE = "done before"
    """It was sent back by an earlier run."""
    HELD = "held"
    """Not yet: the worker may still revise the record."""
    REFUSED = "refused"
    """It can't go back."""


PROBLEMS: Final = frozenset({Outcome.HELD, Outcome.REFUSED})


@dataclass(frozen=True)
class Verdict:
    """Of one letter; `why` where it stays, `until` (ms) if it may go back then."""

    place: Place
    reason: str
    request_id: str | None
    outcome: Outcome
    why: str | None = None
    until: int | None = None

    def as_json(self) -> Json:
        """Under names that do not change."""
        return {
            "place": str(self.place),
            "reason": self.reason,
            "request_id": self.request_id,
            "outcome": self.outcome.value,
            "why": self.why,
            "until": None if self.until is None else append_time(self.until),
        }


@dataclass(frozen=True)
class Corrected:
    """A correction that was, or would be, sent."""

    request_id: str
    record_id: str
    revision: int
    letters: int
    delta: Json

    def as_json(self) -> Json:
        """Under names that do not change."""
        return dict(vars(self))


@dataclass
class Report:
    """What a redrive did, or would do.

    Attributes:
        executed: It was done.
        verdicts: One for each letter that was looked at.
        corrections: Records that were corrected.
    """

    executed: bool
    verdicts: list[Verdict] = field(default_factory=list)
    corrections: list[Corrected] = field(default_factory=list)

    @property
    def problem(self) -> bool:
        """Whether a letter stays."""
        return any(verdict.outcome in PROBLEMS for verdict in self.verdicts)

    def of(self, *outcomes: Outcome) -> Sequence[Verdict]:
        """Letters by what becomes of them."""
        return [verdict for verdict in self.verdicts if verdict.outcome in outcomes]

    def as_json(self) -> Json:
        """The document of `dead redrive --json`."""
        return {
            "executed": self.executed,
            "letters": len(self.verdicts),
            "outcomes": {str(outcome): len(self.of(outcome)) for outcome in Outcome},
            "verdicts": [verdict.as_json() for verdict in self.verdicts],
            "corrections": [corrected.as_json() for corrected in self.corrections],
        }
