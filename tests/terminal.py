"""`streamledger top` on a terminal of 80 columns and 24 rows, read as a person sees it: screen after screen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
SECONDS: Final = 90.0
HOME: Final = b"\x1b[H"
"""Each screen begins in the upper left corner."""


class Terminal:
    """A command that runs on it.

    Attributes:
        shown: All that was written so far.
    """

    def __init__(self, process: subprocess.Popen[bytes], ours: int, before: list[object]) -> None:
        """Made by `terminal`."""
        self.shown = b""
        self._process, self._ours, self._before = process, ours, before

    def until(self, holds: Callable[[str], bool]) -> str:
        """The first whole screen after those that were read before for which it holds."""
        since, deadline = len(self.shown), time.monotonic() + SECONDS
        while True:
            screens = self.shown[since:].split(HOME)[1:-1]
            for screen in screens:
                text = screen.decode()
                if holds(text):
                    return text
            assert time.monotonic() < deadline, screens[-1:]
            assert self._process.poll() is None, self.shown[-2_000:]
            self._read(1.0)

    def press(self, key: bytes) -> int:
        """Press a key that ends the command; its exit status. The terminal is left as it was."""
        os.write(self._ours, key)
        while self._process.poll() is None:
            self._read(0.1)
        assert termios.tcgetattr(self._ours) == self._before
        return self._process.returncode

    def _read(self, seconds: float) -> None:
        if select.select([self._ours], [], [], seconds)[0]:
            self.shown += os.read(self._ours, 1 << 16)


@contextmanager
def terminal(command: list[str], environment: Mapping[str, str]) -> Iterator[Terminal]:
    """Run a Python program, by the interpreter's arguments, on a terminal for the block."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    told = {**os.environ, **environment, "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=told, stdin=theirs, stdout=theirs, stderr=theirs
    )
    try:
        yield Terminal(process, ours, before)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
