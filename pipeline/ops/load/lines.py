"""Chunk JSON lines instead of Kafka: what would have been sent, for `fold`, `produce` or a look.

Imports its siblings and the standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, BinaryIO


class Lines:
    """Where lines go.

    Attributes:
        sent, size: Chunks and the bytes of their values.
    """

    def __init__(self, file: BinaryIO, arrived: Callable[[list[tuple[bytes, Any]], int], None]) -> None:
        """Nothing is written yet; `arrived` is told of marked chunks."""
        self._file, self._arrived = file, arrived
        self.sent = self.size = 0

    async def send(self, chunks: Iterable[tuple[bytes, bytes, Any]]) -> None:
        """Write chunks."""
        for key, value, mark in chunks:
            self._file.write(value + b"\n")
            self.sent += 1
            self.size += len(value)
            if mark:
                self._arrived([(key, mark)], 0)

    async def flush(self) -> None:
        """Let a reader have what is written."""
        self._file.flush()

    async def settle(self) -> None:
        """The same: a pipe does not say what was read."""
        self._file.flush()
