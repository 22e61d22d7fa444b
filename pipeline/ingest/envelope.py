"""The envelope of a chunk (CONTRACT §1), put around the parts of one recorded stream.

Owns numbering and times. Imports this room and the version and stream types of `schemas`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pipeline.errors import UsageError
from pipeline.ingest.format import Part
from pipeline.ingest.leaf import Payload, contain
from schemas.chunk import SCHEMA_VERSION, StreamType


class Origin(NamedTuple):
    """Whose stream it is.

    Attributes:
        request_id, stream_type, provider: of every chunk.
        model: of every chunk, in place of what the stream names.
    """

    request_id: str
    stream_type: StreamType
    provider: str
    model: str | None


class Envelope:
    """Where the numbering and the time of one request are."""

    def __init__(self, origin: Origin, start: datetime, interval: timedelta) -> None:
        """Begin before the first chunk."""
        self._origin = origin
        self._start = start
        self._now = start
        self._interval = interval
        self._image: int | None = 0 if origin.stream_type is StreamType.IMAGE else None
        self._next: dict[int | None, int] = {}
        self._next_error: dict[int | None, int] = {}

    def around(self, part: Part, model: str | None) -> dict[str, Any]:
        """The next chunk; those of images are numbered image by image (CONTRACT §4)."""
        if part.image_index is not None:
            self._image = part.image_index
        index = self._error_index() if part.failed else self.skip()
        chunk = {
            "schema_version": SCHEMA_VERSION,
            "request_id": self._origin.request_id,
            "stream_type": self._origin.stream_type.value,
            "chunk_index": index,
            "timestamp": _rfc3339(self._now),
            "start_timestamp": _rfc3339(self._start),
            "provider": self._origin.provider,
            "model": self._origin.model or model,
            "is_final": False,
            "response": None if part.response is None else contain(part.response),
            "error": None if part.error is None else self._signed(contain(part.error)),
        }
        return chunk if self._image is None else {**chunk, "image_index": self._image}

    def skip(self) -> int:
        """Use up one interval and one index; the index."""
        self._tick()
        index = self._next.get(self._image, 0)
        self._next[self._image] = index + 1
        return index

    def _tick(self) -> None:
        try:
            self._now += self._interval
        except OverflowError:
            hint = "begin earlier, or put less time between two chunks"
            raise UsageError("the stream goes on past the year 9999", hint=hint) from None

    def _signed(self, error: Payload) -> Payload:
        """An error says whose it is (WIRE §3)."""
        return {**error, "extra_fields": {"provider": self._origin.provider}}

    def _error_index(self) -> int:
        """An index above all before it; what follows may have it too, since an error fills no place (CONTRACT §4)."""
        self._tick()
        index = max(self._next.get(self._image, 0), self._next_error.get(self._image, 0))
        self._next_error[self._image] = index + 1
        return index


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
