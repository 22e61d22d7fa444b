"""TCP proxies between workers and brokers, which cut, stall or delay connections; not a byte is changed.

Each broker has one listener that it advertises through its proxy. Imports the standard library only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Self

BLOCK: Final = 1 << 16
HOST: Final = "127.0.0.1"


class Proxy:
    """One door: whoever connects to `outer` talks to `inner`."""

    def __init__(self, outer: int, inner: int) -> None:
        """Nothing listens yet."""
        self._outer, self._inner = outer, inner
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._delay = 0.0
        self._refusing = False
        self.held = 0
        """Blocks that were held back so far."""

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, HOST, self._outer)

    async def stop(self) -> None:
        """Listen no more; cut what is open."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> int:
        """Reset all open connections; how many there were."""
        lines = list(self._lines)
        for line in lines:
            line.transport.abort()
        return len(lines)

    def refuse(self, *, refusing: bool) -> None:
        """Close new connections at once, or no longer."""
        self._refusing = refusing

    def stall(self, *, stalled: bool) -> None:
        """Let nothing pass in either direction; connections stay open."""
        if stalled:
            self._flowing.clear()
        else:
            self._flowing.set()

    def delay(self, seconds: float) -> None:
        """Hold each block back for so long."""
        self._delay = seconds

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        try:
            if self._refusing:
                return
            far_reader, far_writer = await asyncio.open_connection(HOST, self._inner)
        except OSError:
            return
        else:
            self._lines.add(far_writer)
            ways = [
                asyncio.create_task(self._pump(reader, far_writer)),
                asyncio.create_task(self._pump(far_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                self._lines.discard(far_writer)
                far_writer.transport.abort()
        finally:
            self._lines.discard(writer)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction of a connection, until it ends."""
        with suppress(ConnectionError):
            while block := await reader.read(BLOCK):
                self.held += bool(self._delay) or not self._flowing.is_set()
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._flowing.wait()
                writer.write(block)
                await writer.drain()


class Proxies:
    """The doors of all brokers."""

    def __init__(self, doors: Sequence[tuple[int, int]]) -> None:
        """Pairs (outer, inner)."""
        self.doors = [Proxy(outer, inner) for outer, inner in doors]

    async def __aenter__(self) -> Self:
        for door in self.doors:
            await door.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for door in self.doors:
            await door.stop()
