"""What becomes of a stream: it ends, is cut off, loses a chunk, fails, or succeeds at the second attempt.

Imports its siblings and the standard library.
"""

from __future__ import annotations

import random
from typing import Final, Literal

from pipeline.ops.load.piece import Json, Made, Piece

Fate = Literal["ended", "abandoned", "gap", "failed", "fallback"]

ERROR: Final = {"type": "server_error", "message": "the provider went away"}
CANCELLED: Final = {"type": "request_cancelled", "message": "the client went away"}
LOSABLE: Final = ("text", "reasoning", "audio", "transcript", "item0")
"""Slots of which one piece more or less changes the content alone."""
EARLY: Final = 2
"""Never lost: the first chunks say who pays and when it began."""


def fated(draw: random.Random, made: Made, fate: Fate) -> tuple[list[Piece], int | None]:
    """The pieces that are made under a fate, and the number of the one that gets lost.

    A stream that is abandoned has no end, one that failed an error that is final; `fallback` puts a failed attempt
    before the stream. A stream too short to lose a piece of its content just ends.
    """
    pieces = made.pieces
    if fate in ("abandoned", "failed"):
        cut = pieces[: draw.randint(min(2, made.before_end), made.before_end)]
        failure = Piece({"error": error(ERROR)}, image=cut[-1].image, last=True)
        return ([*cut, failure] if fate == "failed" else cut), None
    pieces[-1].last = True
    if fate == "fallback":
        first = [Piece(piece.body, attempt=0) for piece in pieces[: min(draw.randint(2, 3), made.before_end)]]
        first.append(Piece({"error": error(ERROR)}, attempt=0))
        for piece in pieces:
            piece.attempt = 1
        return [*first, *pieces], None
    chosen = losable(pieces)
    return pieces, draw.choice(chosen) if fate == "gap" and chosen else None


def losable(pieces: list[Piece]) -> list[int]:
    """Numbers of pieces without which a stream still has its beginning, its usage and its end."""
    said = [number for number, piece in enumerate(pieces) if piece.adds is not None and piece.adds[0] in LOSABLE]
    return [number for number in said if number > EARLY and not pieces[number].last]


def error(told: Json) -> Json:
    """A gateway's error."""
    return {"is_bifrost_error": False, "status_code": 503, "type": told["type"], "error": dict(told)}
