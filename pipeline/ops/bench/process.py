"""A participant as a process, with all that it starts: run it, see what it says, count what it costs, end it.

Costs are read from /proc while it runs, of every process of its session, so that helpers count. It dies with us,
whatever we die of. Imports the broker's tether and the errors.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from pipeline.ops.broker import tether

PROC: Final = Path("/proc")
STOP_SECONDS: Final = 12.0
"""Deadline of an orderly end; the worker gives itself 9 s."""
TAIL: Final = 5
"""Lines of its output that tell why it ended."""


class Cost(NamedTuple):
    """What a process tree has used so far.

    Attributes:
        cpu: Seconds, of all its processes that run now.
        peak: Bytes of memory at most, the sum of each one's own peak.
        written: Bytes handed to storage devices.
    """

    cpu: float
    peak: int
    written: int


class Participant:
    """A running program; as a context manager it is gone at the end of the block."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Describe it; nothing is started.

        Args:
            command: Program and arguments.
            environment: All of it.
            log: File for what it prints.
        """
        self.log = log
        self._command, self._environment = command, environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id, which is that of its session, too."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.poll() if self._process is not None else None

    def output(self) -> str:
        """All that it has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def tail(self) -> list[str]:
        """The end of it."""
        return self.output().splitlines()[-TAIL:]

    def cost(self) -> Cost:
        """What it has used so far."""
        return _total(_session(self.pid))

    def resident(self) -> int:
        """Bytes of memory that it and its helpers occupy now."""
        return sum(_named(pid, "status", "VmRSS:") << 10 for pid in _session(self.pid))

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End it in order, then at once what of its session is left."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()

    def kill(self) -> None:
        """End it and its helpers at once. Idempotent."""
        if self._process is None:
            return
        for number in _session(self.pid):
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        tied = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *self._command]
        with self.log.open("ab") as output:
            # Its own session: Ctrl-C is ours to handle, and its helpers are found by it.
            self._process = subprocess.Popen(
                tied,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self._environment),
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def measurable() -> bool:
    """Whether this system tells what a process uses."""
    return (PROC / "self/stat").exists()


def cost_of(pid: int) -> Cost:
    """What a process has used so far, without those that it started."""
    return _total([pid])


def _session(leader: int) -> list[int]:
    """Living processes of a session."""
    pids = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()] if measurable() else []
    return [pid for pid in pids if (fields := _stat(pid)) and int(fields[3]) == leader]


def _total(pids: Sequence[int]) -> Cost:
    each = [_cost(pid) for pid in pids]
    return Cost(sum(c.cpu for c in each), sum(c.peak for c in each), sum(c.written for c in each))


def _cost(pid: int) -> Cost:
    """Of one process; nothing if it is gone. Its ended children count, too: their time is the parent's then."""
    fields = _stat(pid)
    if not fields:
        return Cost(0.0, 0, 0)
    ticks = sum(map(int, fields[11:15]))  # utime, stime, and both of the children that were waited for
    peak = _named(pid, "status", "VmHWM:") << 10
    return Cost(ticks / os.sysconf("SC_CLK_TCK"), peak, _named(pid, "io", "write_bytes:"))


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the name, which may hold blanks: state, ppid, pgrp, session, …; none if gone."""
    try:
        return (PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _named(pid: int, file: str, name: str) -> int:
    """A number in a file of `name value` lines; 0 if it is not told."""
    try:
        text = (PROC / str(pid) / file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    values = [line.split()[1] for line in text.splitlines() if line.startswith(name)]
    return int(values[0]) if values else 0
