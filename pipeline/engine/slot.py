"""A directory of one's own: workers on one machine may share data_dir, but never an open store.

Each worker takes the first directory that no living worker holds; after a kill the lock is free and the next start
finds its own stores again. Imports the standard library and `pipeline.errors`.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from pipeline.errors import UsageError

MOST: Final = 256


class Slot:
    """A locked directory, held until the process ends or `release`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Made by `claim`."""
        self.path = path
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the directory back; the files in it stay."""
        os.close(self._descriptor)


def claim(data_dir: Path, ledger: str) -> Slot:
    """The first free directory of a ledger under `data_dir`.

    Raises:
        UsageError: The directory can't be written.
    """
    for number in range(MOST):
        path = data_dir / ledger / f"worker-{number}"
        try:
            path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            hint = "set data_dir to a directory that this user may write"
            raise UsageError(f"can't use data_dir {data_dir}: {error.strerror}", hint=hint) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        return Slot(path, descriptor)
    raise UsageError(f"{MOST} workers share data_dir {data_dir}", hint="give each worker a data_dir of its own")
