"""What the demo's worker process gets to know; that it runs and ends is tested on a real Kafka."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
from pydantic import SecretStr

import pipeline
from pipeline.errors import FoundProblem
from pipeline.ops.demo.worker import Worker, environment
from pipeline.settings import Settings, load


def test_the_worker_reads_back_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Durations, sizes, paths and secrets survive the way through the environment."""
    settings = Settings(
        ledger="demo",
        data_dir=tmp_path,
        session_window=8_000,
        checkpoint_interval=200,
        max_bytes=1 << 20,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username="user",
        sasl_plain_password=SecretStr("secret"),
    )
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)

    assert load().settings == settings


def test_none_of_our_own_settings_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A settings file or a failpoint of the user's shell must not decide how the demo runs."""
    monkeypatch.setenv("STREAMLEDGER_CONFIG", "/somewhere/settings.toml")
    monkeypatch.setenv("streamledger_ledger", "main")
    monkeypatch.setenv("STREAMLEDGER_FAILPOINTS", "all")
    monkeypatch.setenv("HOME", "/somewhere")

    found = environment(Settings(ledger="demo"))

    assert {"STREAMLEDGER_CONFIG", "streamledger_ledger", "STREAMLEDGER_FAILPOINTS"}.isdisjoint(found)
    assert (found["STREAMLEDGER_LEDGER"], found["HOME"]) == ("demo", "/somewhere")


def test_it_runs_this_package_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else is installed: the folder of this package comes first."""
    root = str(Path(pipeline.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")

    assert environment(Settings())["PYTHONPATH"] == f"{root}:/elsewhere"

    monkeypatch.delenv("PYTHONPATH")

    assert environment(Settings())["PYTHONPATH"] == root


def test_a_worker_that_was_never_started_is_easy_to_end(tmp_path: Path) -> None:
    """Cleaning up needs no questions."""
    worker = Worker(Settings(), tmp_path / "log")

    worker.kill()
    worker.check()

    assert asyncio.run(worker.stop()) is None
    assert worker.pid is None
    assert worker.tail() == []


def test_the_tail_is_the_end_of_the_log(tmp_path: Path) -> None:
    """Why it ended stands in its last lines."""
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(50)), encoding="utf-8")

    assert Worker(Settings(), log).tail(2) == ["line 48", "line 49"]


def test_events_are_those_of_its_present_life(tmp_path: Path) -> None:
    """What a killed process said is not taken for the word of the next; half a line is no event yet."""
    log = tmp_path / "log"
    worker = Worker(Settings(bootstrap_servers="127.0.0.1:1", data_dir=tmp_path / "data", log_format="json"), log)
    log.write_text('{"event": "assigned", "seconds": 9}\n', encoding="utf-8")
    with worker:
        worker.kill()
        with log.open("a", encoding="utf-8") as lines:
            lines.write('{"event": "assigned", "seconds": 1}\nTraceback\n{"event": "other"}\n{"event": "assigned"')

    assert worker.events("assigned") == [{"event": "assigned", "seconds": 1}]


def test_a_worker_without_a_log_has_said_nothing(tmp_path: Path) -> None:
    """Asking comes before any start."""
    assert Worker(Settings(), tmp_path / "log").events("assigned") == []


def test_a_kill_tells_whether_it_was_one(tmp_path: Path) -> None:
    """A process that had ended by itself has a status of its own."""
    worker = Worker(Settings(bootstrap_servers="127.0.0.1:1", data_dir=tmp_path / "data"), tmp_path / "log")

    assert worker.kill() is None
    with worker:
        assert worker.kill() == -signal.SIGKILL


def test_ready_is_who_has_all_partitions_for_good(tmp_path: Path) -> None:
    """An assignment that was taken back while it restored, or a part of the partitions, is not enough."""
    log = tmp_path / "log"
    worker = Worker(Settings(partitions=2), log)
    said = [
        {"event": "assigned", "partitions": [], "ready": True},
        {"event": "assigned", "partitions": [0, 1], "ready": False},
    ]
    whole = {"event": "assigned", "partitions": [0, 1], "ready": True, "seconds": 0.3}
    log.write_text("".join(json.dumps(event) + "\n" for event in said), encoding="utf-8")

    with pytest.raises(FoundProblem, match=r"did not take over its 2 partitions in 0\.1 s"):
        asyncio.run(worker.ready(0.1))

    log.write_text("".join(json.dumps(event) + "\n" for event in [*said, whole]), encoding="utf-8")

    assert asyncio.run(worker.ready()) == whole
