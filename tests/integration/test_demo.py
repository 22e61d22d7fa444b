"""The demo on a real Kafka: sixty of sixty, seen on its page, and nothing left behind however it ends."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from pipeline.errors import FoundProblem, KafkaUnreachable
from pipeline.ops.broker.ports import HOST, free_ports
from pipeline.ops.demo import flow, run
from pipeline.ops.demo.reader import passed
from pipeline.ops.demo.streams import streams
from pipeline.ops.demo.worker import Worker
from pipeline.settings import Settings, client
from pipeline.testing import eventually

REQUESTS = len(streams())
DEADLINE = 120.0
HEARD_SECONDS = 10.0
ACCIDENT = re.compile(
    r"^  2 accident  worker killed at chunk 990, \d+ requests open … restarted, state restored in \d+\.\d s, "
    r"next record \d+\.\d s after the kill$",
    re.MULTILINE,
)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for temporary files, of this process and of those it starts; the test ends with it empty."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@contextmanager
def demo(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command as a process; killed at the end if it still runs."""
    command = [sys.executable, "-m", "pipeline", "demo", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def shown(page: str) -> dict[str, Any] | None:
    """The headline of a page, once it has read as many records as there are requests."""
    with urllib.request.urlopen(f"{page}api/snapshot", timeout=30) as answer:  # noqa: S310 (our own process)
        headline: dict[str, Any] = json.load(answer)["headline"]
    return headline if headline["requests"] == REQUESTS else None


def demo_topics(kafka: str) -> set[str]:
    """Topics of demos on a Kafka, once the brokers have heard of those that were deleted; which may take a moment."""

    async def ask() -> set[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        try:
            deadline = time.monotonic() + HEARD_SECONDS
            while True:
                left = {name for name in await admin.list_topics() if name.startswith("demo-")}
                if not left or time.monotonic() > deadline:
                    return left
                await asyncio.sleep(0.1)
        finally:
            await admin.close()

    return asyncio.run(ask())


def descendants(folder: Path) -> list[int]:
    """Living processes that work in a folder: its path is in their command line or environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in words:
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_the_demo_brings_its_own_kafka_and_every_record_is_right(scratch: Path) -> None:
    """A kill in mid-stream, all records equal, its page until Ctrl-C, and neither process nor directory behind."""
    with demo("--json", "--web", "--web-address", "127.0.0.1:0") as process:
        assert process.stderr is not None
        while (told := process.stderr.readline()) and "Streamledger is at" not in told:
            pass
        assert told, "it ended by itself"
        headline = eventually(lambda: shown(told.split()[3]), DEADLINE)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE)

    found = json.loads(out)

    assert process.returncode == 0, err
    assert headline is not None
    assert (headline["requests"], headline["dead"]) == (REQUESTS, sum(found["dead_letters"].values()))
    assert Decimal(headline["cost"]) == Decimal(found["total"]["cost"])
    assert found["complaints"] == []
    assert (found["requests"], found["records"], found["audit"]["equal"]) == (REQUESTS, REQUESTS, REQUESTS)
    assert found["duplicates_dropped"] == found["delivered"] - found["chunks"] > 0
    assert len(found["kinds"]) == 6
    assert (found["kill"]["killed_at"], found["kill"]["chunks"]) == (found["delivered"] // 2, found["delivered"])
    assert found["kill"]["records_before"] < found["kill"]["requests_open"] <= REQUESTS
    assert 0 < found["kill"]["restore_seconds"] < found["kill"]["silence_seconds"]
    assert descendants(scratch) == []


def test_the_demo_runs_on_a_kafka_that_is_there_and_leaves_no_topic(
    kafka: str, scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its topics have names of their own and go with it; the text ends with what to try next."""
    code = run(Settings(bootstrap_servers=kafka, clock_slack=1_000), own_kafka=False, as_json=False)
    out = capsys.readouterr().out

    assert code == 0
    assert f"{REQUESTS}/{REQUESTS} equal    lost 0   double 0" in out
    assert f"Kafka at {kafka}" in out
    assert ACCIDENT.search(out), out
    assert "Next:" in out
    assert demo_topics(kafka) == set()
    assert list(scratch.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(
    ("number", "step"), [(signal.SIGINT, "waiting for records"), (signal.SIGTERM, "publishing the rest")]
)
def test_a_demo_that_is_interrupted_leaves_nothing_behind(
    kafka: str, scratch: Path, number: signal.Signals, step: str
) -> None:
    """Ctrl-C and SIGTERM end it soon, also in the accident, with the worker, the topics and the directories."""
    with demo("--bootstrap-servers", kafka) as process:
        assert process.stderr is not None
        while step not in (line := process.stderr.readline()):
            assert line, "it ended by itself"
        process.send_signal(number)
        began = time.monotonic()
        process.communicate(timeout=DEADLINE)

    assert process.returncode == 128 + number
    assert time.monotonic() - began < 30
    assert descendants(scratch) == []
    assert demo_topics(kafka) == set()


@pytest.mark.usefixtures("scratch")
def test_a_worker_that_ends_by_itself_fails_the_demo_at_once(
    kafka: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody waits for records that can't come, and its last words are shown."""

    class Mortal(Worker):
        """A worker that is killed as soon as it has said something."""

        def start(self) -> None:
            super().start()
            self.kill()
            self.log.write_text("last words\n", encoding="utf-8")

    monkeypatch.setattr(flow, "Worker", Mortal)

    with pytest.raises(FoundProblem, match="ended by itself with status -9"):
        run(Settings(bootstrap_servers=kafka), own_kafka=False, as_json=True)

    assert "last words" in capsys.readouterr().err
    assert demo_topics(kafka) == set()


@pytest.mark.usefixtures("scratch")
def test_a_kill_that_hits_nothing_unfinished_fails_the_demo(
    kafka: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sixty of sixty after such a kill shows nothing, so it is exit 1."""
    monkeypatch.setattr(flow, "KILL_AT", 1.0)

    code = run(Settings(bootstrap_servers=kafka, clock_slack=1_000), own_kafka=False, as_json=False)
    out = capsys.readouterr().out

    assert code == 1
    assert f"{REQUESTS}/{REQUESTS} equal    lost 0   double 0" in out
    assert "  wrong: the kill missed the middle of the stream: no chunk was left to send\n" in out


def test_waiting_for_checkpoints_ends_with_the_worker_or_the_deadline(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group that commits nothing is said as such; a worker that ended is not waited for."""

    def ended() -> None:
        raise FoundProblem("it ended")

    with pytest.raises(FoundProblem, match="it ended"):
        asyncio.run(passed(client(Settings(bootstrap_servers=kafka)), "nobody", 5, ended))

    monkeypatch.setattr("pipeline.ops.demo.reader.COMMIT_SECONDS", 1.0)

    with pytest.raises(FoundProblem, match="only 0 of 5 chunks are committed after 1 s"):
        asyncio.run(passed(client(Settings(bootstrap_servers=kafka)), "nobody", 5, lambda: None))


@pytest.mark.usefixtures("scratch")
def test_missing_records_fail_the_demo_and_are_named(
    kafka: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1, not an endless wait: what is not there by the deadline is lost."""
    monkeypatch.setattr(flow, "RECORD_SECONDS", 0.0)

    code = run(Settings(bootstrap_servers=kafka), own_kafka=False, as_json=True)
    found = json.loads(capsys.readouterr().out)

    assert code == 1
    assert found["passed"] is False
    assert "req_001: lost" in found["complaints"]


@pytest.mark.usefixtures("scratch")
def test_a_kafka_that_does_not_answer_is_said_in_one_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was made, so nothing is said about cleaning up."""
    (port,) = free_ports(1)

    with pytest.raises(KafkaUnreachable, match="no Kafka answers"):
        run(Settings(bootstrap_servers=f"{HOST}:{port}"), own_kafka=False, as_json=False)

    assert "could not be deleted" not in capsys.readouterr().err


def pid_of(worker: Worker) -> int | None:
    """Its process id now."""
    return worker.pid


def wait_for_end(worker: Worker) -> None:
    """Wait until the process has ended."""
    eventually(lambda: pid_of(worker) is None)


def test_a_worker_can_be_killed_and_started_again(kafka: str, tmp_path: Path) -> None:
    """The object stands for the worker, not for one process; why a process ended stands in the log."""
    missing = Settings(bootstrap_servers=kafka, chunk_topic="nobody.made.this", data_dir=tmp_path / "data")
    with Worker(missing, tmp_path / "log") as worker:
        first = pid_of(worker)
        worker.kill()
        killed = pid_of(worker)
        worker.start()
        second = pid_of(worker)
        wait_for_end(worker)

        with pytest.raises(FoundProblem, match="ended by itself with status 1"):
            worker.check()

    assert killed is None
    assert None not in {first, second}
    assert first != second
    assert "no topic" in " ".join(worker.tail())


def test_a_worker_without_kafka_waits_and_still_stops_when_asked(tmp_path: Path) -> None:
    """A Kafka that goes away while the demo runs can't make it hang."""
    (port,) = free_ports(1)
    alone = Settings(bootstrap_servers=f"{HOST}:{port}", data_dir=tmp_path / "data", log_format="json")
    with Worker(alone, tmp_path / "log") as worker:
        eventually(lambda: "waiting for Kafka" in " ".join(worker.tail()))

        assert asyncio.run(worker.stop()) == 0
