"""Files of chunks that wait for Kafka, oldest first: read in order, forgotten when Kafka has them.

Owns how far a file was sent. Files are appended to and never changed; one goes when Kafka has all of it, so after a
crash some of it is sent again, which the ledger drops as repeats. Imports the standard library and this package.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pipeline.ingest.publish.item import Item
from pipeline.ingest.publish.segment import Read, Segment

SUFFIX: Final = ".chunks"
LOCK: Final = ".lock"
ASIDE: Final = ".refused"
DAMAGED: Final = ".damaged"
"""Endings of names: chunks to send, the sign that their owner lives, chunks that Kafka never takes, what can't be
read to its end."""

Damage = Callable[[Path, str], None]
"""Told which file, and what is wrong with it."""


class Backlog:
    """Files to be sent; what is read is under way until `commit`, and nothing else is read meanwhile."""

    def __init__(self, damage: Damage) -> None:
        """Begin empty; `damage` is told of files that can't be read to their end."""
        self._files: deque[Segment] = deque()
        self._damage = damage
        self._sent = self._read = self._under_way = 0

    def __bool__(self) -> bool:
        """Whether there is a file to send."""
        return bool(self._files)

    def read(self, most_bytes: int, most: int) -> list[Item]:
        """The next chunks; nothing when all is read. A file that can't be read holds up none behind it."""
        while self._files:
            file = self._files[0]
            at = max(self._read, file.start)
            try:
                found = file.read(at, most_bytes, most)
            except OSError as error:
                found = Read([], at, f"it can't be read ({error.strerror})")
            self._read, self._under_way = found.end, len(found.items)
            if found.items:
                return found.items
            if found.bad:
                self._damage(file.path, found.bad)
                self._drop(keep=True)
            elif self._written(file):
                break
            else:
                self._drop()
        return []

    def commit(self) -> None:
        """Kafka has what was read last; a file of which it has all is removed."""
        self._sent, self._under_way = self._read, 0
        if self._files and self._sent >= self._size(self._files[0]):
            self._drop()

    def _written(self, file: Segment) -> bool:  # noqa: ARG002  what is said of the files of the dead
        """Whether more may be written to a file."""
        return False

    def _size(self, file: Segment) -> int:
        """Bytes of a file."""
        try:
            return file.path.stat().st_size
        except OSError:
            return 0

    def _drop(self, *, keep: bool = False) -> None:
        """Take the first file away; one that is damaged stays on disk under another name."""
        file = self._files.popleft()
        self._sent = self._read = self._under_way = 0
        with contextlib.suppress(OSError):
            if keep:
                file.path.rename(file.path.with_suffix(DAMAGED))
            else:
                file.path.unlink()
