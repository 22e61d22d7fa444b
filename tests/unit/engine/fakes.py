"""Stand-ins for Kafka's clients and the store, which write down in which order they were used."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import ProducerFenced

from pipeline.core.policy import Policy
from pipeline.engine.config import Config, Timing
from schemas.topics import topics


def config(tmp_path: Path, **changes: Any) -> Config:
    """A configuration of one ledger; changes are fields of it."""
    fields: dict[str, Any] = {
        "client": {"bootstrap_servers": ["nowhere:1"]},
        "policy": Policy(finish_grace=100, session_window=1_000),
        "topics": {topic.role: topic for topic in topics()},
        "group": "main",
        "data_dir": tmp_path,
        "checkpoint_interval": 1.0,
        "clock_slack": 500,
        "append_clock": True,
        "timing": Timing(checkpoint=0.5),
    }
    return Config(**{**fields, **changes})


class Batch:
    """A batch that takes so many rows."""

    def __init__(self, room: int) -> None:
        """`room` rows fit; the first always does."""
        self.rows: list[tuple[Any, Any, Any]] = []
        self._room = room

    def append(self, *, timestamp: None, key: Any, value: Any, headers: Any) -> object | None:
        """None when full."""
        assert timestamp is None
        if self.rows and len(self.rows) >= self._room:
            return None
        self.rows.append((key, value, headers))
        return object()

    def record_count(self) -> int:
        """Rows in it."""
        return len(self.rows)


class Producer:
    """Writes down what it is told; `fail` names the step that fails with an error."""

    client = SimpleNamespace(bootstrap=None)

    def __init__(self, **options: Any) -> None:
        """Take aiokafka's options."""
        self.options = options
        self.log: list[str] = []
        self.sent: dict[str, list[tuple[Any, Any, Any]]] = {}
        self.offsets: dict[Any, Any] = {}
        self.room = 2
        self.base = 100
        self.timestamp = -1
        self.fail: dict[str, BaseException] = {}
        self.hang = False

    def _step(self, name: str) -> None:
        self.log.append(name)
        if name in self.fail:
            raise self.fail[name]

    async def start(self) -> None:
        """InitProducerId."""
        self._step("start")

    async def stop(self) -> None:
        """Close."""
        self._step("stop")

    async def begin_transaction(self) -> None:
        """Begin."""
        self._step("begin")

    def create_batch(self) -> Batch:
        """An empty batch."""
        return Batch(self.room)

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        """Deliver at once, or fail the delivery."""
        self._step(f"send {topic}-{partition}")
        rows = self.sent.setdefault(topic, [])
        delivery: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if "delivery" in self.fail:
            delivery.set_exception(self.fail["delivery"])
        elif not self.hang:
            offset = self.base + len(rows) if self.base >= 0 else -1
            delivery.set_result(SimpleNamespace(offset=offset, timestamp=self.timestamp))
        rows += batch.rows
        return delivery

    async def send_offsets_to_transaction(self, offsets: Mapping[Any, Any], group: str) -> None:
        """The group's offsets."""
        self._step(f"offsets {group}")
        self.offsets.update(offsets)

    async def commit_transaction(self) -> None:
        """Commit."""
        self._step("commit")


def fenced() -> ProducerFenced:
    """Aiokafka's error for an old epoch."""
    return ProducerFenced()


class Database:
    """A store in memory that notes in the producer's log when it is written."""

    def __init__(self, log: list[str]) -> None:
        """Share a log."""
        self.log = log
        self.written: list[tuple[Any, Any, Any, Any]] = []
        self.meta: Any = None
        self.rows: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """Value of a key."""
        return self.rows.get(key)

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Rows of a prefix."""
        return iter(sorted((k, v) for k, v in self.rows.items() if k.startswith(prefix) and k >= start))

    def write(self, rows: Any, meta: Any, *, markers: Any = (), drop_hours: Any = ()) -> None:
        """Apply and note."""
        self.log.append("store")
        self.written.append((list(rows), meta, list(markers), list(drop_hours)))
        self.meta = meta
        for key, value in [*rows, *markers]:
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value
