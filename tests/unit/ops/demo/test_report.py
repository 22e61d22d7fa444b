"""What the demo says: every figure from what the topics hold, every complaint, and only commands that exist."""

import json
import re
from collections import Counter
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from pipeline.cli.shell import COMMANDS
from pipeline.ops.demo.accident import Accident
from pipeline.ops.demo.audit import Source, audit, offline
from pipeline.ops.demo.report import SHOWN, Outcome, as_json, as_text
from pipeline.ops.demo.streams import deliveries, streams
from pipeline.settings import Settings

SETTINGS = Settings()
SENT = streams()
CHUNKS = [Source("demo.chunks", 0, offset, 1_000_000, value) for offset, value in enumerate(deliveries(SENT))]
RECORDS = list(offline(CHUNKS, SETTINGS).values())
KILL = Accident(
    killed_at=990,
    chunks=1_980,
    records_before=2,
    requests_open=57,
    chunks_again=99,
    restore_seconds=0.414,
    silence_seconds=2.96,
)


@pytest.fixture(autouse=True)
def _a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line has the version of the installed distribution."""
    installed = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "1.2.3" if name == "streamledger" else installed(name))


def outcome(
    records: list[bytes] = RECORDS, *, dead: int = 0, status: int | None = 0, accident: Accident = KILL
) -> Outcome:
    """A run in which these records came out."""
    return Outcome(
        sent=SENT,
        delivered=len(CHUNKS),
        accident=accident,
        records=[json.loads(value) for value in records],
        audit=audit(SENT, records, CHUNKS, SETTINGS),
        dead=Counter({"conflict": dead} if dead else {}),
        worker_status=status,
        seconds={"total": 1.0},
        kafka="a Kafka",
    )


def test_the_text_has_the_figures_of_the_run() -> None:
    """Head, steps, table, audit, in that order."""
    lines = as_text(outcome())

    assert lines[0] == "streamledger 1.2.3  demo: 60 LLM streams, 6 kinds, 1,800 chunks   (a Kafka)"
    assert lines[1].startswith("  1 publish   1,980 chunks   shuffled, 10% sent twice")
    assert lines[2] == (
        "  2 accident  worker killed at chunk 990, 57 requests open … restarted, state restored in 0.4 s, "
        "next record 3.0 s after the kill"
    )
    assert lines[3] == "  3 ledger    60 records from 60 requests      duplicates dropped 180   gaps found 1"
    assert lines[4] == (
        "  4 cost      41 stated by gateway or provider   17 by list price (1 where the gateway said 0)   "
        "2 unpriced: no_usage 2"
    )
    assert any(line.startswith("  total ") and "55 ok  4 incomplete  1 error" in line for line in lines)
    assert any("60/60 equal    lost 0   double 0" in line for line in lines)


def test_accidents_are_told() -> None:
    """What was done to the streams on purpose is no secret."""
    line = as_text(outcome())[1]

    assert {"1 cut off", "1 broken off by an error", "1 never finished"} <= set(re.split(r",? {3}|, ", line))


def test_the_last_lines_name_only_commands_that_exist() -> None:
    """A newcomer's second command works."""
    lines = as_text(outcome())
    named = re.findall(r"streamledger (\w+)", " ".join(lines[lines.index("Next:") :]))

    assert named
    assert set(named) <= set(COMMANDS)


def test_the_sample_that_is_named_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its path is right from where the reader is."""
    monkeypatch.chdir(tmp_path)
    path = re.search(r"--request-id r1 (\S+)", "\n".join(as_text(outcome())))

    assert path is not None
    assert Path(path[1]).is_file()


def test_right_records_pass_and_json_says_the_same() -> None:
    """One object with the same figures, for programs."""
    found = json.loads(json.dumps(as_json(outcome())))

    assert found["passed"] is True
    assert (found["requests"], found["records"], found["audit"]["equal"]) == (60, 60, 60)
    assert (found["chunks"], found["delivered"], found["duplicates_dropped"], found["gaps"]) == (1_800, 1_980, 180, 1)
    assert sum(row["requests"] for row in found["kinds"]) == found["total"]["requests"] == 60
    assert found["kill"] == {
        "killed_at": 990,
        "chunks": 1_980,
        "records_before": 2,
        "requests_open": 57,
        "chunks_again": 99,
        "restore_seconds": 0.414,
        "silence_seconds": 2.96,
    }
    assert found["cost_sources"] == {"gateway": 38, "provider": 3, "catalog": 17}
    assert found["unpriced"] == {"no_usage": 2}
    assert found["complaints"] == []


def test_every_complaint_fails_the_run() -> None:
    """Lost records, dead letters, a worker that does not stop in order, a kill beside the mark: each is enough."""
    assert not outcome(RECORDS[1:]).passed
    assert outcome(dead=2).complaints() == ["2 dead letters: conflict"]
    assert outcome(status=1).complaints() == ["the worker ended with status 1 when it was asked to stop"]
    assert outcome(status=None).complaints() == ["the worker had to be killed when it was asked to stop"]
    missed = outcome(accident=replace(KILL, requests_open=0))
    assert not missed.passed
    assert missed.complaints() == ["the kill missed the middle of the stream: no request was open in the saved state"]


def test_dead_letters_are_no_dropped_repeats() -> None:
    """What the ledger refused is counted apart from what it had seen before."""
    assert outcome(dead=2).dropped == 178


def test_a_disaster_fits_the_screen() -> None:
    """The first complaints and how many more there are."""
    lines = [line for line in as_text(outcome([])) if line.startswith("  wrong: ")]

    assert len(lines) == SHOWN + 1
    assert lines[-1] == "  wrong: and 40 more, see --json"
