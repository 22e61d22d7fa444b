"""How a worker starts and leaves, without a Kafka."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from pipeline.engine import worker as module
from pipeline.engine.preflight import Cluster
from pipeline.engine.telemetry import Telemetry
from pipeline.engine.worker import _blamed, _drained, _Worker, run
from pipeline.errors import BrokerFault, KafkaUnreachable, TopicDrift, UsageError
from pipeline.settings import Settings
from tests.unit.engine.fakes import config

CLUSTER = Cluster("cluster", 1, 1, 60.0)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.0)


def answers(monkeypatch: pytest.MonkeyPatch, *outcomes: object) -> list[float]:
    """Let preflight come to these outcomes in turn; when it was asked."""
    asked: list[float] = []

    async def preflight(_: object) -> Cluster:
        outcome = outcomes[min(len(asked), len(outcomes) - 1)]
        asked.append(time.monotonic())
        if isinstance(outcome, Exception):
            raise outcome
        return CLUSTER

    monkeypatch.setattr(module, "preflight", preflight)
    return asked


def test_it_comes_up_when_kafka_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Kafka down is one line in the log, and the wait doubles until it answers."""
    asked = answers(monkeypatch, *[KafkaUnreachable("no Kafka answers")] * 4, CLUSTER)
    worker = _Worker(config(tmp_path), tmp_path, Telemetry(config(tmp_path)), drain=False)

    assert asyncio.run(worker._reach()) == CLUSTER
    assert len(asked) == 5
    assert len([record for record in caplog.records if "waiting for Kafka" in str(record.msg)]) == 1


def test_a_kafka_that_goes_away_while_the_worker_starts_is_the_broker_s_fault() -> None:
    """Its error is said in words; whatever else Faust ends with stays what it is."""
    gone, other = KafkaConnectionError("Unable to bootstrap"), RuntimeError("Faust stopped by itself")

    told = _blamed(gone)
    assert isinstance(told, BrokerFault)
    assert (told.message, told.__cause__) == (
        "Kafka went away while the worker joined its group: KafkaConnectionError",
        gone,
    )
    assert _blamed(other) is other


def test_a_signal_ends_the_wait_for_kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was started, so there is nothing to wait for: exit 0."""
    answers(monkeypatch, KafkaUnreachable("no Kafka answers"))

    async def scenario() -> int:
        worker = _Worker(config(tmp_path), tmp_path, Telemetry(config(tmp_path)), drain=False)
        asyncio.get_running_loop().call_later(0.05, worker._on_signal, signal.SIGTERM)
        return await worker.run()

    assert asyncio.run(scenario()) == 0


def test_a_signal_ends_the_wait_for_a_broker_that_never_answers(tmp_path: Path) -> None:
    """It accepts connections and is silent: a request to it would outlast the 10 s that an orchestrator allows."""

    async def scenario() -> tuple[int, float]:
        connected = asyncio.Event()

        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connected.set()
            await reader.read()
            writer.close()

        async with await asyncio.start_server(mute, "127.0.0.1") as server:
            port = server.sockets[0].getsockname()[1]
            silent = replace(config(tmp_path), client={"bootstrap_servers": [f"127.0.0.1:{port}"]})
            worker = _Worker(silent, tmp_path, Telemetry(silent), drain=False)
            running = asyncio.ensure_future(worker.run())
            await asyncio.wait_for(connected.wait(), 10)
            started = time.monotonic()
            worker._on_signal(signal.SIGTERM)
            return await running, time.monotonic() - started

    status, seconds = asyncio.run(scenario())
    assert status == 0
    assert seconds < 5


def test_topics_that_break_a_promise_are_no_reason_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They don't get better by themselves; the caller prints the error."""
    asked = answers(monkeypatch, TopicDrift("no topic llm.chunks"))
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(TopicDrift):
        run(settings)

    assert len(asked) == 1


def test_an_unknown_failpoint_is_bad_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is touched."""
    monkeypatch.setenv("STREAMLEDGER_FAILPOINTS", "nowhere")
    with pytest.raises(UsageError, match="nowhere"):
        run(Settings(data_dir=tmp_path))


def test_a_port_that_everybody_could_reach_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Kafka is asked for anything."""
    asked = answers(monkeypatch, CLUSTER)
    with pytest.raises(UsageError, match="open to everybody"):
        run(Settings(data_dir=tmp_path, metrics_address="0.0.0.0:0"))
    assert asked == []


def test_drained_once_is_not_yet_drained() -> None:
    """What closes between two looks is seen at the next one."""
    looks = [True, False, True, True, True]

    class Engine:
        async def drained(self) -> bool:
            return looks.pop(0)

    app: Any = type("App", (), {"engine": Engine()})
    asyncio.run(_drained(app))
    assert looks == []
