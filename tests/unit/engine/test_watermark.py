"""A broker that does not answer gives no watermark."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import TopicPartition

from pipeline.engine import watermark as module
from pipeline.engine.watermark import Watermarks
from tests.unit.engine.fakes import config

HERE = TopicPartition("chunks", 0)


class Client:
    """A consumer that knows one end for each isolation level."""

    made: list[Client] = []  # noqa: RUF012 (all of one test)
    refuse = hang = False

    _client = SimpleNamespace(bootstrap=None)

    def __init__(self, **options: Any) -> None:
        """Remember the isolation."""
        self.isolation = options["isolation_level"]
        self.stopped = False
        Client.made.append(self)

    async def start(self) -> None:
        """Connect or not."""
        if Client.refuse:
            raise KafkaConnectionError

    async def stop(self) -> None:
        """Note it."""
        self.stopped = True

    async def end_offsets(self, parts: list[TopicPartition]) -> dict[TopicPartition, int]:
        """The end, or never."""
        if Client.hang:
            await asyncio.Event().wait()
        return dict.fromkeys(parts, 12 if self.isolation == "read_uncommitted" else 9)


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AIOKafkaConsumer", Client)
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(Client, "made", [])


def test_both_ends_are_asked_for_with_one_client_each(tmp_path: Path) -> None:
    """What is in the log, and what a committed reader sees of it."""

    async def scenario() -> list[int | None]:
        marks = Watermarks(config(tmp_path))
        seen = [await marks.high(HERE), await marks.stable(HERE), await marks.high(HERE)]
        await marks.stop()
        return seen

    assert asyncio.run(scenario()) == [12, 9, 12]
    assert [client.stopped for client in Client.made] == [True, True]


@pytest.mark.parametrize("trouble", ["refuse", "hang"])
def test_no_answer_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    """Refused or silent: the caller must not close anything."""
    monkeypatch.setattr(Client, trouble, value=True)

    async def scenario() -> int | None:
        marks = Watermarks(config(tmp_path))
        answer = await marks.high(HERE)
        await marks.stop()
        return answer

    assert asyncio.run(scenario()) is None
    assert all(client.stopped for client in Client.made)
