"""How streams look: lengths, times, words and models, all of them stated here.

The figures are chosen, not measured: the order of magnitude that users of hosted models see in 2026. Imports the
standard library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from pipeline.ops.load.distribution import LogNormal

Kind = Literal[
    "chat.completion", "text.completion", "responses", "audio.speech", "audio.transcription", "image.generation"
]


class Model(NamedTuple):
    """Who answers.

    Attributes:
        provider: As gateways write it.
        name: As price lists know it.
        thinks: Whether it reasons first: in deltas that are shown, or hidden and only counted.
        rates: USD for a million tokens in and out that the gateway charges where it states a cost.
    """

    provider: str
    name: str
    thinks: Literal["", "shown", "hidden"] = ""
    rates: tuple[float, float] = (2.5, 10.0)


class Pace(NamedTuple):
    """Milliseconds until the first chunk, and between two."""

    first: LogNormal
    between: LogNormal


@dataclass(frozen=True)
class Manner:
    """A manner of streams.

    Attributes:
        words: What deltas of text are drawn from.
        models: Who answers, by kind of stream.
        paces: By kind of stream; `thinking` before a model that reasons.
        prompt: Input tokens.
        deltas: Of text; about a token each.
        thoughts: Reasoning, in tokens.
        fragments: Of the arguments of a tool call.
        sounds, sound: How many deltas of speech, and the bytes of one.
        previews, preview, picture: How many partial images of an image, bytes of one and of the image.
        tools: Share of chat answers and responses that call tools.
        calls: Fewest and most of them at once.
        cached: Share of prompts of which a part is read from a cache.
        stated: Share of requests whose cost the gateway states.
        large: Share of texts with one large delta, and its fewest and most bytes.
        repeats: Whether closing events repeat what was streamed, as the Responses API does.
    """

    words: Sequence[str]
    models: Mapping[Kind, Sequence[Model]]
    paces: Mapping[str, Pace]
    prompt: LogNormal
    deltas: LogNormal
    thoughts: LogNormal
    fragments: LogNormal
    sounds: LogNormal
    sound: LogNormal
    previews: tuple[int, int]
    preview: LogNormal
    picture: LogNormal
    tools: float
    calls: tuple[int, int]
    cached: float
    stated: float
    large: tuple[float, int, int] = (0.0, 0, 0)
    repeats: bool = True


WORDS: Final = (
    *(" the", " of", " and", " to", " a", " in", " is", " that", " for", " it", " as", " with", " on", " be", " are"),
    *(" each", " stream", " request", " token", " order", " customer", " which", " first", " result", " value", ","),
    *(".", " you", " can", " this", " if", " then", "ing", "s", "ed", " not", " but", " data", " time", " number"),
    *("\n", "\n\n", " **", "**", " `", "`", ":", " 1", "2", " –", " für", " über", " naïve", "é", "。", "的", " 🙂"),
)
"""Deltas of about a token, as tokenizers cut them."""

PACES: Final[Mapping[str, Pace]] = {
    "chat.completion": Pace(LogNormal(420, 0.5, 80, 15_000), LogNormal(16, 0.7, 1, 2_000)),
    "thinking": Pace(LogNormal(1_400, 0.7, 200, 60_000), LogNormal(16, 0.7, 1, 2_000)),
    "text.completion": Pace(LogNormal(300, 0.5, 60, 10_000), LogNormal(14, 0.7, 1, 2_000)),
    "responses": Pace(LogNormal(480, 0.5, 90, 15_000), LogNormal(16, 0.7, 1, 2_000)),
    "audio.speech": Pace(LogNormal(380, 0.4, 100, 8_000), LogNormal(110, 0.5, 5, 2_000)),
    "audio.transcription": Pace(LogNormal(700, 0.5, 150, 15_000), LogNormal(45, 0.7, 1, 3_000)),
    "image.generation": Pace(LogNormal(4_500, 0.4, 1_000, 60_000), LogNormal(3_500, 0.4, 500, 40_000)),
}

CHAT_MODELS: Final = (
    Model("openai", "gpt-4o", rates=(2.5, 10.0)),
    Model("openai", "gpt-4.1-mini", rates=(0.4, 1.6)),
    Model("openai", "gpt-5-mini", "hidden", (0.25, 2.0)),
    Model("anthropic", "claude-sonnet-4-5", "shown", (3.0, 15.0)),
    Model("anthropic", "claude-haiku-4-5", rates=(1.0, 5.0)),
    Model("groq", "llama-3.3-70b-versatile", rates=(0.59, 0.79)),
    Model("deepseek", "deepseek-reasoner", "shown", (0.28, 0.42)),
    Model("vertex", "gemini-2.5-flash", "hidden", (0.3, 2.5)),
)
MODELS: Final[Mapping[Kind, Sequence[Model]]] = {
    "chat.completion": CHAT_MODELS,
    "text.completion": (Model("openai", "gpt-3.5-turbo-instruct", rates=(1.5, 2.0)),),
    "responses": (Model("openai", "gpt-5", "hidden", (1.25, 10.0)), Model("openai", "gpt-4.1", rates=(2.0, 8.0))),
    "audio.speech": (Model("openai", "gpt-4o-mini-tts", rates=(0.6, 12.0)),),
    "audio.transcription": (Model("openai", "gpt-4o-transcribe", rates=(2.5, 10.0)),),
    "image.generation": (Model("openai", "gpt-image-1", rates=(5.0, 40.0)),),
}

REAL: Final = Manner(
    words=WORDS,
    models=MODELS,
    paces=PACES,
    prompt=LogNormal(900, 1.2, 8, 120_000),
    deltas=LogNormal(120, 0.9, 4, 1_500),
    thoughts=LogNormal(180, 0.9, 8, 2_000),
    fragments=LogNormal(14, 0.6, 2, 200),
    sounds=LogNormal(30, 0.7, 2, 400),
    sound=LogNormal(5_000, 0.3, 600, 16_000),
    previews=(1, 3),
    preview=LogNormal(40_000, 0.4, 8_000, 90_000),
    picture=LogNormal(90_000, 0.4, 20_000, 160_000),
    tools=0.15,
    calls=(1, 2),
    cached=0.4,
    stated=0.5,
)
"""Users that chat."""
