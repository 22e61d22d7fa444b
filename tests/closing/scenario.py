"""One row of the closing table: chunks with the pauses between them, and what must become of them, written by hand.

A pause is a part of a grace or window of CONTRACT §4, so that the same row means the same with graces of seconds on a
real broker, of hours offline, or anything else that keeps their order. Imports the chunk builders only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pipeline.testing.chunk import Document

PROPORTIONS: Final[Mapping[str, int]] = {
    "finish_grace": 2_500,
    "attempt_grace": 5_000,
    "session_window": 8_000,
    "revise_window": 8_000,
    "max_request_age": 18_000,
    "marker_retention": 17_000,
}
"""Settings in ms, short enough to be lived through; multiplied they stand for minutes or hours."""

LIMITS: Final[Mapping[str, Any]] = {"late_policy": "dead_letter", "max_chunks": 8, "max_bytes": 2_950}
"""Settings of a strict ledger, beside PROPORTIONS."""


class Pause(NamedTuple):
    """Time without a chunk of this request: a part of a setting."""

    setting: str
    part: float

    def milliseconds(self, settings: Mapping[str, int] = PROPORTIONS) -> int:
        """Of append time."""
        return round(settings[self.setting] * self.part)


IN_FINISH: Final = Pause("finish_grace", 0.4)
PAST_FINISH: Final = Pause("finish_grace", 1.4)
IN_ATTEMPT: Final = Pause("attempt_grace", 0.7)
"""Longer than finish_grace."""
PAST_ATTEMPT: Final = Pause("attempt_grace", 1.25)
IN_SESSION: Final = Pause("session_window", 0.65)
"""Longer than attempt_grace; two of them are longer than session_window."""
PAST_SESSION: Final = Pause("session_window", 1.2)
REVISE_WINDOW: Final = Pause("revise_window", 1.0)
IN_MARKER: Final = Pause("marker_retention", 0.5)
PAST_MARKER: Final = Pause("marker_retention", 0.6)
"""After IN_MARKER."""

Expected = Mapping[str, Any]
"""Values by field of the record; dots lead into objects and lists."""


class Outcome(NamedTuple):
    """What becomes of a request.

    Attributes:
        records: in the order in which they are sent.
        dead: (reason, number of the chunk in the scenario) of the dead letters.
    """

    records: Sequence[Expected]
    dead: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True)
class Scenario:
    """A request.

    Attributes:
        name: what it shows, in the test's id.
        steps: chunks in order of arrival, and pauses.
        outcome: with the default late policy and limits.
        strict: where it is another in the ledger of LIMITS.
        alone: nothing else comes to its partition, so that no chunk tells what time it is.
    """

    name: str
    steps: Sequence[Document | Pause]
    outcome: Outcome
    strict: Outcome | None = None
    alone: bool = False

    def expected(self, *, strict: bool) -> Outcome:
        """Of a ledger."""
        return self.strict if strict and self.strict is not None else self.outcome

    def sends(self, request_id: str) -> Iterator[tuple[int, Document]]:
        """(ms since the chunk before, chunk) under a request id."""
        wait = 0
        for step in self.steps:
            if isinstance(step, Pause):
                wait += step.milliseconds()
            else:
                yield wait, {**step, "request_id": request_id}
                wait = 0


def differences(expected: Sequence[Expected], records: Sequence[Document]) -> list[str]:
    """What is wrong with the records of a request; empty if they are as they must be.

    Beside the listed fields each revision must supersede the one before.
    """
    if len(expected) != len(records):
        seen = [(record["revision"], record["closed_by"], record["status"]) for record in records]
        return [f"{len(expected)} records expected, there are {seen}"]
    wrong = []
    for number, (wanted, record) in enumerate(zip(expected, records, strict=True)):
        wrong += [
            f"record {number} {path}: {leaf(record, path)!r}, expected {value!r}"
            for path, value in wanted.items()
            if leaf(record, path) != value or type(leaf(record, path)) is not type(value)
        ]
    for before, after in itertools.pairwise(records):
        if after["revision"] and after["supersedes"] != before["record_id"]:
            wrong.append(f"revision {after['revision']} supersedes {after['supersedes']}")
    return wrong


def leaf(record: Any, path: str) -> Any:
    """The value at a path; None where it ends earlier."""
    for name in path.split("."):
        if record is None:
            return None
        record = record[int(name)] if isinstance(record, list) else record.get(name)
    return record


def closed(by: str, text: str | None = None, **fields: Any) -> dict[str, Any]:
    """An expected record of a chat: `text` is its content, the other fields by name with `__` for a dot."""
    content = {} if text is None else {"output_message.content": text}
    named = {name.replace("__", "."): value for name, value in fields.items()}
    return {"closed_by": by, "revision": 0} | content | named
