"""What a provider format is: how one stream of it is translated, event by event.

Owns the interface between `recording` and the modules of the formats. Nothing here outlives a stream: a Stream object
remembers only what a later event of the same stream needs. Imports this room's leaves only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.ingest.leaf import Payload, text
from schemas.chunk import StreamType


class Part(NamedTuple):
    """What one chunk will carry.

    Attributes:
        response: Payload of WIRE §5-§10.
        error: BifrostError of WIRE §3.
        failed: The chunk is an error, in its response or beside it.
        image_index: Which image it belongs to; images only.
    """

    response: Payload | None = None
    error: Payload | None = None
    failed: bool = False
    image_index: int | None = None


class Stream(ABC):
    """Translation of one stream.

    Attributes:
        model: The model that answers, as soon as the provider has named it.
        ended: The provider has said, by an event of the stream, that the stream is at its end. [DONE] is not seen here.
    """

    def __init__(self) -> None:
        """Begin a stream of which nothing is known."""
        self.model: str | None = None
        self.ended = False

    @abstractmethod
    def feed(self, name: str | None, payload: Payload) -> list[Part]:
        """Translate one event.

        Args:
            name: Its `event:` name, if the recording has names.
            payload: Its JSON object, which the stream may change and give out again.
        """

    def rest(self) -> list[Part]:
        """What is still held back when the recording is over, however it ended."""
        return []

    def name_model(self, value: object) -> None:
        """Take over a model's name; providers also send null and empty ones."""
        self.model = text(value) or self.model


@dataclass(frozen=True, slots=True)
class Format:
    """A provider format.

    Attributes:
        provider: Provider of the chunks, when nothing closer is known.
        stream_type: Stream type of the chunks.
        open: Begins the translation of one stream.
    """

    provider: str
    stream_type: StreamType
    open: Callable[[], Stream]
