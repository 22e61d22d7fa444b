"""What goes out next: so many requests open at once, in turns or at the pace of their streams.

Owns beginning, taking turns and stopping; a pure function of seed and clocks. Imports its siblings and the standard
library.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from pipeline.ops.load.choice import Choice
from pipeline.ops.load.profile import PROFILES
from pipeline.ops.load.request import Request
from pipeline.ops.load.template import POOL, pool
from pipeline.ops.load.trouble import chosen, route

Send = tuple[bytes, bytes, Request | None]
"""Key and value of a chunk, and its request if nothing more of it follows."""

STAGGER_MS: Final = 1_000
"""With real timing the first requests begin spread over this time."""


class Clocks(NamedTuple):
    """Milliseconds: `wall` since the epoch, for what chunks say; `pace`, which never steps back, for waiting."""

    wall: Callable[[], int]
    pace: Callable[[], float]


class Course:
    """A load under way.

    Attributes:
        ending: Set to begin no more requests.
        begun: Requests that were begun.
        held: Late chunks that wait for their time: when, a number, whose.
        unsettled: Requests by key of which nobody has said yet that everything arrived.
    """

    def __init__(self, choice: Choice, run: str, clocks: Clocks) -> None:
        """Make the streams.

        Args:
            choice: What is wanted.
            run: Part of every request id; no two loads into one topic may share it.
            clocks: What times come from.
        """
        self._choice, self._clocks = choice, clocks
        self._prefix = f"load-{run}-".encode()
        self._profile = PROFILES[choice.profile]
        self._pool = pool(self._profile, choice.seed, choice.labels, choice.requests or POOL)
        self._draw = random.Random(choice.seed)  # noqa: S311 (no cryptography)
        self._number = itertools.count()
        self._turning: list[Request] = []
        self._timed: list[tuple[float, int, Request]] = []
        self.held: list[tuple[float, int, Request]] = []
        self.unsettled: dict[bytes, Request] = {}
        self.begun, self.ending = 0, False

    @property
    def open(self) -> int:
        """Requests that are open now; those that only wait for a late chunk are not."""
        return len(self._turning) + len(self._timed)

    @property
    def more(self) -> bool:
        """Whether another request may begin."""
        return not self.ending and (self._choice.requests is None or self.begun < self._choice.requests)

    @property
    def streams(self) -> int:
        """How many different ones there are."""
        return sum(map(len, self._pool))

    def turns(self) -> Iterator[Send]:
        """Chunks of the open requests, each in its turn; who ends is followed by another in the next round."""
        while True:
            while len(self._turning) < self._choice.open and (request := self._next()) is not None:
                request.begun -= request.template.duration
                self._turning.append(request)
            if not self._turning:
                return
            ended = False
            for request in self._turning:
                value = request.next()
                over = request.over
                ended = ended or over
                yield request.key, value, self._done(request) if over else None
            if ended:
                self._turning = [request for request in self._turning if not request.over]

    def timed(self, now: float) -> Iterator[Send]:
        """Chunks whose time has come by the pace clock."""
        while len(self._timed) < self._choice.open and (request := self._next()) is not None:
            request.due = now if self.begun > self._choice.open else now + self._draw.uniform(0, STAGGER_MS)
            request.begun += round(request.due - now)
            self._push(request)
        while self._timed and self._timed[0][0] <= now:
            _, _, request = heapq.heappop(self._timed)
            value = request.next()
            over = request.over
            if not over:
                self._push(request)
            yield request.key, value, self._done(request) if over else None

    @property
    def due(self) -> float | None:
        """When the next chunk is due by the pace clock, with real timing; None: nothing is open."""
        return self._timed[0][0] if self._timed else None

    def late(self, now: float) -> Iterator[Send]:
        """Late chunks whose time has come by the pace clock."""
        while self.held and self.held[0][0] <= now:
            _, _, request = heapq.heappop(self.held)
            if request.route.held is not None:
                yield request.key, request.overdue(request.route.held), request

    def stop(self) -> Iterator[Send]:
        """End everything that is open; nothing is begun any more."""
        self.ending = True
        running = [*self._turning, *(request for _, _, request in self._timed)]
        self._turning, self._timed = [], []
        for request in running:
            if not request.at or request.over:
                continue  # nothing of it is on the topic, or all of it
            end = request.end()
            if end is None:  # nothing is missing but repeats
                yield request.key, request.next(), request
                continue
            if request.route.held is not None:
                yield request.key, request.overdue(request.route.held), None
            yield request.key, end, request
        yield from self.late(float("inf"))

    def _next(self) -> Request | None:
        """Another request; None if none may begin."""
        choice, draw = self._choice, self._draw
        if not self.more:
            return None
        self.begun += 1
        trouble = chosen(draw) if choice.chaos and draw.random() < choice.chaos else None
        retried = trouble == "retry" or draw.random() < self._profile.retries
        template = draw.choice(self._pool.retried if retried else self._pool.plain)
        key = self._prefix + b"%08d" % self.begun
        request = self.unsettled[key] = Request(key, template, route(draw, template, trouble), self._clocks.wall())
        return request

    def _push(self, request: Request) -> None:
        heapq.heappush(self._timed, (request.due + request.wait, next(self._number), request))

    def _done(self, request: Request) -> Request | None:
        """The request, unless a chunk of it is to come late."""
        if request.route.held is None:
            return request
        due = self._clocks.pace() + self._choice.late_ms
        heapq.heappush(self.held, (due, next(self._number), request))
        return None
