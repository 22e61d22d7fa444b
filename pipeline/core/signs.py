"""What one chunk tells about identity and end, by stream type (CONTRACT §1 kinds, §4 rules 1 to 3).

Looks at a payload once, on admission, and never at its content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from schemas.chunk import Chunk, StreamType

DATA, USAGE, ERROR, MARKER = range(4)
"""Kinds in the order in which ties of (attempt, chunk_index, image_index) fold."""

KINDS: Final = ("data", "usage", "error", "marker")

MAX_TRACKED: Final = 256
"""Choices and images tracked for closing; above the n of any provider, and a forged index stays cheap (G5)."""


class Signs(NamedTuple):
    """What a chunk says.

    Attributes:
        kind: DATA, USAGE, ERROR or MARKER.
        seen: bit mask of the choices or images the chunk speaks of.
        done: bit mask of those that it ends.
        terminal: it is the terminal event of its stream type.
        error: it carries an error, in band or out of band.
    """

    kind: int
    seen: int = 0
    done: int = 0
    terminal: bool = False
    error: bool = False


PLAIN: Final = Signs(DATA, seen=1)
"""A chunk of choice 0 that ends nothing: nearly all chunks."""

_NOTHING: Final = Signs(DATA)
_LAST: Final = Signs(DATA, seen=1, done=1)
_USAGE: Final = Signs(USAGE)
_MARKER: Final = Signs(MARKER)
_ERROR: Final = Signs(ERROR, error=True)
_TERMINAL: Final = Signs(DATA, terminal=True)
_TERMINAL_USAGE: Final = Signs(USAGE, terminal=True)

_ERROR_EVENT: Final = "error"
RESPONSES_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.cancelled"})
RESPONSES_ERRORS: Final = frozenset({"response.failed", _ERROR_EVENT})
IMAGE_ENDS: Final = frozenset({"image_generation.completed", "image_edit.completed"})


def chat_signs(chunk: Any) -> Signs:
    """Chat and text completion."""
    response = chunk.response
    if chunk.error is not None:
        return _ERROR
    if response is None:
        return _MARKER
    choices = response.choices
    if response.error or (response.x_groq is not None and response.x_groq.get("error")):
        return _ERROR
    if not choices:
        bare = response.usage is None and not (response.x_groq or {}).get("usage")
        return _NOTHING if bare else _USAGE
    if len(choices) == 1:
        choice = choices[0]
        if not choice.index:
            return _LAST if choice.finish_reason else PLAIN
    seen = done = 0
    for choice in choices:
        bit = _bit(choice.index or 0)
        seen |= bit
        if choice.finish_reason:
            done |= bit
    return Signs(DATA, seen, done)


def _bit(index: int) -> int:
    return 1 << index if 0 <= index < MAX_TRACKED else 0


def _speech_signs(chunk: Any) -> Signs:
    response = chunk.response
    if chunk.error is not None or (response is not None and (response.error or response.type == _ERROR_EVENT)):
        return _ERROR
    if response is None:
        return _MARKER
    bare = not response.audio and response.usage is not None
    if response.type == "speech.audio.done":
        return _TERMINAL_USAGE if bare else _TERMINAL
    return _USAGE if bare else _NOTHING


def _transcription_signs(chunk: Any) -> Signs:
    response = chunk.response
    if chunk.error is not None or (response is not None and (response.error or response.type == _ERROR_EVENT)):
        return _ERROR
    if response is None:
        return _MARKER
    bare = not response.delta and not response.text and response.usage is not None
    if response.type == "transcript.text.done":
        return _TERMINAL_USAGE if bare else _TERMINAL
    return _USAGE if bare else _NOTHING


def _image_signs(chunk: Any) -> Signs:
    response = chunk.response
    if chunk.error is not None or (response is not None and (response.error or response.type == _ERROR_EVENT)):
        return _ERROR
    if response is None:
        return _MARKER
    bit, ends = _bit(chunk.image_index or 0), response.type in IMAGE_ENDS
    if response.usage is None or response.b64_json or response.url:
        return Signs(DATA, bit, bit if ends else 0)
    if chunk.image_index is None and not ends:
        return _USAGE  # of the whole stream
    return Signs(USAGE, bit, bit if ends else 0)


def _responses_signs(chunk: Any) -> Signs:
    event = chunk.response
    if chunk.error is not None:
        return _ERROR
    if event is None:
        return _MARKER
    if event.type in RESPONSES_ERRORS or event.error:
        return _ERROR
    bare = (
        event.response is not None
        and event.response.get("usage") is not None
        and event.delta is None
        and event.item is None
        and event.part is None
    )
    if event.type in RESPONSES_ENDS:
        return _TERMINAL_USAGE if bare else _TERMINAL
    return _USAGE if bare else _NOTHING


SIGNS: Final[dict[str, Callable[[Chunk], Signs]]] = {
    StreamType.CHAT: chat_signs,
    StreamType.TEXT: chat_signs,
    StreamType.AUDIO: _speech_signs,
    StreamType.TRANSCRIPTION: _transcription_signs,
    StreamType.IMAGE: _image_signs,
    StreamType.RESPONSES: _responses_signs,
}
"""Reader of signs by stream type."""
