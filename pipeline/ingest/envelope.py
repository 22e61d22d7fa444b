"""The envelope of a chunk (CONTRACT §1), put around the parts of one recorded stream.

Owns numbering and times. Imports this room and the version and stream types of `schemas`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pipeline.ingest.format import Format, Part
from pipeline.ingest.leaf import contain
from schemas.chunk import SCHEMA_VERSION, StreamType


class Envelope:
    """Where the numbering and the time of one request are."""

    def __init__(self, form: Format, request_id: str, model: str | None, start: datetime, interval: timedelta) -> None:
        """Begin before the first chunk; `model` wins over what the stream names."""
        self._form = form
        self._request_id = request_id
        self._model = model
        self._start = start
        self._now = start
        self._interval = interval
        self._image: int | None = 0 if form.stream_type is StreamType.IMAGE else None
        self._next: dict[int | None, int] = {}
        self._next_error: dict[int | None, int] = {}

    def around(self, part: Part, model: str | None) -> dict[str, Any]:
        """The next chunk; those of images are numbered image by image (CONTRACT §4)."""
        if part.image_index is not None:
            self._image = part.image_index
        index = self._error_index() if part.failed else self.skip()
        chunk = {
            "schema_version": SCHEMA_VERSION,
            "request_id": self._request_id,
            "stream_type": self._form.stream_type.value,
            "chunk_index": index,
            "timestamp": _rfc3339(self._now),
            "start_timestamp": _rfc3339(self._start),
            "provider": self._form.provider,
            "model": self._model or model,
            "is_final": False,
            "response": None if part.response is None else contain(part.response),
            "error": None if part.error is None else contain(part.error),
        }
        return chunk if self._image is None else {**chunk, "image_index": self._image}

    def skip(self) -> int:
        """Use up one interval and one index; the index."""
        self._now += self._interval
        index = self._next.get(self._image, 0)
        self._next[self._image] = index + 1
        return index

    def _error_index(self) -> int:
        """An index above all before it; what follows may have it too, since an error fills no place (CONTRACT §4)."""
        self._now += self._interval
        index = max(self._next.get(self._image, 0), self._next_error.get(self._image, 0))
        self._next_error[self._image] = index + 1
        return index


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
