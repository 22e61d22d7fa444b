"""A tiny round of the benchmark's scenarios on a Kafka of its own: every figure is measured, with its target."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DEADLINE = 150.0
RATE = 2_000

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="costs are read from /proc")

PROGRAM = """
import sys
from pipeline.ops import bench
from pipeline.settings import Settings
choice = bench.Survey(tuple(sys.argv[2:]), rate=int(sys.argv[1]), tiny=True)
sys.exit(bench.survey(Settings(), choice, as_json=True))
"""


def survey(scratch: Path, *names: str) -> dict[str, Any]:
    """What a tiny run of these scenarios finds; it has to come to an orderly end."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(RATE), *names],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_tiny_round_measures_every_figure(tmp_path: Path) -> None:
    """Latency, memory and restore come to an end with plausible figures and leave nothing behind."""
    names = ("latency", "memory", "restore")
    found = survey(tmp_path, *names)
    figures = {
        each["scenario"]: {figure["name"]: figure["value"] for figure in each["figures"]} for each in found["scenarios"]
    }

    assert (found["passed"], found["judged"]) == (True, False)
    assert tuple(figures) == names
    assert 0 < figures["latency"]["p50"] <= figures["latency"]["p99"] <= figures["latency"]["longest"]
    assert figures["memory"]["open"] == 2_000
    assert figures["memory"]["a request"] > 0
    assert figures["restore"]["open afterwards"] == 500
    assert figures["restore"]["rows read"] > 500
    assert list(tmp_path.iterdir()) == []
