"""Content that comes in blocks instead of as one text: what each block is to a message (WIRE §5).

Mistral sends such lists, gateways the content parts of OpenAI.  Imports pipeline.core.output only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.core.output import Json

_NOTES: Final = frozenset({"reference", "tool_reference", "citation"})
"""Blocks that say where the text before them comes from."""


@dataclass(slots=True)
class Said:
    """What the blocks of one delta bring.

    Attributes:
        texts, thoughts: pieces of content and of reasoning; an empty one is a piece too.
        annotations: references, as they came.
        images: in the form of content parts.
        others: blocks of types that have no place of their own, as they came.
        odd: blocks that are none, and leaves in them of unexpected shape.
    """

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    annotations: list[Json] = field(default_factory=list)
    images: list[Json] = field(default_factory=list)
    others: list[Json] = field(default_factory=list)
    odd: int = 0


def read_blocks(blocks: Sequence[Any]) -> Said:
    """Sort blocks by what they are: {text} is said, {thinking} is thought; nothing of them is lost."""
    said = Said()
    for block in blocks:
        if not isinstance(block, dict):
            said.odd += 1
        elif isinstance(block.get("text"), str):
            said.texts.append(block["text"])
        elif block.get("thinking") is not None:
            _ponder(said, block["thinking"])
        else:
            _sort(said, block)
    return said


def _ponder(said: Said, thinking: object) -> None:
    """A thinking block holds a text or a list of text blocks."""
    for part in thinking if isinstance(thinking, list) else [{"text": thinking}]:
        text = part.get("text") if isinstance(part, dict) else None
        if isinstance(text, str):
            said.thoughts.append(text)
        else:
            said.odd += 1


def _sort(said: Said, block: Json) -> None:
    match block.get("type"):
        case "text" | "thinking":
            said.odd += 1  # without what they are for
        case "image_url":
            said.images.append(block)
        case str(name) if name in _NOTES:
            said.annotations.append(block)
        case str():
            said.others.append(block)
        case _:
            said.odd += 1
