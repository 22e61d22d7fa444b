"""Responses of httpx and of httpx2 (the SDKs' own), tapped in place: whoever reads them, the tap sees the bytes first.

The response stays the object it was, and so does the SDK's stream above it; its class becomes a subclass that overrides
what reads and closes. For SDKs the bytes are handed on frame by frame, so that an event is published when its reader
asks for it and not when the network brought it; readers of raw responses get their pieces as they are. No tap refers to
its response: one that is dropped takes its tap along, and the request hears it. Imports this room.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pipeline.ingest.taps.encoding import Plain
from pipeline.ingest.taps.frames import Frames
from pipeline.ingest.taps.translation import End, Translation
from pipeline.ingest.taps.watch import AsyncWatch, Watch


def tap_response(response: Any, translation: Translation, watch: Watch | AsyncWatch, *, whole: bool) -> None:
    """Tap a response that has not been read.

    Args:
        response: of httpx or httpx2.
        translation: how frames are read.
        watch: where they go; an async one for an async response.
        whole: hand on one frame at a time; otherwise the pieces as they came.
    """
    kind: type = type(response)
    response.__class__ = _tapped(kind, isinstance(watch, AsyncWatch))
    body = Body if isinstance(watch, Watch) else AsyncBody
    response.streamledger_body = body(response.headers, translation, watch, whole=whole)  # type: ignore[arg-type]


def is_tapped(response: Any) -> bool:
    """Whether a response is tapped already."""
    return isinstance(response, _Response | _AsyncResponse)


W = TypeVar("W", Watch, AsyncWatch)


class _Body(Generic[W]):
    """What sync and async bodies share: where the reading is.

    Attributes:
        whole: Frames are handed on one at a time.
        reader: Who is waiting for the next piece: the close that comes from there is part of the reading.
        closed: Somebody else closed it meanwhile.
    """

    def __init__(self, headers: Any, translation: Translation, watch: W, *, whole: bool) -> None:
        """Begin before the first piece; arguments as of `tap_response`."""
        self.whole = whole
        self.reader: object = None
        self.closed = False
        self._translation = translation
        self._watch: W = watch
        self._frames = Frames(headers.get("content-type", ""))
        self._plain = Plain(headers.get("content-encoding"))

    def _over(self) -> End:
        """What it means that nothing more came."""
        return End.LEFT if self.closed else End.OVER if self._plain.readable else End.UNREAD

    def _failed(self, error: BaseException) -> End | BaseException:
        """What an exception of the reading means: that it was closed meanwhile is no fault of the connection."""
        return End.LEFT if self.closed else error


class Body(_Body[Watch]):
    """The body of a sync response."""

    def left(self) -> None:
        """Publish that the reader closed it, unless its end is published."""
        self._watch.end(self._translation.end, End.LEFT)

    def watched(
        self, pieces: Generator[bytes, None, None], *, whole: bool, raw: bool = False
    ) -> Generator[bytes, None, None]:
        """The pieces, published before they are handed on."""
        watch, frames, take = self._watch, self._frames, self._translation.frame
        hand = watch.hand
        how: End | BaseException = End.LEFT
        try:
            self.reader = threading.get_ident()
            for piece in pieces:
                self.reader = None
                for frame in frames.feed(self._plain.feed(piece) if raw else piece):
                    if not hand(take, frame, len(frame)):
                        watch.press(take, frame, len(frame))
                    if whole:
                        yield frame
                if not whole:
                    yield piece
                self.reader = threading.get_ident()
            self.reader = None
            if rest := frames.rest():
                watch.press(take, rest, len(rest))
                if whole:
                    yield rest
            how = self._over()
        except GeneratorExit:
            raise
        except BaseException as error:
            how = self._failed(error)
            raise
        finally:
            self.reader = None
            watch.end(self._translation.end, how)
            pieces.close()


class AsyncBody(_Body[AsyncWatch]):
    """The body of an async response."""

    async def left(self) -> None:
        """Publish that the reader closed it, unless its end is published."""
        await self._watch.end(self._translation.end, End.LEFT)

    async def watched(
        self, pieces: AsyncGenerator[bytes, None], *, whole: bool, raw: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """The pieces, published before they are handed on."""
        watch, frames, take = self._watch, self._frames, self._translation.frame
        hand = watch.hand
        how: End | BaseException = End.LEFT
        try:
            self.reader = asyncio.current_task()
            async for piece in pieces:
                self.reader = None
                for frame in frames.feed(self._plain.feed(piece) if raw else piece):
                    if not hand(take, frame, len(frame)):
                        await watch.press(take, frame, len(frame))
                    if whole:
                        yield frame
                if not whole:
                    yield piece
                self.reader = asyncio.current_task()
            self.reader = None
            if rest := frames.rest():
                await watch.press(take, rest, len(rest))
                if whole:
                    yield rest
            how = self._over()
        except GeneratorExit:
            raise
        except BaseException as error:
            how = self._failed(error)
            raise
        finally:
            self.reader = None
            await watch.end(self._translation.end, how)
            await pieces.aclose()


class _Response:
    """What a tapped sync response overrides; `iter_bytes` reads by `iter_raw`, and both close at their end."""

    streamledger_body: Body

    def iter_bytes(self, chunk_size: int | None = None) -> Generator[bytes, None, None]:
        body = self.streamledger_body
        return body.watched(super().iter_bytes(chunk_size), whole=body.whole)  # type: ignore[misc]

    def iter_raw(self, chunk_size: int | None = None) -> Generator[bytes, None, None]:
        body = self.streamledger_body
        raw: Generator[bytes, None, None] = super().iter_raw(chunk_size)  # type: ignore[misc]
        return raw if body.reader is not None else body.watched(raw, whole=False, raw=True)

    def close(self) -> None:
        body = self.streamledger_body
        reading, body.closed = body.reader, body.closed or body.reader not in (None, threading.get_ident())
        super().close()  # type: ignore[misc]
        if reading is None:
            body.left()


class _AsyncResponse:
    """What a tapped async response overrides."""

    streamledger_body: AsyncBody

    def aiter_bytes(self, chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        body = self.streamledger_body
        return body.watched(super().aiter_bytes(chunk_size), whole=body.whole)  # type: ignore[misc]

    def aiter_raw(self, chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        body = self.streamledger_body
        raw: AsyncGenerator[bytes, None] = super().aiter_raw(chunk_size)  # type: ignore[misc]
        return raw if body.reader is not None else body.watched(raw, whole=False, raw=True)

    async def aclose(self) -> None:
        body = self.streamledger_body
        reading, body.closed = body.reader, body.closed or body.reader not in (None, asyncio.current_task())
        await super().aclose()  # type: ignore[misc]
        if reading is None:
            await body.left()


@lru_cache(maxsize=16)
def _tapped(base: type, waits: bool) -> type:  # noqa: FBT001  a cache takes arguments by place
    """The subclass of a response's class, under the same name."""
    named = {"__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
    return type(base.__name__, (_AsyncResponse if waits else _Response, base), named)
