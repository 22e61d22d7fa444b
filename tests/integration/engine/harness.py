"""What the engine's tests on a real Kafka share: workers as processes, and streams with known results.

`committed` is the reader that users' tests have; it imports nothing of the engine.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from pipeline.settings import Settings, client
from pipeline.testing.topic import Seen, committed

__all__ = [
    "MAIN",
    "QUICK",
    "ROOT",
    "SECONDS",
    "Seen",
    "Stream",
    "Worker",
    "committed",
    "expectations",
    "interleaved",
    "own",
    "records",
    "running",
    "send",
    "streams",
    "view",
]

ROOT: Final = Path(__file__).parents[3]

SECONDS: Final = 60.0
"""Deadline of everything that is waited for."""

QUICK: Final = {"session": 6.0, "heartbeat": 1.0}
"""Timing of workers that will be killed: 6 s is the shortest session a broker allows."""

MAIN: Final = """
import json, sys
from pipeline.engine.config import Timing
from pipeline.engine.worker import run
from pipeline.errors import StreamledgerError
from pipeline.log import configure
from pipeline.settings import Settings
told = json.loads(sys.argv[1])
configure(level="debug", form="json", third_party=told["third_party"])
try:
    settings, timing = Settings(**told["settings"]), Timing(**told["timing"])
    options = {name: told[name] for name in ("drain", "reset_to", "instance")}
    sys.exit(run(settings, **options, timing=timing))
except StreamledgerError as error:
    print(f"REFUSED {error}", file=sys.stderr)
    sys.exit(error.exit_code)
"""


class Worker:
    """A worker process and its log."""

    def __init__(self, settings: Settings, log: Path, **options: Any) -> None:
        """Start it; options: `drain`, `reset_to`, `instance`, `timing`, `failpoints`, `third_party` (log level)."""
        told = {
            "settings": settings.model_dump(mode="json"),
            "drain": options.get("drain", False),
            "reset_to": options.get("reset_to", "earliest"),
            "timing": options.get("timing", {}),
            "instance": options.get("instance"),
            "third_party": options.get("third_party", "warning"),
        }
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        if "failpoints" in options:
            environment["STREAMLEDGER_FAILPOINTS"] = options["failpoints"]
        self._log = log
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-c", MAIN, json.dumps(told)], env=environment, stderr=sink, stdout=sink
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log events of a name so far."""
        found = []
        for line in self._log.read_text(encoding="utf-8").splitlines():
            if line.startswith("{") and line.endswith("}"):
                event = json.loads(line)
                if event["event"] == name:
                    found.append(event)
        return found

    def text(self) -> str:
        """The whole log."""
        return self._log.read_text(encoding="utf-8")

    def wait_for(self, name: str, *, count: int = 1) -> dict[str, Any]:
        """The `count`-th event of a name, when it is there."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            found = self.events(name)
            if len(found) >= count:
                return found[count - 1]
            if self.process.poll() is not None and len(self.events(name)) < count:
                break
            time.sleep(0.05)
        raise AssertionError(f"no event {name!r}, exit {self.process.poll()}:\n{self.text()[-4_000:]}")

    def wait_until_paused(self) -> None:
        """Returns when it has stopped itself by SIGSTOP."""
        deadline = time.monotonic() + SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            if Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T":
                return
            time.sleep(0.05)
        raise AssertionError(f"not paused, exit {self.process.poll()}:\n{self.text()[-4_000:]}")

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(SECONDS)

    def terminate(self) -> tuple[int, float]:
        """SIGTERM; exit status and seconds until then."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS), time.monotonic() - started

    def wait(self) -> int:
        """Exit status."""
        return self.process.wait(SECONDS)


@contextmanager
def running(settings: Settings, log: Path, **options: Any) -> Iterator[Worker]:
    """A worker for the block."""
    worker = Worker(settings, log, **options)
    try:
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.kill()


def own(settings: Settings, name: str, **changes: Any) -> Settings:
    """Settings of another ledger, with topics and data directory of its own, so that several run at once."""
    ledger = f"{settings.ledger}-{name}"
    names = {"chunk_topic": f"{ledger}.chunks", "record_topic": f"{ledger}.records", "dead_topic": f"{ledger}.dead"}
    return settings.model_copy(
        update={"ledger": ledger, "data_dir": settings.data_dir / name, **names, **changes},
    )


@dataclass(frozen=True)
class Stream:
    """A chat stream and what must become of it."""

    request_id: str
    words: tuple[str, ...]
    finished: bool = True

    def chunk(self, index: int) -> bytes:
        """One chunk as JSON; the last one of a finished stream carries finish, usage and is_final."""
        last = self.finished and index == len(self.words) - 1
        response: dict[str, Any] = {
            "id": "chatcmpl",
            "object": "chat.completion.chunk",
            "created": 1_767_225_600,
            "model": "m-1",
            "choices": [
                {"index": 0, "delta": {"content": self.words[index]}, "finish_reason": "stop" if last else None}
            ],
        }
        if last:
            response["usage"] = self.usage
        chunk = {
            "request_id": self.request_id,
            "stream_type": "chat.completion",
            "chunk_index": index,
            "timestamp": f"2026-01-01T00:{index // 60 % 60:02d}:{index % 60:02d}.000000Z",
            "model": "m-1",
            "is_final": last,
            "response": response,
        }
        return json.dumps(chunk).encode()

    @property
    def usage(self) -> dict[str, int]:
        """Usage that its last chunk reports."""
        count = len(self.words)
        return {"prompt_tokens": 7, "completion_tokens": count, "total_tokens": 7 + count}

    @property
    def expected(self) -> dict[str, Any]:
        """The fields of the record that follow from it."""
        return {
            "request_id": self.request_id,
            "content": "".join(self.words),
            "token_usage": self.usage if self.finished else None,
            "finish_reason": "stop" if self.finished else None,
            "status": "success" if self.finished else "incomplete",
            "closed_by": "final" if self.finished else "expiry",
            "complete": self.finished,
            "chunk_count": len(self.words),
            "revision": 0,
        }


def streams(count: int, *, seed: int, prefix: str = "r", shortest: int = 5, longest: int = 30) -> list[Stream]:
    """Streams of random lengths; every tenth never ends."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        words = tuple(f"w{draw.randrange(10_000)} " for _ in range(draw.randint(shortest, longest)))
        made.append(Stream(f"{prefix}-{number:05d}", words, finished=number % 10 != 9))
    return made


def interleaved(made: Sequence[Stream], *, together: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(key, value) of all chunks, `together` requests open at a time, in order within each; one in fifty twice."""
    draw = random.Random(seed)
    waiting, live = list(reversed(made)), list[Stream]()
    sent = dict.fromkeys((stream.request_id for stream in made), 0)
    while waiting or live:
        while waiting and len(live) < together:
            live.append(waiting.pop())
        stream = draw.choice(live)
        value = stream.chunk(sent[stream.request_id])
        for _ in range(2 if draw.random() < 0.02 else 1):
            yield stream.request_id, value
        sent[stream.request_id] += 1
        if sent[stream.request_id] == len(stream.words):
            live.remove(stream)


async def send(settings: Settings, chunks: Iterator[tuple[str, bytes]], *, per_second: float | None = None) -> int:
    """Produce chunks, at a pace if one is given; how many."""
    producer = AIOKafkaProducer(**client(settings), acks="all", enable_idempotence=True, linger_ms=5)
    await producer.start()
    sent, started = 0, time.monotonic()
    try:
        for key, value in chunks:
            await producer.send(settings.chunk_topic, value, key=key.encode())
            sent += 1
            if per_second is not None and sent % 50 == 0:
                await asyncio.sleep(max(0.0, started + sent / per_second - time.monotonic()))
        await producer.flush()
    finally:
        await producer.stop()
    return sent


def records(settings: Settings, *, at_least: int) -> list[dict[str, Any]]:
    """The parts of the records that the streams' expectations name, by request id."""
    seen = asyncio.run(committed(settings, settings.record_topic, at_least=at_least))
    return sorted((view(json.loads(each.value or b"{}")) for each in seen), key=_request_id)


def view(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record reduced to what `Stream.expected` says."""
    message = record["output_message"] or {}
    names = ("request_id", "finish_reason", "status", "closed_by", "complete", "chunk_count", "revision")
    return {
        **{name: record[name] for name in names},
        "content": message.get("content"),
        "token_usage": record["token_usage"],
    }


def expectations(made: Sequence[Stream]) -> list[dict[str, Any]]:
    """What must become of streams, by request id."""
    return sorted((stream.expected for stream in made), key=_request_id)


def _request_id(record: Mapping[str, Any]) -> str:
    return str(record["request_id"])
