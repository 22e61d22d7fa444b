"""The folds: chunks of one attempt in fold order -> Output, one module per stream type.

FOLDS, CONTENT and STRIP are looked up by the value of StreamType.  A fold is pure and deterministic, changes no chunk,
raises on no accepted chunk, is linear in the bytes, and does not fold the response of a chunk whose `error` is set.
Imports pipeline.core and the contract only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from pipeline.core.output import Output
from pipeline.core.streams.capture import STRIP
from pipeline.core.streams.chat import fold_chat, fold_text, has_chat_content, has_text_content
from pipeline.core.streams.image import fold_image, has_image_content
from pipeline.core.streams.moments import see
from pipeline.core.streams.responses import fold_responses, has_responses_content
from pipeline.core.streams.speech import fold_speech, has_speech_content
from pipeline.core.streams.transcription import fold_transcription, has_transcription_content
from pipeline.core.text import mend, mend_json
from schemas.chunk import StreamType

__all__ = ["CONTENT", "FOLDS", "STRIP", "reveal"]

Fold = Callable[[Sequence[Any]], Output]

_JSON_FIELDS: Final = (
    *("output_message", "output_messages", "tool_calls", "transcription_output", "image_generation_output"),
    *("choices", "logprobs", "audio_output", "error"),
)


def _mending(fold: Fold) -> Fold:
    """A fold whose texts are whole: only chunks that kept their original bytes can hold half a character (S-CHAT-9)."""

    def folded(chunks: Sequence[Any]) -> Output:
        output = fold(chunks)
        if [chunk for chunk in chunks if chunk.original is not None]:  # a list is built faster than a generator runs
            for name in _JSON_FIELDS:
                setattr(output, name, mend_json(getattr(output, name)))
            if output.finish_reason is not None:
                output.finish_reason = mend(output.finish_reason)
        return output

    return folded


FOLDS: Final[dict[str, Fold]] = {
    StreamType.TEXT: _mending(fold_text),
    StreamType.CHAT: _mending(fold_chat),
    StreamType.AUDIO: _mending(fold_speech),
    StreamType.IMAGE: _mending(fold_image),
    StreamType.TRANSCRIPTION: _mending(fold_transcription),
    StreamType.RESPONSES: _mending(fold_responses),
}
"""The fold of each stream type."""

CONTENT: Final[dict[str, Callable[[Any], bool]]] = {
    StreamType.TEXT: has_text_content,
    StreamType.CHAT: has_chat_content,
    StreamType.AUDIO: has_speech_content,
    StreamType.IMAGE: has_image_content,
    StreamType.TRANSCRIPTION: has_transcription_content,
    StreamType.RESPONSES: has_responses_content,
}
"""Whether a payload carries content, by stream type: what ends time_to_first_content."""


def reveal(output: Output, chunks: Sequence[Any], stream_type: str) -> None:
    """Bring the content times of an output up to what the fold would say of whole chunks; see `moments`."""
    see(output, chunks, stream_type, CONTENT[stream_type])
