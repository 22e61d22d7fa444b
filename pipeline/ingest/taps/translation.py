"""One tapped stream → what is to be done with its request, by the translation that `streamledger chunks` uses.

Owns the numbering of what could not be read, and what the end of a stream means (CONTRACT §2, WIRE §3). It calls
nothing of the request, it says what to call, so that sync and async taps are the same. Imports this room and the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum, auto
from functools import partial
from typing import Any, Final, cast

from pipeline.ingest.format import Format, Part
from pipeline.ingest.leaf import Payload
from pipeline.ingest.messages import Fault, Message
from pipeline.ingest.taps.frame import payloads
from pipeline.ingest.taps.handle import Handle, Pen
from pipeline.log import get_logger
from schemas.chunk import StreamType

_log: Final = get_logger(__name__)

Call = Callable[[], Any]
"""One method of the request with its arguments; what it returns has to be awaited if the request is async."""


class End(Enum):
    """How a stream was over, where no exception says it."""

    OVER = auto()
    """Nothing more came."""
    LEFT = auto()
    """The reader closed it, dropped it or was cancelled."""
    UNREAD = auto()
    """It was handed on in an encoding that only the reader knows."""


_TOLD_BY_A_MARKER: Final = frozenset({StreamType.TEXT, StreamType.CHAT, StreamType.RESPONSES})
"""Types of which a bare end without the provider's own makes an incomplete record; others have to be told so."""

GAP: Final = 2
"""Index behind a first chunk that is missing, as the publisher counts: a stream may count from 1."""

FAILED: Final = 400
"""HTTP statuses from here on are errors."""

_LEFT: Final = ("request_cancelled", "the reader left before the end of the stream")
_UNREAD: Final = ("stream_unreadable", "the stream was handed on in a content-encoding that the tap can't read")
_CUT: Final = ("stream_truncated", "the stream ended without its last event")


class Translation:
    """One stream on its way to its request."""

    def __init__(
        self, request: Handle | Pen, form: Format, *, owned: bool, named: bool = False, status: int = 200
    ) -> None:
        """Begin before the first event.

        Args:
            request: what writes the chunks.
            form: the provider's format.
            owned: it is a pen, whose request ends with the stream; otherwise its owner ends it, or begins its next
                attempt.
            named: the caller has said which model it is, whatever the stream says.
            status: HTTP status of the answer; an error's body may say more.
        """
        self.request, self._named, self._status = request, named, status
        self.ended = False
        self._type, self._stream, self._owned = form.stream_type, form.open(), owned
        self._done = self._failed = False
        self._image: int | None = 0 if form.stream_type is StreamType.IMAGE else None
        self._next: dict[int | None, int] = {}
        self._holes: set[int | None] = set()
        self._model: str | None = None
        if owned:
            cast("Pen", request).skip_by = self.missed

    def frame(self, frame: bytes) -> list[Call]:
        """What one frame asks for."""
        return self.messages(payloads(frame))

    def messages(self, items: Iterable[Message | Fault]) -> list[Call]:
        """What events ask for, in their order; nothing after the end."""
        calls: list[Call] = []
        for item in items:
            if self.ended:
                break
            if isinstance(item, Fault):
                self._skip(item.reason)
            elif item.payload is None:
                self._done = True
                calls += self.end(End.OVER)
            else:
                calls += self._parts(self._stream.feed, item.name, item.payload)
        return calls

    def event(self, payload: Payload) -> list[Call]:
        """What one event asks for, that comes as an object."""
        return [] if self.ended else self._parts(self._stream.feed, None, payload)

    def missed(self, count: int) -> list[Call]:
        """Leave the indexes of frames empty that found no room, as the pen does: the record shows a gap."""
        if self.ended:
            return []
        pen = cast("Pen", self.request)
        self._next[self._image] = max(self._next.get(self._image, 0) + count, GAP)
        return [partial(pen.skip, count)]

    def end(self, how: End | BaseException) -> list[Call]:
        """What the end asks for, once: an answer that was complete stays so, however the connection ended."""
        if self.ended:
            return []
        calls = self._parts(self._stream.rest)
        self.ended = True
        whole = self._done or self._failed or self._stream.ended
        error = None if whole else self._reason(how)
        if error is not None:
            calls.append(partial(self.request.error, error, final=self._owned))
        if self._owned:
            calls.append(self.request.close)
        return calls

    def _reason(self, how: End | BaseException) -> BaseException | Payload | None:
        if self._status >= FAILED:
            return {"status_code": self._status, **_error("http_error", f"HTTP status {self._status}")}
        if how is End.LEFT or (isinstance(how, BaseException) and not isinstance(how, Exception)):
            return _error(*_LEFT)
        if how is End.UNREAD:
            return _error(*_UNREAD)
        if isinstance(how, Exception):
            return how
        return None if self._type in _TOLD_BY_A_MARKER else _error(*_CUT)

    def _parts(self, translate: Callable[..., list[Part]], *event: Any) -> list[Call]:
        try:
            parts = translate(*event)
        except Exception as error:  # noqa: BLE001  a payload that nobody foresaw costs its chunk, never the stream
            self._skip(type(error).__name__)
            return []
        return [self._chunk(part) for part in parts]

    def _chunk(self, part: Part) -> Call:
        if part.failed:
            self._failed = True
        if part.error is not None:
            return partial(self.request.error, part.error, final=False)
        fields = self._fields(part)
        chunk = self.request.chunk
        return partial(chunk, part.response, **fields) if fields else partial(chunk, part.response)

    def _fields(self, part: Part) -> dict[str, Any]:
        """What the request does not know by itself: another image, another model, an index behind a hole."""
        fields: dict[str, Any] = {}
        if part.image_index not in (None, self._image):
            self._image = fields["image_index"] = part.image_index
        if self._stream.model != self._model and not self._named:
            self._model = fields["model"] = self._stream.model
        index = self._next.get(self._image, 0)
        self._next[self._image] = index + 1
        if self._image in self._holes:
            self._holes.discard(self._image)
            fields["chunk_index"] = index
        return fields

    def _skip(self, reason: str) -> None:
        """Leave the index of an event that can't be read empty: the record shows a gap."""
        _log.warning("event of a tapped stream not read", request_id=self.request.request_id, reason=reason)
        self._next[self._image] = self._next.get(self._image, 0) + 1
        self._holes.add(self._image)


def _error(kind: str, message: str) -> Payload:
    return {"is_bifrost_error": False, "error": {"type": kind, "message": message}}
