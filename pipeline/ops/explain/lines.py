"""A request out of chunk JSON lines: its own go to the fold, those of others only move the clock of their partition.

Imports the offline fold's reader of lines and its siblings.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.core.policy import Policy
from pipeline.core.valuation import UNVALUED, Valuation
from pipeline.errors import FoundProblem, ProducerFault
from pipeline.ops.explain.document import Gathered
from pipeline.ops.explain.watch import Watch
from pipeline.ops.fold import located


class Lines:
    """The lines of one request, by the partition that they name; those that name none are one of their own."""

    def __init__(self, request_id: str, policy: Policy, valuation: Valuation = UNVALUED) -> None:
        """Start before the first line."""
        self._request_id = request_id
        self._policy, self._valuation = policy, valuation
        self._watches: dict[tuple[str, int], Watch] = {}
        self._notes: list[str] = []
        self._number = 0

    def read(self, lines: Iterable[bytes]) -> None:
        """Fold chunk JSON lines, with or without `_kafka`."""
        for line in lines:
            self._number += 1
            if stripped := line.strip():
                self._take(stripped)

    def gathered(self, *, keep_open: bool) -> Gathered:
        """What was found, closed unless it is to stay open.

        Raises:
            FoundProblem: no line is of the request, or lines of it are in several partitions.
        """
        mine = [watch for watch in self._watches.values() if watch.entries]
        if not mine:
            raise FoundProblem(
                f"no chunk of the request among {self._number:,} lines",
                request_id=self._request_id,
                hint="; ".join(self._notes) or "check the id: a shell may have taken a part of it",
            )
        if len(mine) > 1:
            names = (f"{watch.topic} {watch.partition}" if watch.topic else "none" for watch in mine)
            text = f"the request is in several partitions ({', '.join(names)}), and each would make a record of it"
            raise FoundProblem(text, request_id=self._request_id, hint="explain the lines of one partition")
        (watch,) = mine
        if not keep_open:
            watch.end()
        clocked = bool(watch.topic)
        where = {"topic": watch.topic, "partition": watch.partition} if clocked else {}
        return Gathered(watch=watch, clocked=clocked, where={**where, "lines": self._number}, notes=self._notes)

    def _take(self, line: bytes) -> None:
        """One line; what the offline fold refuses before it folds is noted."""
        try:
            where, record, request_id = located(line, self._number)
        except ProducerFault as wrong:
            if wrong.request_id == self._request_id:
                self._notes.append(f"line {self._number} was refused: {wrong.message}")
            return
        watch = self._watches.get(where)
        if watch is None:
            watch = self._watches[where] = Watch(self._request_id, self._policy, where, self._valuation)
        if record.offset < watch.position:
            if request_id == self._request_id:
                self._notes.append(f"line {self._number} was refused: its offset is not above those before it")
        elif request_id == self._request_id:
            watch.take(record)
        else:
            watch.tick(record.offset, record.timestamp)
