"""The spool of one publisher: chunks that Kafka did not take, on disk, in order, until it does.

Owns the files it writes and the lock beside them, which says that their owner lives. Every write is with the kernel
when it returns, so that it survives the process; `sync` makes it survive the machine. Imports the standard library and
this package.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.ingest.publish.backlog import ASIDE, LOCK, SUFFIX, Backlog, Damage
from pipeline.ingest.publish.item import Item, size
from pipeline.ingest.publish.segment import Segment, frames, head

SEGMENT_BYTES: Final = 16 << 20
"""A file that is larger gets a successor; after a crash at most so much is sent again."""

STEP: Final = 1_000
"""Chunks of one write."""


class Spool(Backlog):
    """The files of one publisher: written at the end, sent from the beginning. Nothing is on disk before the first.

    Attributes:
        owner: Beginning of the names of its files; nobody else's begin so.
        count: Chunks that Kafka has not acknowledged.
        size: Bytes on disk.
        lost: Chunks that the disk did not give back.
    """

    def __init__(self, folder: Path, topic: str, most: int, damage: Damage) -> None:
        """Describe it; nothing is made.

        Args:
            folder: Where it is; shared with other publishers.
            topic: Topic of its chunks.
            most: Bytes that it may take on disk.
            damage: Told of files that can't be read.
        """
        super().__init__(damage)
        self.owner = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self.count = self.size = self.lost = 0
        self._folder, self._topic, self._most = folder, topic, most
        self._number = 0
        self._lock = self._file = -1
        self._file_size = 0
        self._unsynced = False

    def fits(self, items: Sequence[Item]) -> bool:
        """Whether there is room for all of them."""
        return self.size + sum(map(size, items)) <= self._most

    def append(self, items: Sequence[Item]) -> int:
        """Write chunks behind all others.

        Returns:
            How many of them, from the first on; fewer than all when the bound is reached or the disk fails midway.

        Raises:
            OSError: the disk takes none of them.
        """
        written = 0
        for start in range(0, len(items), STEP):
            some = items[start : start + STEP]
            if not self.fits(some):
                break
            try:
                self._write(b"".join(frames(some)))
            except OSError:
                if written:
                    break
                raise
            written += len(some)
            self.count += len(some)
        return written

    def skip(self) -> None:
        """All that is in it is under way already: `commit` says that it was delivered."""
        self._under_way, self._read = self.count, self._file_size

    def commit(self) -> None:
        """Kafka has what was read last."""
        self.count -= self._under_way
        super().commit()

    def sync(self) -> None:
        """Make what was written survive the machine.

        Raises:
            OSError: the disk does not answer well.
        """
        if self._unsynced and self._file >= 0:
            os.fdatasync(self._file)
            self._unsynced = False

    def aside(self, items: Sequence[Item]) -> Path:
        """Keep chunks that Kafka never takes in a file of their own, which nothing sends.

        It is written under a lock of its own: somebody may take chunks out of it meanwhile.

        Raises:
            OSError: the disk does not take them.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{self.owner}{ASIDE}"
        file = locked(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            begin = b"" if os.fstat(file).st_size else head(self._topic)
            _write(file, begin + b"".join(frames(items)))
            os.fsync(file)
        finally:
            os.close(file)
        return path

    def close(self) -> None:
        """Sync, and leave what is there to whoever comes next."""
        with contextlib.suppress(OSError):
            self.sync()
        if self._lock >= 0 and not self._files:
            self._lock_path.unlink(missing_ok=True)
        self.let_go()

    def let_go(self) -> None:
        """Close the files and nothing else: they are another process's."""
        for file in (self._file, self._lock):
            if file >= 0:
                os.close(file)
        self._file = self._lock = -1

    @property
    def _lock_path(self) -> Path:
        return self._folder / f"{self.owner}{LOCK}"

    def _written(self, file: Segment) -> bool:
        return self._file >= 0 and file is self._files[-1]

    def _drop(self, *, keep: bool = False) -> None:
        first = self._files[0]
        self.size -= self._size(first)
        if self._written(first):
            os.close(self._file)
            self._file = -1
        super()._drop(keep=keep)
        if not self._files:
            self.lost += self.count
            self.count = self.size = 0

    def _write(self, data: bytes) -> None:
        if self._file < 0 or self._file_size > SEGMENT_BYTES:
            self._begin()
        try:
            _write(self._file, data)
        except OSError:
            os.ftruncate(self._file, self._file_size)
            raise
        self._file_size += len(data)
        self.size += len(data)
        self._unsynced = True

    def _begin(self) -> None:
        """A new file, whose number is one more."""
        self._claim()
        if self._file >= 0:
            self.sync()
            os.close(self._file)
            self._file = -1
        self._number += 1
        path = self._folder / f"{self.owner}-{self._number:08d}{SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        begin = head(self._topic)
        self._file_size = len(begin)
        self.size += len(begin)
        try:
            _write(self._file, begin)
            self._files.append(Segment(path))
        except OSError:
            os.close(self._file)
            self._file = -1
            self.size -= len(begin)
            path.unlink(missing_ok=True)
            raise

    def _claim(self) -> None:
        """Say that the owner of the files lives, before the first of them is there."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._lock < 0:
            self._lock = locked(self._lock_path, os.O_WRONLY | os.O_CREAT)


def locked(path: Path, flags: int) -> int:
    """A file that is open and locked, and still has its name: others may replace or remove it between the two.

    Raises:
        OSError: it can't be opened.
    """
    while True:
        file = os.open(path, flags, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        if held(file, path):
            return file
        os.close(file)


def held(lock: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except OSError:
        return False


def _write(file: int, data: bytes) -> None:
    """All of it: the kernel may take less in one go."""
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
