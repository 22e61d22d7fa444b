"""The dead letters of the window, by reason.  Owns how long they are kept. Imports `ops.dead` and this room."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from pipeline.ops.dead.letter import Letter, read
from pipeline.ops.live.figures import LEEWAY_MS
from pipeline.ops.live.keep import NAME
from pipeline.ops.live.view import DeadRow
from schemas.deadletter import DeadLetterReason

LATE: Final = DeadLetterReason.LATE.value
CLOSED: Final = frozenset({LATE, DeadLetterReason.REQUEST_ID_REUSED.value})
"""Reasons that say that the request was closed before, whether or not its record is known here."""


class Refused(NamedTuple):
    """A dead letter without its value.

    Attributes:
        topic, source, stood: Where the chunk lay: topic, partition, offset.
        partition, offset: Where the letter lies.
    """

    at: int
    partition: int
    offset: int
    reason: str
    detail: str
    request_id: str | None
    topic: str
    source: int
    stood: int


def refused_by(record: Any) -> Refused | None:
    """Read a message of the dead letter topic; None for a receipt, and for what nobody of this ledger wrote."""
    letter = read(record)
    if not isinstance(letter, Letter):
        return None
    return Refused(
        letter.at,
        letter.place.partition,
        letter.place.offset,
        letter.reason[:NAME],
        letter.detail[:NAME],
        letter.keyed,
        letter.source.topic,
        letter.source.partition,
        letter.source.offset,
    )


class Letters:
    """The newest dead letters."""

    def __init__(self, window_ms: int, most: int) -> None:
        """`most`: how many are kept."""
        self._window = window_ms
        self._kept: deque[Refused] = deque(maxlen=most)
        self._latest = 0

    def take(self, letter: Refused) -> None:
        """One more."""
        self._kept.append(letter)
        self._latest = max(self._latest, letter.at)
        keep = self._latest - self._window - LEEWAY_MS
        while self._kept[0].at <= keep:
            self._kept.popleft()

    def within(self, at: int, meant: Callable[[Refused], bool]) -> list[Refused]:
        """Those of the window that ends at `at` and that are meant."""
        since = at - self._window
        return [letter for letter in self._kept if letter.at > since and meant(letter)]


def rows(letters: Iterable[Refused]) -> tuple[DeadRow, ...]:
    """A row for each reason, the most frequent first."""
    groups: dict[str, list[Refused]] = {}
    for letter in letters:
        groups.setdefault(letter.reason, []).append(letter)
    found = [_row(reason, group) for reason, group in groups.items()]
    return tuple(sorted(found, key=lambda row: (-row.count, row.reason)))


def _row(reason: str, letters: list[Refused]) -> DeadRow:
    newest = max(letters, key=lambda letter: letter[:3])
    return DeadRow(reason, len(letters), newest.at, newest.request_id, newest.detail, newest.partition, newest.offset)
