"""Speech in base64 parts, and transcripts in deltas.

Imports its siblings and the standard library.
"""

from __future__ import annotations

import base64
import random
from typing import Final

from pipeline.ops.load.chat import tokens, words
from pipeline.ops.load.manner import Manner
from pipeline.ops.load.piece import Counts, Json, Made, Piece

TOKENS_A_SOUND: Final = 4
"""Output tokens of one delta of speech."""


def speech(draw: random.Random, manner: Manner) -> Made:
    """Speech in deltas that are padded each by itself."""
    model = draw.choice(manner.models["audio.speech"])
    pieces = []
    for _ in range(manner.sounds.whole(draw)):
        sound = draw.randbytes(manner.sound.whole(draw))
        delta = {"type": "speech.audio.delta", "audio": base64.b64encode(sound).decode()}
        pieces.append(Piece({"response": delta}, ("audio", sound)))
    counts = tokens(draw, manner, model, TOKENS_A_SOUND * len(pieces))._replace(cached=0)
    end = {"type": "speech.audio.done", "usage": _usage(counts)}
    return Made("audio.speech", model, [*pieces, Piece({"response": end}, counts=counts)], counts)


def transcription(draw: random.Random, manner: Manner) -> Made:
    """A transcript whose closing event repeats it."""
    model = draw.choice(manner.models["audio.transcription"])
    parts = words(draw, manner)
    pieces = [
        Piece({"response": {"type": "transcript.text.delta", "delta": part, "text": ""}}, ("transcript", part))
        for part in parts
    ]
    counts = tokens(draw, manner, model, len(parts))._replace(cached=0)
    whole = "".join(parts)
    details = {"audio_tokens": counts.prompt, "text_tokens": 0}
    usage = {"type": "tokens", **_usage(counts), "input_token_details": details}
    end = {"type": "transcript.text.done", "text": whole, "usage": usage}
    pieces.append(Piece({"response": end}, ("whole transcript", whole), counts=counts))
    return Made("audio.transcription", model, pieces, counts)


def _usage(counts: Counts) -> Json:
    return {"input_tokens": counts.prompt, "output_tokens": counts.completion, "total_tokens": counts.total}
