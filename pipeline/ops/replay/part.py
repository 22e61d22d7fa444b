"""One output of one partition: lines in a file whose length is noted, so that what a crash left behind it is cut off.

Imports the standard library and the errors.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.errors import FoundProblem


class Part:
    """A file of lines, written from a known length on."""

    def __init__(self, path: Path, length: int) -> None:
        """Open or create; what lies behind `length` was never noted and goes.

        Raises:
            FoundProblem: the file is shorter: somebody changed it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._file.seek(0, os.SEEK_END)
        found = self._file.tell()
        if found < length:
            self._file.close()
            hint = "begin anew with another directory"
            raise FoundProblem(f"{path} has {found} of the {length} bytes that were written", hint=hint)
        self._file.truncate(length)
        self._file.seek(length)
        self.length = length

    def write(self, line: bytes) -> int:
        """Add a line; where it begins."""
        at = self.length
        self._file.write(line)
        self._file.write(b"\n")
        self.length = at + len(line) + 1
        return at

    def sync(self) -> int:
        """Put all of it on the disk; the length."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self.length

    def read(self, at: int, length: int) -> bytes:
        """Bytes that were synced."""
        return os.pread(self._file.fileno(), length, at)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
