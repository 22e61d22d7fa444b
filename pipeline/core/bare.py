"""What is stored of a chunk whose content may not be: past a limit of its request, or without capture (CONTRACT §4).

Usage, cost, finish, labels and times stay, and how many characters the content had, so that timing and estimates go on;
the same is done to repeats of such a chunk before they are compared.
"""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any, Final

import msgspec

from pipeline.core.error import without_content
from pipeline.core.streams import FOLDS, STRIP
from pipeline.core.streams.capture import DELTA
from pipeline.core.text import mend_json
from pipeline.core.texts import characters
from schemas.chunk import Chunk, StreamType
from schemas.decode import STORED, stripped

_LEAVES: Final = (bytes, datetime)
_OTHERS: Final = [name for name in DELTA if name != "content"]
_beside: Final = attrgetter(*_OTHERS)
_NOTHING: Final = (None,) * len(_OTHERS)


def bare(chunk: Any, *, captured: bool) -> Chunk:
    """A chunk without its content.

    The raw request goes too: what is needed of it, its n, was read when the chunk was admitted.

    Args:
        chunk: as it was decoded; it stays as it is.
        captured: content is captured but this request is past a limit: its errors may quote it.

    Returns:
        A chunk that no longer needs the bytes it came as, which are content too: its texts are whole (S-CHAT-9), and
        its odd leaves were counted when it was admitted.  `said` tells how many characters it had; None: no content.
    """
    if chunk.response is None:
        without: Any = stripped(chunk, None, None)
    else:
        without = stripped(chunk, STRIP[chunk.stream_type](chunk.response), _said(chunk))
    if not captured:
        without.error = without_content(chunk.error)
        if without.response is not None:
            _silence(without.response)
    if chunk.original is None:
        return without  # type: ignore[no-any-return]
    fields = mend_json(msgspec.to_builtins(without, builtin_types=_LEAVES))
    whole: Chunk = msgspec.convert(fields, STORED, builtin_types=_LEAVES)
    return whole


def _said(chunk: Any) -> int | None:
    """How many characters a chunk has by its fold; a plain delta of one choice, the common case, needs none."""
    choices = chunk.response.choices if chunk.stream_type == StreamType.CHAT and chunk.error is None else None
    if choices is not None and len(choices) == 1 and chunk.original is None:
        delta = choices[0].delta
        if delta is None or (isinstance(delta.content, str | None) and _beside(delta) == _NOTHING):
            return len(delta.content) if delta is not None and delta.content else None
    output = FOLDS[chunk.stream_type]([chunk])
    return characters(output) if output.content_times else None


def cuts(whole: Any, without: Any) -> bool:
    """Whether content was lost: the two payloads differ, or there was a raw request; usage alone loses nothing."""
    if whole.raw_request is not None or without.said is not None:
        return True
    return bool(whole.response != without.response)


def _silence(payload: Any) -> None:
    """Let the errors of a stripped payload, which is a copy, quote nothing."""
    payload.error = without_content(payload.error)
    for name in ("response", "x_groq"):
        inner = getattr(payload, name, None)
        if inner is not None and "error" in inner:
            inner["error"] = without_content(inner["error"])
