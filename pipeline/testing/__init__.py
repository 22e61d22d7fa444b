"""Testing helpers for those whose gateway or service feeds a ledger: chunks, folds, assertions, a broker, a worker.

Builders and fold need nothing but this distribution; `pipeline.testing.plugin` is the pytest plugin and the only module
that imports pytest. The names below are loaded when they are asked for, so that a plugin which pytest loads in every
test suite costs nothing there. Imports `ops`, `topics`, `settings` and everything below them; nothing imports it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pipeline.testing.choices import ChatStream, CompletionStream, chat, completion
    from pipeline.testing.events import ResponsesStream, responses
    from pipeline.testing.folding import Folded, appended, fold
    from pipeline.testing.ledger import Ledger
    from pipeline.testing.matching import RecordMatcher, assert_record
    from pipeline.testing.media import (
        ImagesStream,
        SpeechStream,
        TranscriptionStream,
        images,
        speech,
        transcription,
    )
    from pipeline.testing.records import Records
    from pipeline.testing.stream import Stream, interleave
    from pipeline.testing.waiting import eventually
    from pipeline.testing.worker import Worker

__all__ = [
    "ChatStream",
    "CompletionStream",
    "Folded",
    "ImagesStream",
    "Ledger",
    "RecordMatcher",
    "Records",
    "ResponsesStream",
    "SpeechStream",
    "Stream",
    "TranscriptionStream",
    "Worker",
    "appended",
    "assert_record",
    "chat",
    "completion",
    "eventually",
    "fold",
    "images",
    "interleave",
    "responses",
    "speech",
    "transcription",
]

_HOMES: Final = {
    "choices": ("ChatStream", "CompletionStream", "chat", "completion"),
    "events": ("ResponsesStream", "responses"),
    "folding": ("Folded", "appended", "fold"),
    "ledger": ("Ledger",),
    "matching": ("RecordMatcher", "assert_record"),
    "media": ("ImagesStream", "SpeechStream", "TranscriptionStream", "images", "speech", "transcription"),
    "records": ("Records",),
    "stream": ("Stream", "interleave"),
    "waiting": ("eventually",),
    "worker": ("Worker",),
}


def __getattr__(name: str) -> Any:
    """A public name from the module that defines it."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
