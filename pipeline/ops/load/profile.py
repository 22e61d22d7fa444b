"""Which streams a load is mixed from, in stated shares.

Imports its siblings and the standard library.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from pipeline.ops.load.answer import responses
from pipeline.ops.load.audio import speech, transcription
from pipeline.ops.load.chat import chat, text
from pipeline.ops.load.distribution import LogNormal
from pipeline.ops.load.manner import REAL, Manner
from pipeline.ops.load.picture import image
from pipeline.ops.load.piece import Made

Maker = Callable[[random.Random, Manner], Made]
GOLDEN: Final = 0.6180339887498949


class Part(NamedTuple):
    """A share of the requests, and how they are made."""

    share: float
    make: Maker
    manner: Manner = REAL


@dataclass(frozen=True)
class Profile:
    """A mixture.

    Attributes:
        parts: Their shares add up to 1.
        retries: Share of requests that succeed at the second attempt.
    """

    parts: Sequence[Part]
    retries: float = 0.0

    def part(self, number: int) -> Part:
        """That of the request with a number: the shares hold for few requests already."""
        at = (number + 0.5) * GOLDEN % 1.0
        for part in self.parts:
            at -= part.share
            if at < 0:
                return part
        return self.parts[-1]


AGENTS: Final = replace(
    REAL,
    prompt=LogNormal(6_000, 1.0, 200, 180_000),
    deltas=LogNormal(40, 0.8, 2, 600),
    fragments=LogNormal(20, 0.7, 2, 400),
    tools=0.8,
    calls=(1, 4),
    cached=0.8,
)
"""Agents: long prompts of which much is cached, short texts, several tool calls at once."""

PROFILES: Final[Mapping[str, Profile]] = {
    "chat": Profile((Part(0.85, chat), Part(0.11, responses), Part(0.04, text)), retries=0.01),
    "agents": Profile((Part(0.65, chat, AGENTS), Part(0.35, responses, AGENTS)), retries=0.08),
    "audio": Profile((Part(0.5, speech), Part(0.5, transcription))),
    "images": Profile((Part(1.0, image),)),
    "mixed": Profile(
        (
            Part(0.50, chat),
            Part(0.14, chat, AGENTS),
            Part(0.14, responses),
            Part(0.08, transcription),
            Part(0.06, speech),
            Part(0.04, text),
            Part(0.04, image),
        ),
        retries=0.02,
    ),
}
"""What `--profile` takes."""
