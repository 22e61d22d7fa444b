"""What is stored of a chunk whose content may not be: past a limit of its request, or without capture (CONTRACT §4).

Usage, cost, finish, labels and times stay; the same is done to repeats of such a chunk before they are compared.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from pipeline.core.error import without_content
from pipeline.core.streams import STRIP
from pipeline.core.text import mend_json
from schemas.chunk import Chunk
from schemas.decode import STORED

_LEAVES: Final = (bytes, datetime)


def bare(chunk: Any, *, captured: bool) -> Chunk:
    """A chunk without its content.

    Args:
        chunk: as it was decoded; it stays as it is.
        captured: content is captured but this request is past a limit: the raw request stays, n of it is needed.

    Returns:
        A chunk that no longer needs the bytes it came as, which are content too: its texts are whole (S-CHAT-9), and
        its odd leaves were counted when it was admitted.
    """
    changes: dict[str, Any] = {}
    if chunk.response is not None:
        changes["response"] = STRIP[chunk.stream_type](chunk.response)
    if not captured:
        changes["raw_request"] = None
        changes["error"] = without_content(chunk.error)
        if chunk.response is not None:
            _silence(changes["response"])
    stripped: Chunk = msgspec.structs.replace(chunk, **changes)
    if chunk.original is None:
        return stripped
    fields = mend_json(msgspec.to_builtins(stripped, builtin_types=_LEAVES))
    whole: Chunk = msgspec.convert(fields, STORED, builtin_types=_LEAVES)
    return whole


def _silence(payload: Any) -> None:
    """Let the errors of a stripped payload, which is a copy, quote nothing."""
    payload.error = without_content(payload.error)
    inner = getattr(payload, "response", None)
    if inner is not None and "error" in inner:
        inner["error"] = without_content(inner["error"])
