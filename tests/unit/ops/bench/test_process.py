"""A participant as a process: what it costs is counted with its helpers, and none of them survives it."""

import os
import sys
from pathlib import Path

import pytest

from pipeline.ops.bench.process import Participant, cost_of, measurable
from pipeline.testing import eventually

DEADLINE = 30.0

pytestmark = pytest.mark.skipif(not measurable(), reason="costs are read from /proc")

BUSY = "import time, sys\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ntime.sleep(60)\n"
PARENT = f"""import subprocess, sys
helper = subprocess.Popen([sys.executable, "-c", {BUSY!r}])
print("helper", helper.pid, flush=True)
helper.wait()
"""
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('done', flush=True)\ntime.sleep(60)\n"


def participant(tmp_path: Path, code: str) -> Participant:
    """A program of this text."""
    return Participant([sys.executable, "-c", code], os.environ, tmp_path / "log")


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet counts as ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_helpers_count_and_end_with_it(tmp_path: Path) -> None:
    """What it starts in its session is its own; the end of the block is the end of all."""
    with participant(tmp_path, PARENT) as running:
        eventually(lambda: "done" in running.output())
        whole, alone = running.cost(), cost_of(running.pid)
        helper = int(running.output().split()[1])

    assert whole.cpu >= 0.3 > alone.cpu
    assert whole.peak > alone.peak > 1 << 20
    eventually(lambda: gone(helper))


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    """The order to end has a deadline."""
    with participant(tmp_path, DEAF) as running:
        eventually(lambda: "done" in running.output())
        running.stop(0.2)

        assert running.ended == -9


def test_its_status_and_last_words_are_known(tmp_path: Path) -> None:
    """Why it ended stands at the end of its output."""
    with participant(tmp_path, "import sys; print('a\\nb', flush=True); sys.exit('c')") as running:
        eventually(lambda: running.ended is not None)

        assert running.ended == 1
        assert running.tail() == ["a", "b", "c"]


def test_a_process_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    """It may end between two looks."""
    with participant(tmp_path, "") as running:
        eventually(lambda: running.ended is not None)

        assert running.cost().peak == 0
        assert cost_of(running.pid).cpu == 0.0
