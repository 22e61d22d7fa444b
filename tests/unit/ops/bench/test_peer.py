"""Participants: what they are given, how their first chunk is noticed, and why one may be missing."""

import sys
from pathlib import Path

import pytest

from pipeline.cli import bench as command
from pipeline.errors import BrokerUnavailable
from pipeline.ops.bench import streams
from pipeline.ops.bench.flow import Choice
from pipeline.ops.bench.load import FULL, QUICK, SMALL
from pipeline.ops.bench.peer import PEERS, SCRIPTS, Peer, Stage, began, figures
from pipeline.ops.broker import KAFKA_VERSION
from pipeline.settings import Settings

WORKER_LOG = """not JSON
{"event": "assigned", "partitions": [], "ready": true, "timestamp": "2026-11-23T16:00:00.000000Z"}
{"event": "assigned", "partitions": [0, 1], "ready": false, "timestamp": "2026-11-23T16:00:01.000000Z"}
{"event": "assigned", "partitions": [0, 1], "ready": true, "timestamp": "2026-11-23T16:00:02.500000Z"}
{"event": "stopped", "level": "info", "chunks": 40, "checkpoints": 3}
"""


def peer(name: str) -> Peer:
    """A participant by its name."""
    return next(each for each in PEERS if each.name == name)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Where a participant would run."""
    settings = Settings(
        bootstrap_servers="k:1", ledger="run1", chunk_topic="in", record_topic="out", checkpoint_interval=500
    )
    return Stage(settings, tmp_path, Path(sys.executable), lambda _: None)


def test_the_command_line_knows_every_participant_and_load() -> None:
    """It names them itself, so that --help need not import them."""
    assert [each.name for each in PEERS] == list(command.PEERS)
    assert [*(load.name for load in FULL), SMALL.name] == list(command.LOADS)
    assert [load.name for load in QUICK] == [load.name for load in FULL]


def test_a_choice_narrows_loads_and_participants() -> None:
    """Names keep their order; a number of chunks holds for each load."""
    choice = Choice(quick=True, loads=("10k",), peers=("consume", "streamledger"), chunks=5_000)

    assert [load.name for load in choice.chosen] == ["10k"]
    assert choice.chosen[0].total <= 5_000
    assert [each.name for each in choice.taking_part] == ["streamledger", "consume"]
    assert Choice().chosen == list(FULL)
    assert Choice().taking_part == list(PEERS)


def test_the_worker_begins_when_its_partitions_are_restored() -> None:
    """A first assignment of nothing, and one that was taken back, are none."""
    assert began(WORKER_LOG) == pytest.approx(1795449602.5)


def test_others_say_when_they_begin() -> None:
    """In a line of their own, among others."""
    assert began("warning: x\nfirst 12.5\nmore\n") == 12.5
    assert began("the first line\n") is None


def test_the_workers_own_figures_are_numbers() -> None:
    """From its last line; others have none."""
    assert figures(WORKER_LOG) == {"chunks": 40, "checkpoints": 3}
    assert figures("first 12.5\n") == {}


def test_scripts_get_servers_topics_directory_and_interval(stage: Stage) -> None:
    """All alike, and each script is where it is looked for."""
    for name in ("consume", "plain-faust", "quixstreams"):
        arguments = peer(name).command(stage).arguments

        assert arguments[0] == sys.executable
        assert Path(arguments[2]).is_relative_to(SCRIPTS)
        assert Path(arguments[2]).is_file()
        assert arguments[3:] == ["k:1", "in", "out", str(stage.home / "state"), "500"]


def test_settings_of_the_developer_reach_no_participant(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither ours nor Java's; temporary files go with the run."""
    monkeypatch.setenv("STREAMLEDGER_LEDGER", "mine")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1m")
    worker, other = peer("streamledger").command(stage), peer("consume").command(stage)

    assert worker.environment["STREAMLEDGER_LEDGER"] == "run1"
    assert "STREAMLEDGER_LEDGER" not in other.environment
    assert "JAVA_TOOL_OPTIONS" not in other.environment
    assert other.environment["TMPDIR"] == str(stage.home)


def test_quixstreams_is_looked_for_in_the_named_interpreter(stage: Stage, tmp_path: Path) -> None:
    """Its answer decides; one that can't be run is a reason, too."""
    there, gone = tmp_path / "there", tmp_path / "gone"
    for path, status in ((there, 0), (gone, 1)):
        path.write_text(f"#!/bin/sh\nexit {status}\n", encoding="ascii")
        path.chmod(0o755)

    def missing(python: Path) -> str | None:
        return peer("quixstreams").missing(Stage(stage.settings, tmp_path, python, lambda _: None))

    assert missing(there) is None
    assert "not installed" in (missing(gone) or "")
    assert "can't be run" in (missing(tmp_path / "nowhere") or "")


def test_without_its_jars_kafka_streams_is_skipped(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason of the download."""

    def refuse(**_: object) -> list[Path]:
        raise BrokerUnavailable("Maven Central does not answer")

    monkeypatch.setattr(streams, "classpath", refuse)

    assert peer("kafka-streams").missing(stage) == "Maven Central does not answer"


def test_the_lock_names_what_the_broker_lacks() -> None:
    """Kafka Streams of the broker's version, its RocksDB and a compiler, each with a digest."""
    jars = streams.extra()

    assert [jar.coordinate.split(":")[1] for jar in jars] == ["kafka-streams", "rocksdbjni", "ecj"]
    assert jars[0].coordinate.endswith(f":{KAFKA_VERSION}")
    assert all(len(jar.sha256) == 64 and jar.size > 1_000_000 for jar in jars)
