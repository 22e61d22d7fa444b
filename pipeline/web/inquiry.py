"""One request explained out of Kafka while the page goes on: in a thread, within a time, one at a time for each user.

Owns the bounds. What is found is `pipeline.ops.explain`'s; the thread has an event loop of its own, because a long fold
would make everybody else wait. Imports `ops` and `topics`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakValueDictionary

from pipeline.errors import FoundProblem
from pipeline.ops.explain import Gathered, Search, explanation, of_topics
from pipeline.ops.live.view import Strip
from pipeline.settings import Settings
from pipeline.topics.bound import Bound

SECONDS: Final = 20.0
"""For one request: what takes longer is a search through a whole topic, and belongs on the command line."""
TOGETHER: Final = 2
"""At once, of all users: each reads topics and folds."""
QUEUE: Final = 8
"""That wait for their turn."""
RECENT: Final = "-1h"
"""Where the search for chunks without a record begins, as `streamledger explain` has it."""
SLACK_MS: Final = 60_000
"""Before a strip's first chunk: records and chunks have clocks of their own."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What was found of a request.

    Attributes:
        document: As `streamledger explain --json` prints it.
        record: The newest record as it lies on the topic, with content; None while there is none.
        offset: Of that record, in its topic.
    """

    document: Json
    record: Json | None
    offset: int | None


class Busy(Exception):
    """Too many are explained already, or this one took too long; the text says which."""


class Inquiry:
    """Explains requests for one server."""

    def __init__(self, settings: Settings) -> None:
        """Read with these settings, which should be the worker's."""
        self._settings = settings
        self._turns = asyncio.Semaphore(TOGETHER)
        self._waiting = 0
        self._users: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._running: set[Callable[[], None]] = set()

    async def explain(self, request_id: str, who: str, strip: Strip | None, *, content: bool, now_ms: int) -> Told:
        """Explain a request.

        Args:
            request_id: which.
            who: asks; others of the same name wait.
            strip: what the live view knows of it: it says where to look.
            content: show texts.
            now_ms: milliseconds since the epoch.

        Raises:
            Busy: there is no turn, or it takes too long.
            FoundProblem: it is not there.
            KafkaUnreachable: no broker answers.
        """
        if self._waiting >= QUEUE:
            raise Busy("others are looking at requests too; try again in a moment")
        lock = self._users.setdefault(who, asyncio.Lock())
        self._waiting += 1
        try:
            async with asyncio.timeout(SECONDS):
                await lock.acquire()
        except TimeoutError:
            raise Busy("you are looking at another request; try again when it is there") from None
        finally:
            self._waiting -= 1
        try:
            async with self._turns:
                search = _search(strip, now_ms)
                return await asyncio.to_thread(self._explained, request_id, search, content=content)
        finally:
            lock.release()

    def close(self) -> None:
        """Break off what runs: the server ends."""
        for cancel in tuple(self._running):
            cancel()

    def _explained(self, request_id: str, search: Search, *, content: bool) -> Told:
        """In a thread: read and fold, then put it into words."""
        gathered = asyncio.run(self._gathered(request_id, search))
        records = gathered.records or ()
        document = explanation(gathered, content=content)
        if not records:
            return Told(document, None, None)
        return Told(document, records[-1].record, int(records[-1].where.rpartition(" ")[2]))

    async def _gathered(self, request_id: str, search: Search) -> Gathered:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        broken_off = False

        def cancel() -> None:
            nonlocal broken_off
            broken_off = True
            with contextlib.suppress(RuntimeError):  # it has just ended
                loop.call_soon_threadsafe(task.cancel if task is not None else loop.stop)

        self._running.add(cancel)
        try:
            async with asyncio.timeout(SECONDS):
                return await of_topics(request_id, self._settings, search, lambda _: None)
        except TimeoutError:
            hint = f"look for it with: streamledger explain {request_id}"
            raise Busy(f"it was not found within {SECONDS:.0f} s; {hint}") from None
        except asyncio.CancelledError:
            if broken_off:
                raise FoundProblem("the page is ending", request_id=request_id) from None
            raise
        finally:
            self._running.discard(cancel)


def _search(strip: Strip | None, now_ms: int) -> Search:
    """Where to look: by what the live view knows, else everywhere that the request can be."""
    recent = Bound.of(RECENT, now_ms)
    if strip is None:
        return Search(recent=recent)
    since = Bound("its first chunk", time=max(strip.started_at - SLACK_MS, 0))
    return Search(recent=recent, since=since, partition=strip.partition)
