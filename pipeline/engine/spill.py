"""Rows of an offline fold on disk, so that its memory does not grow with what is open.

Owns the key under which a fold notes how far it and its output are: rows and note change together, and survive the
death of the process. Imports the database and the core's snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pipeline.core.rows import Snapshot
from pipeline.core.segment import FORMAT
from pipeline.engine.config import MIB
from pipeline.engine.database import Database, Memory, Meta

CACHE_BYTES: Final = 64 * MIB
BUFFER_BYTES: Final = 32 * MIB
"""Of one process; of the cache at most so much are write buffers."""

_NOTE: Final = b"\0note"
_ASIDE: Final = b"\0aside"
"""Sort before every row of the core."""


def memory() -> Memory:
    """The budget of all spills of a process."""
    return Memory(CACHE_BYTES, BUFFER_BYTES)


class Spill:
    """One partition's rows; implements `pipeline.core.rows.Rows`."""

    def __init__(self, path: Path, budget: Memory) -> None:
        """Open or create.

        Raises:
            OurFault: the files can't be opened.
        """
        self._database = Database(path, budget, logged=True)

    def get(self, key: bytes) -> bytes | None:
        """Value of a key."""
        return self._database.get(key)

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Rows whose key begins with `prefix`, from `start` on, in key order."""
        return self._database.scan(prefix, start)

    @property
    def note(self) -> bytes | None:
        """What was noted with the last snapshot; None before the first."""
        return self._database.get(_NOTE)

    def write(self, taken: Snapshot | None, note: bytes, aside: Iterable[tuple[bytes, bytes | None]] = ()) -> None:
        """Apply a snapshot, the note, and rows of the caller's own, all or nothing.

        Args:
            taken: None if the fold has not gone on.
            note: whatever belongs to this state.
            aside: rows apart from the fold's, to be found by `aside` and `asides`; None deletes.

        Raises:
            OurFault: the disk does not take it.
        """
        position = self._meta.offset if taken is None else taken.position
        rows = [*(() if taken is None else taken.rows), *((_ASIDE + key, value) for key, value in aside)]
        self._database.write(
            [*rows, (_NOTE, note)],
            Meta(FORMAT, b"", "", 0, position, 0, 0.0),
            markers=() if taken is None else taken.markers,
            drop_hours=() if taken is None else taken.drop_hours,
        )

    def aside(self, key: bytes) -> bytes | None:
        """A row of the caller's own."""
        return self._database.get(_ASIDE + key)

    def asides(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """The caller's own rows whose key begins with `prefix`, in key order."""
        return ((key[len(_ASIDE) :], value) for key, value in self._database.scan(_ASIDE + prefix))

    def close(self) -> None:
        """Let go of the files."""
        self._database.close()

    @property
    def _meta(self) -> Meta:
        return self._database.meta or Meta(FORMAT, b"", "", 0, 0, 0, 0.0)
