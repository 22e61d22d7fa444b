"""What the demo's worker process gets to know; that it runs and ends is tested on a real Kafka."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

import pipeline
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
