"""openai-images: the events of image generation and image edit → WIRE §9 plus the image's index, which the wire lacks.

Owns which image an event belongs to. Imports this room only.
"""

from __future__ import annotations

from typing import Final

from pipeline.ingest.error import bifrost_error, is_error
from pipeline.ingest.format import Part, Stream
from pipeline.ingest.leaf import Payload, count, text

_KINDS: Final = ("image_generation.", "image_edit.")


class ImageStream(Stream):
    """A stream of *.partial_image and *.completed events.

    An event that names no image belongs to the lowest one that is not completed: OpenAI sends image after image.
    """

    def __init__(self) -> None:
        """Begin at image 0."""
        super().__init__()
        self._seen: set[int] = set()
        self._completed: set[int] = set()
        self._next = 0

    def feed(self, name: str | None, payload: Payload) -> list[Part]:
        """Translate one event; what is neither of an image nor an error (keep-alives) gives nothing."""
        if is_error(name, payload):
            self.ended = True
            return [Part(error=bifrost_error(payload), failed=True, image_index=self._next)]
        kind = text(payload.get("type")) or name or ""
        if not kind.startswith(_KINDS):
            return []
        payload["type"] = kind
        self.name_model(payload.get("model"))
        image = self._image(payload)
        self._seen.add(image)
        if kind.endswith(".completed"):
            self._completed.add(image)
            while self._next in self._completed:
                self._next += 1
        self.ended = self._seen == self._completed
        return [Part(response=payload, image_index=image)]

    def _image(self, payload: Payload) -> int:
        named = (count(payload.get(key)) for key in ("image_index", "index", "output_index"))
        return next((index for index in named if index is not None), self._next)
