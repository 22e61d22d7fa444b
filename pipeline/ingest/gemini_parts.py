"""Content parts of Gemini → deltas of a chat choice (WIRE §5).

Owns what each part is: text, thought, call, picture, sound, or an item of the provider's own (code that it ran, its
result, files), which is kept as it came. Imports this room only.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Any, Final

from pipeline.ingest.gemini_calls import Calls
from pipeline.ingest.leaf import Payload, mapping, text

_MARKS: Final = frozenset({"thought", "thoughtSignature"})
"""Fields of any part, which say nothing by themselves."""


class Parts:
    """The parts of one candidate, event by event."""

    def __init__(self) -> None:
        """Begin without content."""
        self.calls = Calls()
        self.said: list[str] = []
        """Texts of the answer so far, in which sources count their places."""
        self._signatures = 0

    def delta(self, parts: list[Payload], *, last: bool) -> Payload:
        """What the parts of one event add to the message; with the last one an open call is complete."""
        found = _Delta()
        for part in parts:
            self._sort(part, found)
        if last:
            found.calls += self.calls.close()
        self.said += found.texts
        return found.render()

    def _sort(self, part: Payload, found: _Delta) -> None:
        call, said, data = part.get("functionCall"), part.get("text"), mapping(part.get("inlineData"))
        signature = text(part.get("thoughtSignature"))
        if isinstance(call, dict):
            found.calls += self.calls.take(call, signature)
            return
        if not isinstance(said, str) or said:
            found.calls += self.calls.close()  # Vertex may leave out the empty part that ends a streamed call
        if isinstance(said, str):
            (found.thoughts if part.get("thought") is True else found.texts).append(said)
        elif (part.get("thought") is True or not found.media(data)) and part.keys() - _MARKS:
            found.items.append(part)
            return
        if signature is not None:
            self._signatures += 1
            found.signatures.append({"index": self._signatures, "type": "reasoning.encrypted", "data": signature})


class _Delta:
    """What one event brings, by its place in a delta."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.signatures: list[Payload] = []
        self.calls: list[Payload] = []
        self.images: list[Payload] = []
        self.items: list[Payload] = []
        self._sound: list[bytes] = []
        self._sound_type: str | None = None

    def media(self, data: Payload) -> bool:
        """Take a picture or sound; False if it is neither, or not what it says."""
        type_, content = text(data.get("mimeType")) or "", text(data.get("data"))
        if content is None:
            return False
        if type_.startswith("image/"):
            picture = {"url": f"data:{type_};base64,{content}"}
            self.images.append({"type": "image_url", "image_url": picture})
            return True
        if not type_.startswith("audio/"):
            return False
        try:
            self._sound.append(b64decode(content.encode("ascii"), validate=True))
        except (UnicodeEncodeError, binascii.Error):
            return False
        self._sound_type = type_
        return True

    def render(self) -> Payload:
        """The delta; thoughts are listed as details only where signatures are, for decoding makes details of them."""
        thought = "".join(self.thoughts)
        details = [{"index": 0, "type": "reasoning.text", "text": thought}] if thought and self.signatures else []
        sound = {"data": b64encode(b"".join(self._sound)).decode(), "mime_type": self._sound_type}
        fields: dict[str, Any] = {
            "content": "".join(self.texts),
            "reasoning": thought,
            "reasoning_details": [*details, *self.signatures],
            "tool_calls": self.calls,
            "images": self.images,
            "audio": sound if self._sound else None,
            "provider_items": self.items,
        }
        return {name: value for name, value in fields.items() if value}
