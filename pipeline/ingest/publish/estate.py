"""What publishers left behind whose process ended: their files are sent by the next one in the same directory.

Owns who is dead: whoever's lock can be had. Imports the standard library and this package.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from pipeline.ingest.publish.backlog import ASIDE, DAMAGED, LOCK, SUFFIX, Backlog, Damage
from pipeline.ingest.publish.segment import Segment
from pipeline.ingest.publish.spool import held


class Estate(Backlog):
    """The files of the dead, for one topic; their locks are ours as long as there is one."""

    def __init__(self, folder: Path, topic: str, damage: Damage) -> None:
        """Describe it; `look` finds what there is."""
        super().__init__(damage)
        self._folder, self._topic = folder, topic
        self._locks: dict[str, int] = {}

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(map(self._size, self._files))

    def look(self) -> None:
        """Take over what has no living owner, and tidy away the locks of the dead.

        Raises:
            OSError: the directory can't be read.
        """
        if not self._folder.is_dir():
            return
        owners: dict[str, list[Path]] = {path.stem: [] for path in self._folder.glob(f"*{LOCK}")}
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            owners.setdefault(owner_of(path), []).append(path)
        for owner, paths in owners.items():
            if owner not in self._locks and (lock := claim(self._folder, owner)) is not None:
                self._take(owner, lock, paths)

    def close(self) -> None:
        """Leave what is not sent to the next."""
        for owner in list(self._locks):
            self._let_go(owner)
        self._files.clear()
        self._sent = self._read = self._under_way = 0

    def let_go(self) -> None:
        """Close the locks and nothing else: they are another process's."""
        for lock in self._locks.values():
            os.close(lock)
        self._locks.clear()

    def _take(self, owner: str, lock: int, paths: list[Path]) -> None:
        self._locks[owner] = lock
        for path in paths:
            with contextlib.suppress(OSError):  # gone since: its owner came to its end by itself
                file = Segment(path)
                if file.topic is None:
                    self._damage(path, "its beginning is not that of a spool")
                    path.rename(path.with_suffix(DAMAGED))
                elif file.topic == self._topic:
                    self._files.append(file)
        if not any(file.path in paths for file in self._files):
            self._let_go(owner)

    def _drop(self, *, keep: bool = False) -> None:
        owner = owner_of(self._files[0].path)
        super()._drop(keep=keep)
        if not any(owner_of(file.path) == owner for file in self._files):
            self._let_go(owner)

    def _let_go(self, owner: str) -> None:
        """Give a lock back; it goes with the last file."""
        lock = self._locks.pop(owner, None)
        if lock is None:
            return
        if not any(owner_of(path) == owner for path in self._folder.glob(f"*{SUFFIX}")):
            (self._folder / f"{owner}{LOCK}").unlink(missing_ok=True)
        os.close(lock)


def owner_of(path: Path) -> str:
    """Whose file it is: all but the number at the end of its name, which what was set aside has not."""
    return path.stem if path.suffix == ASIDE else path.stem.rpartition("-")[0] or path.stem


def claim(folder: Path, owner: str) -> int | None:
    """The lock of an owner, to be closed by whoever asked; None if somebody has it, or it can't be had."""
    path = folder / f"{owner}{LOCK}"
    with contextlib.suppress(OSError):
        lock = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if held(lock, path):
                return lock
        os.close(lock)
    return None


def alive(folder: Path, owner: str) -> bool:
    """Whether somebody has the lock of an owner; nothing is made or kept."""
    try:
        lock = os.open(folder / f"{owner}{LOCK}", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False
