"""Records of a ledger read as they come, until those that a test waits for are there.

Owns the waiting, and what is said when they do not come. Imports `pipeline.topics`, the dead letters' names, settings.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from pipeline.settings import Settings
from pipeline.testing.folding import Record
from pipeline.testing.topic import Seen, committed
from pipeline.testing.waiting import DEADLINE, run
from pipeline.topics.tail import Tail, following
from schemas.deadletter import DEAD_LETTER_HEADERS

BATCH: Final = 1_000
WAIT_MS: Final = 200


class Records:
    """The record topic of a ledger, as a read_committed consumer sees it."""

    def __init__(self, settings: Settings, watch: Callable[[], None] = lambda: None) -> None:
        """Read nothing yet.

        Args:
            settings: Of the ledger.
            watch: Called while waiting; what it raises ends the wait, such as the end of the worker.
        """
        self._settings, self._watch = settings, watch
        self._positions: dict[int, int] = {}
        self._found: dict[str, list[Record]] = {}

    def wait(self, *request_ids: str, revision: int = 0, deadline: float = DEADLINE) -> dict[str, Record]:
        """Wait until all these requests have a record of this revision or a later one; the latest of each.

        Raises:
            AssertionError: not all are there at the deadline; says which, and what became of their chunks.
            KafkaUnreachable: no broker answers.
        """
        return run(self.arrived(*request_ids, revision=revision, deadline=deadline))

    def of(self, request_id: str, *, revision: int = 0, deadline: float = DEADLINE) -> Record:
        """The same of one request."""
        return self.wait(request_id, revision=revision, deadline=deadline)[request_id]

    def revisions(self, request_id: str) -> list[Record]:
        """All that the topic holds now of a request, in the order of its revisions."""
        run(self.arrived())
        return list(self._found.get(request_id, ()))

    def all(self) -> list[Record]:
        """All that the topic holds now, request by request."""
        run(self.arrived())
        return [each for records in self._found.values() for each in records]

    async def arrived(self, *request_ids: str, revision: int = 0, deadline: float = DEADLINE) -> dict[str, Record]:
        """`wait` for tests with an event loop of their own."""
        try:
            async with (
                asyncio.timeout(deadline),
                following(self._settings, self._settings.record_topic, self._positions) as tail,
            ):
                await self._to_end(tail)
                while self._missing(request_ids, revision):
                    batches = await tail.batch(BATCH, WAIT_MS)
                    self._take(batches, await tail.positions())
                    if not batches:
                        self._watch()
        except TimeoutError:
            raise AssertionError(await self._excuse(request_ids, revision, deadline)) from None
        return {name: self._found[name][-1] for name in request_ids}

    async def _to_end(self, tail: Tail) -> None:
        """Read up to the end that the topic has now."""
        ends = await tail.ends()
        while any([(await tail.positions())[number] < end for number, end in ends.items()]):
            self._take(await tail.batch(BATCH, WAIT_MS), await tail.positions())

    def _take(self, batches: dict[int, list[Any]], positions: dict[int, int]) -> None:
        self._positions = positions
        for message in (each for batch in batches.values() for each in batch):
            if message.value is not None:
                record = json.loads(message.value)
                self._found.setdefault(record["request_id"], []).append(record)

    def _missing(self, request_ids: tuple[str, ...], revision: int) -> list[str]:
        return [
            name for name in request_ids if not any(each["revision"] >= revision for each in self._found.get(name, ()))
        ]

    async def _excuse(self, request_ids: tuple[str, ...], revision: int, deadline: float) -> str:
        """Why a wait failed, as far as the topics tell."""
        missing = self._missing(request_ids, revision)
        kind = "record" if revision == 0 else f"revision {revision}"
        lines = [f"no {kind} of {', '.join(missing)} within {deadline:g} s; {len(self._found)} requests have records"]
        sent: dict[str, int] = {}
        for each in await committed(self._settings, self._settings.chunk_topic):
            sent[_name(each)] = sent.get(_name(each), 0) + 1
        refused: dict[str, list[str]] = {}
        for each in await committed(self._settings, self._settings.dead_topic):
            refused.setdefault(_name(each), []).append(reason(each))
        for name in missing:
            dead = "; ".join(refused.get(name, ())) or "none"
            lines.append(f"  {name}: {sent.get(name, 0)} chunks in the topic, dead letters: {dead}")
        return "\n".join(lines)


def letter(seen: Seen) -> Record:
    """A message of the dead letter topic: its `dl.*` headers without that prefix, its request id and its value."""
    told = {name: text.decode(errors="replace") for name, text in seen.headers if name in DEAD_LETTER_HEADERS}
    named = {name.removeprefix("dl."): text for name, text in told.items()}
    return {**named, "request_id": _name(seen), "value": seen.value}


def reason(seen: Seen) -> str:
    """Why a chunk was refused."""
    told = letter(seen)
    return f"{told.get('reason')} ({told.get('detail')})" if told.get("detail") else str(told.get("reason"))


def _name(seen: Seen) -> str:
    return (seen.key or b"").decode(errors="replace")
