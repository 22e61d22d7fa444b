"""The provider formats by name: the values of `chunks --provider` (CONTRACT §6).

Owns the registry; a new format is one module and one line here. Imports this room and the stream types of `schemas`.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from pipeline.errors import UsageError
from pipeline.ingest.anthropic_messages import MessageStream
from pipeline.ingest.format import Format
from pipeline.ingest.gemini import GeminiStream
from pipeline.ingest.openai_chat import ChatStream
from pipeline.ingest.openai_completions import CompletionStream
from pipeline.ingest.openai_images import ImageStream
from pipeline.ingest.openai_responses import ResponsesStream
from pipeline.ingest.openai_speech import SpeechStream
from pipeline.ingest.openai_transcription import TranscriptionStream
from schemas.chunk import StreamType

PROVIDERS: Final[Mapping[str, Format]] = {
    "openai-chat": Format("openai", StreamType.CHAT, ChatStream),
    "openai-completions": Format("openai", StreamType.TEXT, CompletionStream),
    "openai-responses": Format("openai", StreamType.RESPONSES, ResponsesStream),
    "openai-speech": Format("openai", StreamType.AUDIO, SpeechStream),
    "openai-transcription": Format("openai", StreamType.TRANSCRIPTION, TranscriptionStream),
    "openai-images": Format("openai", StreamType.IMAGE, ImageStream),
    "anthropic-messages": Format("anthropic", StreamType.CHAT, MessageStream),
    "gemini": Format("gemini", StreamType.CHAT, GeminiStream),
}


def provider_format(name: str) -> Format:
    """The format of that name.

    Raises:
        UsageError: there is none; the hint has the nearest name, or all of them.
    """
    if name in PROVIDERS:
        return PROVIDERS[name]
    near = get_close_matches(name, PROVIDERS, n=1)
    raise UsageError(
        f"there is no provider format {name!r}",
        hint=f"did you mean {near[0]}?" if near else "one of " + ", ".join(PROVIDERS),
    )
