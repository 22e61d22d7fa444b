"""A stream in the making: its pieces, and what its end says.

A piece knows what it adds to the result, so what is expected follows from the pieces that are sent: a stream may be cut
off or lose one. Imports the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.ops.load.manner import Kind, Model

Json = dict[str, Any]


class Counts(NamedTuple):
    """Tokens under the names of the record: input with what was read from a cache, output with reasoning."""

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0

    @property
    def total(self) -> int:
        """Of both sides."""
        return self.prompt + self.completion


@dataclass
class Piece:
    """One chunk to be.

    Attributes:
        body: Fields of the envelope: response or error, perhaps more.
        adds: What it contributes: slot of the result and content; text and bytes are joined, an image is replaced.
        image: Image it belongs to.
        attempt: Attempt it belongs to; None leaves the field out.
        last: Whether it carries is_final.
        counts: Tokens that it states.
    """

    body: Json
    adds: tuple[str, Any] | None = None
    image: int | None = None
    attempt: int | None = None
    last: bool = False
    counts: Counts | None = None


@dataclass
class Made:
    """A stream.

    Attributes:
        kind: Stream type.
        model: Who answers.
        pieces: All of its chunks.
        finish: finish_reason of its end.
        counts: Usage of its end.
        tools: Id and name of its calls.
        request: What was sent upstream.
    """

    kind: Kind
    model: Model
    pieces: list[Piece]
    counts: Counts
    finish: str | None = None
    tools: list[tuple[str, str]] = field(default_factory=list)
    request: Json | None = None

    @property
    def before_end(self) -> int:
        """So many pieces come at most of a stream that does not end: of images only previews of the first."""
        if self.kind == "image.generation":
            return next(number for number, piece in enumerate(self.pieces) if _ends_picture(piece.body))
        return len(self.pieces) - (2 if self.kind == "chat.completion" else 1)


def _ends_picture(body: Mapping[str, Any]) -> bool:
    return bool(body["response"]["type"] == "image_generation.completed")
