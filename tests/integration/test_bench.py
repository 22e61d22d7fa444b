"""A tiny benchmark on its own Kafka: figures for everyone, and nothing left behind however it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEADLINE = 120.0

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="costs are read from /proc")


@contextmanager
def bench(scratch: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command as a process; killed at the end if it still runs."""
    command = [sys.executable, "-m", "pipeline", "bench", "--only", "200", *arguments]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def descendants(folder: Path) -> list[int]:
    """Living processes that have a folder in their command line or environment."""
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


def test_worker_and_ceiling_are_measured_by_the_same_reader(tmp_path: Path) -> None:
    """Rates, costs and sizes of both, their ratio, and no process or file behind."""
    arguments = ("--chunks", "4000", "--peer", "streamledger", "--peer", "consume", "--json")
    with bench(tmp_path, *arguments) as process:
        out, err = process.communicate(timeout=DEADLINE)

    assert process.returncode == 0, err
    found = json.loads(out)
    (load,) = found["loads"]

    assert (found["passed"], found["judged"]) == (True, False)
    assert (load["total"], load["requests"], load["failed"], load["skipped"]) == (4_000, 200, {}, {})
    for name in ("streamledger", "consume"):
        result = load["results"][name]
        assert result["rate"] == pytest.approx(load["total"] / result["seconds"], rel=0.05)
        assert result["cpu"] > 0
        assert result["peak"] > 1 << 20
        assert result["output_bytes"] > 0
        assert result["doubles"] == 0
    assert load["results"]["streamledger"]["own"]["chunks"] == 4_000
    assert load["results"]["streamledger"]["state_bytes"] > 0
    assert [ratio["peer"] for ratio in found["ratios"]] == ["consume"]
    assert "streamledger" in err
    assert descendants(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_benchmark_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    """Ctrl-C ends broker and participant, and the directory goes."""
    with bench(tmp_path, "--chunks", "200000", "--peer", "streamledger") as process:
        assert process.stderr is not None
        while "200: streamledger" not in (line := process.stderr.readline()):
            assert line, "it ended by itself"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE)

    assert process.returncode == 128 + signal.SIGINT
    assert descendants(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
