"""How the streams of chaos look: short, with every delta another one, and now and then a large chunk.

The streams themselves are those of the load generator, which knows what each adds to its result from its making and
never folds. Imports `pipeline.ops.load` and the standard library only.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from pipeline.ops.load.answer import responses
from pipeline.ops.load.audio import speech, transcription
from pipeline.ops.load.chat import chat, text
from pipeline.ops.load.distribution import LogNormal
from pipeline.ops.load.manner import PACES, Manner, Model
from pipeline.ops.load.picture import image
from pipeline.ops.load.piece import Json, Made

WORDS: Final = ("tide ", "Möwe ", "harbour ", "潮 ", "lamp\n", "\u00e9toile ", "\U0001f6a2 ", "wind ", "", "knot ")
HARBOUR: Final = (Model("harbour", "m-1"),)
"""No price list knows it."""

SHORT: Final = Manner(
    words=[f"{word}{number} " for word in WORDS for number in range(1_000)],
    models={
        "chat.completion": HARBOUR,
        "text.completion": HARBOUR,
        "responses": HARBOUR,
        "audio.speech": HARBOUR,
        "audio.transcription": HARBOUR,
        "image.generation": HARBOUR,
    },
    paces=PACES,
    prompt=LogNormal(400, 1.2, 1, 4_000),
    deltas=LogNormal(9, 0.6, 3, 18),
    thoughts=LogNormal(1, 0, 1, 1),
    fragments=LogNormal(6, 0.3, 4, 10),
    sounds=LogNormal(6, 0.5, 3, 12),
    sound=LogNormal(900, 1.0, 50, 4_000),
    previews=(2, 2),
    preview=LogNormal(700, 0.8, 100, 3_000),
    picture=LogNormal(8_000, 1.2, 500, 60_000),
    tools=0.25,
    calls=(2, 2),
    cached=0.0,
    stated=0.0,
    large=(0.006, 150_000, 600_000),
    repeats=False,  # else a closing event would hide that a delta is missing
)

MAKERS: Final[Sequence[tuple[float, Callable[[random.Random, Manner], Made]]]] = (
    (0.40, chat),
    (0.15, text),
    (0.10, speech),
    (0.10, image),
    (0.10, transcription),
    (0.15, responses),
)
"""Share of each kind of stream."""


@dataclass(frozen=True)
class Request:
    """A request as it is sent.

    Attributes:
        request_id: Its id, and the key of its chunks.
        chunks: Values in the order in which they were made.
        expected: View of the record.
        groups: Numbers of the chunks that may be shuffled among themselves; one group after the other.
    """

    request_id: str
    chunks: Sequence[bytes]
    expected: Json
    groups: Sequence[Sequence[int]]


def digest(content: str | bytes) -> str:
    """SHA-256 of text or bytes, first 16 hex digits."""
    return sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]
