"""Stream types as a person calls them, in the order of tables. Imports the contract's stream types only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.chunk import StreamType

KINDS: Final[Mapping[str, str]] = {
    StreamType.TEXT: "text",
    StreamType.CHAT: "chat",
    StreamType.RESPONSES: "responses",
    StreamType.AUDIO: "speech",
    StreamType.TRANSCRIPTION: "transcription",
    StreamType.IMAGE: "images",
}
"""One word for each; templates and terminals are short of room."""
