"""Reasoning details of one choice, merged by index (S-CHAT-6).

Imports pipeline.core.output and the payload models only.
"""

from __future__ import annotations

from typing import Final

from pipeline.core.output import Json
from schemas.payload import ReasoningDetail

_TEXT: Final = "reasoning.text"


class _Thought:
    """One detail: fields that are replaced, and texts that grow."""

    __slots__ = ("data", "format", "id", "signature", "summary", "text", "type")

    def __init__(self) -> None:
        self.id: str | None = None
        self.type: str | None = None
        self.signature: str | None = None
        self.format: str | None = None
        self.text: list[str] = []
        self.summary: list[str] = []
        self.data: list[str] = []

    def render(self, index: int) -> Json:
        fields = {
            "id": self.id,
            "index": index,
            "type": self.type,
            "summary": "".join(self.summary) or None,
            "text": "".join(self.text) or None,
            "signature": self.signature,
            "data": "".join(self.data) or None,
            "format": self.format,
        }
        return {name: value for name, value in fields.items() if value is not None}


class Thoughts:
    """The reasoning details of one choice."""

    def __init__(self) -> None:
        """Start with none."""
        self._thoughts: dict[int, _Thought] = {}
        self._last: dict[str | None, _Thought] = {}
        self._next = 0

    def say(self, text: str) -> None:
        """Add reasoning that came without details: text of detail 0."""
        thought = self._at(0)
        if thought.type is None:
            thought.type = _TEXT
        self._last[thought.type] = self._last[None] = thought
        thought.text.append(text)

    def add(self, detail: ReasoningDetail) -> bool:
        """Merge a detail; whether it carried something to read (encrypted data and signatures are none).

        A detail without index goes to the last one of its type (without type: to the last one), else it is a new one.
        """
        thought = self._last.get(detail.type) if detail.index is None else self._at(detail.index)
        if thought is None:
            thought = self._at(self._next)
        self._last[detail.type] = self._last[None] = thought
        if detail.type:
            thought.type = detail.type
        if detail.id:
            thought.id = detail.id
        if detail.signature:
            thought.signature = detail.signature
        if detail.format:
            thought.format = detail.format
        if detail.text:
            thought.text.append(detail.text)
        if detail.summary:
            thought.summary.append(detail.summary)
        if detail.data:
            thought.data.append(detail.data)
        return bool(detail.text or detail.summary)

    def render(self) -> list[Json]:
        """The details sorted by index."""
        return [self._thoughts[index].render(index) for index in sorted(self._thoughts)]

    def _at(self, index: int) -> _Thought:
        thought = self._thoughts.get(index)
        if thought is None:
            thought = self._thoughts[index] = _Thought()
            self._next = max(self._next, index + 1)
        return thought
