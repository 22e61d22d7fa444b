"""The load: what is sent when, as a pure function of the seed, and the ledger of what must become of it.

Chunks are shuffled inside their request, one in a hundred comes twice, one in a thousand sends garbage along. Owns the
plan and the sending. Imports aiokafka, the siblings and `pipeline.ops.load`, which never folds.

It does not send as `streamledger load` does: its plan is one of times and of bad chunks between good ones, and its
sender outlives brokers that are killed, sending again in order what failed.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from pipeline.ops.load.piece import Json
from pipeline.ops.load.trouble import shuffled
from tests.chaos.garbage import NEIGHBOURS, PLAIN, Garbage, garbage
from tests.chaos.requests import request
from tests.chaos.streams import Request

DUPLICATES: Final = 0.01
GARBAGE: Final = 0.001
AT_THE_START: Final = 0.004
"""Share of requests whose first chunk is followed by one that contradicts it."""

CHUNKS_A_REQUEST: Final = 13.3
"""Measured over ten thousand requests."""

SPANS: Final = ((0.80, 0.2, 3.0), (0.15, 4.0, 12.0), (0.05, 15.0, 40.0))
"""Share of requests and the seconds between which they last; the longest see several restarts."""

STEP: Final = 1.5
"""Most seconds between two chunks of a request: far less than its grace."""

HEADER: Final = "chaos"
"""Header of garbage: its number in the ledger; a dead letter must still have it."""


class Send(NamedTuple):
    """One record to produce, `at` seconds after the start."""

    at: float
    number: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Ledger:
    """What was sent and what must come of it.

    Attributes:
        seed: Of the plan.
        requests: View of the record by request id.
        garbage: What must lie in the dead letters, by number.
        chunks: Distinct chunks that were planned.
        duplicates: Chunks that were planned a second time.
        plan: Digest of the plan so far: equal for equal seeds.
    """

    seed: int = 0
    requests: dict[str, Json] = field(default_factory=dict)
    garbage: dict[int, Garbage] = field(default_factory=dict)
    chunks: int = 0
    duplicates: int = 0
    plan: Any = field(default_factory=sha256)

    def without(self, request_id: str, refused: Collection[bytes]) -> Json:
        """View of the record of a request some of whose chunks were rightly refused as late: made once more."""
        return request(own_draw(self.seed, request_id), request_id, refused=refused).expected


def own_draw(seed: int, request_id: str) -> random.Random:
    """The choices of one request, so that it can be made again by itself."""
    return random.Random(f"{seed}-{request_id}")


def plan(seed: int, ledger: Ledger, *, seconds: float, per_second: float) -> Iterator[Send]:
    """Everything to send, in the order of time; the ledger grows along.

    Args:
        seed: Equal seeds make equal plans.
        ledger: Noted before a request's first chunk is handed out.
        seconds: No request begins later.
        per_second: Chunks, on average.
    """
    ledger.seed, draw = seed, random.Random(seed)
    waiting: list[Send] = []
    numbers = itertools.count()
    at = 0.0
    for count in itertools.count():
        at += draw.expovariate(per_second / CHUNKS_A_REQUEST)
        while waiting and (waiting[0].at < at or at >= seconds):
            send = heapq.heappop(waiting)
            ledger.plan.update(b"%d %b %b" % (send.number, send.key or b"", send.value or b""))
            yield send
        if at >= seconds:
            return
        request_id = f"s{seed}-{count:06d}"
        made = request(own_draw(seed, request_id), request_id)
        ledger.requests[made.request_id] = made.expected
        ledger.chunks += len(made.chunks)
        for send in _sends(draw, made, ledger, numbers, at, most=seconds):
            heapq.heappush(waiting, send)


def _sends(
    draw: random.Random, made: Request, ledger: Ledger, numbers: Iterator[int], start: float, *, most: float
) -> Iterator[Send]:
    """The chunks of one request over its time, at most `most` seconds, with duplicates and garbage."""
    _, shortest, longest = draw.choices(SPANS, [share for share, _, _ in SPANS])[0]
    span = min(draw.uniform(shortest, longest), STEP * len(made.chunks), most)
    order = [number for group in made.groups for number in _shuffled(draw, list(group))]
    key = made.request_id.encode()
    for place, number in enumerate(order):
        at = start + span * place / len(order)
        yield Send(at, next(numbers), key, made.chunks[number])
        if draw.random() < DUPLICATES:
            ledger.duplicates += 1
            yield Send(at + draw.uniform(0, 3), next(numbers), key, made.chunks[number])
        if draw.random() < (AT_THE_START if place == 0 else GARBAGE):
            bad = garbage(draw, made, number, NEIGHBOURS if place == 0 else PLAIN)
            ident = len(ledger.garbage)
            ledger.garbage[ident] = bad
            yield Send(at, next(numbers), bad.key, bad.value, ((HEADER, b"%d" % ident),))


def _shuffled(draw: random.Random, order: list[int]) -> list[int]:
    """Half of the requests in any order, the others with neighbours swapped."""
    if draw.random() < 0.5:
        draw.shuffle(order)
        return order
    return shuffled(draw, order, 3)


class Sender:
    """Sends a plan at its pace; what fails is sent again, in its order."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        """Nothing is connected yet."""
        self._servers, self._topic = bootstrap_servers, topic
        self._producer: Any = None
        self._sent: list[tuple[Send, Any]] = []
        self.acknowledged = 0
        self.again = 0

    async def run(self, sends: Iterator[Send]) -> None:
        """Send all of it; returns when everything is acknowledged."""
        started = time.monotonic()
        for send in sends:
            while (early := started + send.at - time.monotonic()) > 0:
                await self._settle(flush=False)
                await asyncio.sleep(min(early, 0.2))
            await self._send(send)
            if len(self._sent) > 2_000:
                await self._settle(flush=True)
        await self._settle(flush=True)
        await self._producer.stop()

    async def _send(self, send: Send) -> None:
        while True:
            try:
                if self._producer is None:
                    self._producer = await self._connected()
                future = await self._producer.send(self._topic, send.value, key=send.key, headers=list(send.headers))
            except KafkaError:
                await self._renew()
            else:
                self._sent.append((send, future))
                return

    async def _settle(self, *, flush: bool) -> None:
        """Look at what was acknowledged; with `flush` wait for all of it."""
        while self._sent and (flush or self._sent[0][1].done()):
            _, future = self._sent[0]
            try:
                await future
            except KafkaError:
                await self._renew()
                failed, self._sent = [send for send, _ in self._sent], []
                self.again += len(failed)
                for send in failed:
                    await self._send(send)
                continue
            self._sent.pop(0)
            self.acknowledged += 1

    async def _connected(self) -> Any:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._servers,
            acks="all",
            enable_idempotence=True,
            linger_ms=5,
            max_request_size=4 << 20,
            request_timeout_ms=60_000,
        )
        try:
            await producer.start()
        except KafkaError:
            await producer.stop()
            raise
        return producer

    async def _renew(self) -> None:
        """A producer that failed is not used again: the order of its batches is unknown."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(producer.stop(), 5)
        for _, future in self._sent:
            with suppress(KafkaError, asyncio.CancelledError):
                if future.done():
                    future.exception()
        await asyncio.sleep(0.5)
