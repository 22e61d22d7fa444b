"""Traffic of the crash tests: waves of chunks two hours apart by the producers' clock, each with all that can happen.

A wave brings, in each partition: requests that end, one that stays open until the next wave, one that never ends, one
that is revised, a chunk that comes too late, repeats, a conflict and garbage. Time passes only with the chunks, so that
what must become of a wave is known before it is sent, whoever dies meanwhile.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer

from pipeline.settings import Settings, client
from pipeline.topics.admin import create, definitions
from tests.integration.engine.harness import Stream, view

HOUR: Final = 3_600_000
STEP: Final = 2 * HOUR
"""Between two waves: the markers of the wave before are swept, those of three waves ago are dropped."""

WINDOWS: Final = {
    "clock": "create",
    "finish_grace": 2_000,
    "attempt_grace": 2_000,
    "session_window": 3 * HOUR,
    "revise_window": HOUR // 6,
    "marker_retention": 4 * HOUR,
    "clock_slack": 100 * 24 * HOUR,  # the wall clock closes nothing
}

CLOSING_WAVES: Final = 3
"""After so many waves more, everything of a wave is closed."""


class Send(NamedTuple):
    """A chunk on its way."""

    at: int
    key: str
    value: bytes


@dataclass
class Waves:
    """Waves of one ledger: what was sent, and what must become of it.

    Attributes:
        settings: of the ledger, with WINDOWS.
        number: of the next wave.
        expected: records, as `harness.view` shows them.
        dead: (reason, value) of the dead letters.
    """

    settings: Settings
    number: int = 0
    expected: list[dict[str, Any]] = field(default_factory=list)
    dead: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    _base: int = field(default_factory=lambda: int(time.time() * 1_000) - 30 * 24 * HOUR)
    _producer: Any = None

    async def start(self) -> None:
        """Create the topics, chunks without an end by age, and a producer."""
        wanted = definitions(self.settings)
        for topic in wanted:
            topic.config["retention.ms"] = "-1"
        await create(client(self.settings), wanted)
        self._producer = AIOKafkaProducer(**client(self.settings), acks="all", linger_ms=5)
        await self._producer.start()

    async def stop(self) -> None:
        """Close the producer."""
        if self._producer is not None:
            await self._producer.stop()

    async def send(self) -> None:
        """The next wave, in all partitions."""
        start = self._base + self.number * STEP
        for partition in range(self.settings.partitions):
            for send in sorted(self._wave(partition), key=lambda each: each.at):
                await self._producer.send(
                    self.settings.chunk_topic,
                    send.value,
                    key=send.key.encode(),
                    partition=partition,
                    timestamp_ms=start + send.at,
                )
        await self._producer.flush()
        self.number += 1

    def _wave(self, partition: int) -> Iterator[Send]:
        name = f"w{self.number:03d}-{partition}"
        yield from self._ended(f"{name}-ended")
        yield from self._spanning(f"{name}-span", f"w{self.number - 1:03d}-{partition}-span")
        yield from self._revised(f"{name}-revised", f"w{self.number - 1:03d}-{partition}-revised")
        silent = Stream(f"{name}-silent", ("x ", "y "), finished=False)
        self.expected.append(silent.expected)
        yield from (Send(index, silent.request_id, silent.chunk(index)) for index in range(2))
        garbage = f"not json {name}".encode()
        self.dead["not_json", garbage] += 1
        yield Send(5, f"{name}-garbage", garbage)
        yield from self._ended(f"{name}-tail", at=20_000)

    def _ended(self, request_id: str, at: int = 0) -> Iterator[Send]:
        """A request that is complete within the wave; its chunks come twice."""
        stream = Stream(request_id, ("a ", "b ", "c "))
        self.expected.append(stream.expected)
        for index in (0, 1, 0, 2, 1):
            yield Send(at, request_id, stream.chunk(index))

    def _spanning(self, request_id: str, before: str) -> Iterator[Send]:
        """Two chunks now; the last ones with the next wave, after a chunk that contradicts the first."""
        made, started = (Stream(each, ("d ", "e ", "f ", "g ")) for each in (request_id, before))
        yield from (Send(index, request_id, made.chunk(index)) for index in range(2))
        if self.number:
            other = Stream(before, ("D ", "E ", "F ", "G ")).chunk(0)
            self.dead["conflict", other] += 1
            self.expected.append(started.expected)
            yield Send(10, before, other)
            yield from (Send(10 + index, before, started.chunk(index)) for index in (2, 3))

    def _revised(self, request_id: str, before: str) -> Iterator[Send]:
        """Closed by its finish; usage ten seconds later makes a revision, text with the next wave is too late."""
        chunks, first, second = finishing(request_id)
        self.expected += [first, second]
        for index, chunk in enumerate(chunks[:2]):
            yield Send(index, request_id, chunk)
        yield Send(10_000, request_id, chunks[2])
        if self.number:
            late = finishing(before)[0][3]
            self.dead["late", late] += 1
            yield Send(15, before, late)


def finishing(request_id: str) -> tuple[list[bytes], dict[str, Any], dict[str, Any]]:
    """Four chunks (text, finish, usage, more text) of a stream without is_final; its record and that one's revision."""
    stream = Stream(request_id, ("h ", "i ", "j ", "k "), finished=False)
    documents = [json.loads(stream.chunk(index)) for index in range(4)]
    documents[1]["response"]["choices"][0]["finish_reason"] = "stop"
    documents[2]["response"] |= {"choices": [], "usage": stream.usage}
    first = stream.expected | {
        "content": "h i ",
        "finish_reason": "stop",
        "status": "success",
        "closed_by": "finish",
        "complete": True,
        "chunk_count": 2,
    }
    second = first | {"token_usage": stream.usage, "closed_by": "late", "chunk_count": 3, "revision": 1}
    return [json.dumps(document).encode() for document in documents], first, second


def shown(value: bytes) -> dict[str, Any]:
    """A record as `expected` has it."""
    return view(json.loads(value))
