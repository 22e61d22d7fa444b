"""Brings entries to a receiver, at least once and none silently not.

A batch is done with when the receiver has taken each of its events or a dead letter keeps it; only then the position
goes on. Whoever dies in between sends the same ids again; who is told to stop ends its batch first. Imports its
siblings and errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from pipeline.errors import FoundProblem
from pipeline.sinks.export.format import Event, Format
from pipeline.sinks.export.letters import Letters
from pipeline.sinks.export.positions import Positions
from pipeline.sinks.export.post import Answer, Post
from pipeline.sinks.export.source import Batch

STOP_SECONDS: Final = 8.0
"""How long a batch under way may take when the export is told to stop; orchestrators allow 10 s in all."""
_KEEP: Final = "--dead-letters FILE keeps what is refused and goes on"


@dataclass
class Delivered:
    """What became of events: taken by the receiver, or kept as dead letters."""

    sent: int = 0
    refused: int = 0


class Courier:
    """Sends events in a format.

    Attributes:
        delivered: so far.
    """

    def __init__(self, post: Post, form: Format, delivered: Delivered, letters: Letters | None = None) -> None:
        """Without letters the first refusal is the end."""
        self.delivered = delivered
        self._post, self._form, self._letters = post, form, letters

    async def bring(self, batches: AsyncGenerator[Batch, None], positions: Positions | None = None) -> None:
        """Send all batches, and store each position when everything before it is done with.

        Raises:
            FoundProblem: the receiver can't be used, or refuses an event and there are no letters.
        """
        async with aclosing(batches):
            async for batch in batches:
                await _ended(self._deliver(batch, positions))

    async def _deliver(self, batch: Batch, positions: Positions | None) -> None:
        events = [self._form.event(entry) for entry in batch.entries]
        size = self._form.most or len(events) or 1
        for begin in range(0, len(events), size):
            await self._send(events[begin : begin + size])
        if positions is not None and batch.offsets:
            positions.advance(batch.offsets)

    async def _send(self, events: Sequence[Event]) -> None:
        """Send a request; where it is refused, halve it until those to blame are alone."""
        form = self._form
        answer = await self._post.send(form.body(events), form.content_type)
        if answer.accepted:
            self._accepted(events, answer)
        elif len(events) > 1:
            middle = len(events) // 2
            await self._send(events[:middle])
            await self._send(events[middle:])
        elif answer.status == HTTPStatus.CONFLICT:  # it is there already
            self.delivered.sent += 1
        else:
            self._refused(events[0], answer.status, answer.words)

    def _accepted(self, events: Sequence[Event], answer: Answer) -> None:
        """Count; of an answer that takes a part nobody knows which, so all of it are kept: none is silently lost."""
        against = self._form.refused(answer.content_type, answer.body)
        if against is None:
            self.delivered.sent += len(events)
            return
        taken = max(len(events) - against.number, 0)
        which = "all" if taken == 0 else f"{against.number} of these {len(events)}, of which it does not say which,"
        for event in events:
            self._refused(event, answer.status, f"{which} were refused: {against.why}"[:1_000])

    def _refused(self, event: Event, status: int, reason: str) -> None:
        if self._letters is None:
            raise FoundProblem(
                f"the receiver refuses an event: status {status}", hint=_KEEP, request_id=event.request_id
            )
        self._letters.put(event, self._form, status=status, reason=reason)
        self.delivered.refused += 1


async def _ended(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work; a cancellation waits for its end too, for STOP_SECONDS, and what it raises is raised."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait({task}, timeout=STOP_SECONDS)
        if not task.cancel():
            task.result()
        raise
