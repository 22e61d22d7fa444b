"""The rows of an offline fold: state and note are one, also after a death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from pipeline.core.rows import Snapshot
from pipeline.core.tally import Tally
from pipeline.engine.spill import Spill, memory

ROOT = Path(__file__).parents[3]
DYING = """
import os, signal, sys
from pathlib import Path
from pipeline.core.rows import Snapshot
from pipeline.core.tally import Tally
from pipeline.core.tally import Tally
from pipeline.engine.spill import Spill, memory
spill = Spill(Path(sys.argv[1]), memory())
for number in range(3):
    row = b"s" + bytes([number])
    taken = Snapshot([(row, b"x")], [], [], [], [], number, Tally())
    spill.write(taken, b"note %d" % number, [(b"mine" + bytes([number]), b"y")])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_written_survives_the_process(tmp_path: Path) -> None:
    """Rows, note and the caller's own rows of the last write, after SIGKILL."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    died = subprocess.run([sys.executable, "-c", DYING, str(tmp_path / "rows")], check=False, env=environment)
    assert died.returncode == -signal.SIGKILL
    spill = Spill(tmp_path / "rows", memory())
    assert spill.note == b"note 2"
    assert [key for key, _ in spill.scan(b"s")] == [b"s\0", b"s\1", b"s\2"]
    assert [key for key, _ in spill.asides(b"mine")] == [b"mine\0", b"mine\1", b"mine\2"]
    spill.close()


def test_rows_of_the_caller_are_apart_from_those_of_the_fold(tmp_path: Path) -> None:
    """Under the same key they are two, and a write without a snapshot changes only the caller's."""
    spill = Spill(tmp_path / "rows", memory())
    assert spill.note is None
    spill.write(Snapshot([(b"s1", b"fold")], [], [], [], [], 1, Tally()), b"one", [(b"s1", b"mine")])
    assert (spill.get(b"s1"), spill.aside(b"s1")) == (b"fold", b"mine")
    spill.write(None, b"two", [(b"s1", None)])
    assert spill.aside(b"s1") is None
    assert [spill.get(b"s1"), spill.note] == [b"fold", b"two"]
    spill.close()
