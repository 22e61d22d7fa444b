"""One choice of a chat or text completion while it is put together (S-CHAT-1 to S-CHAT-12).

Imports pipeline.core and the payload models only.
"""

from __future__ import annotations

from base64 import b64encode

from pipeline.core.output import Json
from pipeline.core.streams.blocks import read_blocks
from pipeline.core.streams.calls import ToolCalls, merged
from pipeline.core.streams.thoughts import Thoughts
from schemas.payload import AudioDelta, ChatChoice, ChatDelta

_ROLE = "assistant"


class _Audio:
    """Spoken output: bytes are joined before they are encoded, because every fragment was padded by itself."""

    __slots__ = ("data", "expires_at", "id", "mime_type", "transcript")

    def __init__(self) -> None:
        self.id: str | None = None
        self.expires_at: int | None = None
        self.mime_type: str | None = None
        self.data: list[bytes] = []
        self.transcript: list[str] = []

    def add(self, delta: AudioDelta) -> bool:
        if delta.id:
            self.id = delta.id
        if delta.expires_at:
            self.expires_at = delta.expires_at
        if delta.mime_type:
            self.mime_type = delta.mime_type
        if delta.data:
            self.data.append(delta.data)
        if delta.transcript:
            self.transcript.append(delta.transcript)
        return bool(delta.data or delta.transcript)

    def render(self) -> Json:
        fields = {
            "id": self.id,
            "data": b64encode(b"".join(self.data)).decode() or None,
            "expires_at": self.expires_at,
            "transcript": "".join(self.transcript) or None,
            "mime_type": self.mime_type,
        }
        return {name: value for name, value in fields.items() if value is not None}


class Answer:
    """What the chunks said so far about one choice; the plain path of chat.fold_chat writes its fields directly."""

    __slots__ = (
        "annotations",
        "audio",
        "calls",
        "content",
        "extra_content",
        "finish_reason",
        "images",
        "index",
        "logprobs",
        "odd",
        "provider_items",
        "reasoning",
        "refusal",
        "role",
        "seen",
        "stop_details",
        "thoughts",
    )

    def __init__(self, index: int) -> None:
        """Start with nothing said."""
        self.index = index
        self.seen = False
        self.role = _ROLE
        self.content: list[str] = []
        self.refusal: list[str] = []
        self.reasoning: list[str] = []
        self.thoughts: Thoughts | None = None
        self.calls: ToolCalls | None = None
        self.audio: _Audio | None = None
        self.annotations: list[Json] = []
        self.images: list[Json] = []
        self.provider_items: list[Json] = []
        self.extra_content: Json | None = None
        self.stop_details: Json | None = None
        self.finish_reason: str | None = None
        self.logprobs: Json | None = None
        self.odd = 0

    def add(self, delta: ChatDelta) -> bool:
        """Fold a delta; whether it carried content (a role, an annotation or empty texts are none)."""
        if delta.role:
            self.role = delta.role
        found = False
        if delta.content:
            found = self._say(delta.content)
        if delta.refusal:
            self.refusal.append(delta.refusal)
            found = True
        reasoning = delta.reasoning or delta.reasoning_content
        if reasoning or delta.reasoning_details:
            found |= self._think(reasoning, delta)
        if delta.tool_calls:
            found |= self._call(delta)
        if delta.audio is not None:
            if self.audio is None:
                self.audio = _Audio()
            found |= self.audio.add(delta.audio)
        if delta.annotations:
            self.annotations += delta.annotations
        if delta.images:
            self.images += delta.images
            found = True
        if delta.provider_items:
            self.provider_items += delta.provider_items
        if delta.extra_content:
            self.extra_content = merged(self.extra_content, delta.extra_content)
        return found

    def finish(self, choice: ChatChoice) -> None:
        """Note why the choice ended, unchanged (S-FIN-1); the last word counts."""
        self.finish_reason = choice.finish_reason
        self.stop_details = choice.stop_details or self.stop_details

    def log(self, logprobs: Json) -> None:
        """Append the content and refusal lists of a chat chunk (S-CHAT-11)."""
        for name in ("content", "refusal"):
            entries = logprobs.get(name)
            if isinstance(entries, list):
                if self.logprobs is None:
                    self.logprobs = {}
                self.logprobs.setdefault(name, []).extend(entries)
            else:
                self.odd += entries is not None

    def message(self) -> Json:
        """The choice as a ChatMessage; what never came is left out, content is then null (S-CHAT-3)."""
        fields = {
            "refusal": "".join(self.refusal) or None,
            "audio": self.audio.render() if self.audio is not None else None,
            "reasoning": "".join(self.reasoning) or None,
            "reasoning_details": self.thoughts.render() if self.thoughts is not None else None,
            "annotations": self.annotations,
            "tool_calls": self.calls.render() if self.calls is not None else None,
            "images": self.images,
            "provider_items": self.provider_items,
            "extra_content": self.extra_content,
            "stop_details": self.stop_details,
        }
        message: Json = {"role": self.role, "content": "".join(self.content) or None}
        message.update((name, value) for name, value in fields.items() if value)
        return message

    def _say(self, content: str | list[Json]) -> bool:
        """Content as text or as blocks."""
        if isinstance(content, str):
            self.content.append(content)
            return True
        said = read_blocks(content)
        self.odd += said.odd
        self.annotations += said.annotations
        self.images += said.images
        self.provider_items += said.others
        texts, thoughts = "".join(said.texts), "".join(said.thoughts)
        self.content.append(texts)
        if thoughts:
            self.reasoning.append(thoughts)
            self._details().say(thoughts)
        return bool(texts or thoughts or said.images)

    def _think(self, reasoning: str | None, delta: ChatDelta) -> bool:
        """Reasoning in either spelling counts once; details are made of it when none came (S-CHAT-5, S-CHAT-6)."""
        thoughts = self._details()
        if reasoning:
            self.reasoning.append(reasoning)
            if not delta.reasoning_details:
                thoughts.say(reasoning)
        found = bool(reasoning)
        for detail in delta.reasoning_details or ():
            found |= thoughts.add(detail)
        return found

    def _details(self) -> Thoughts:
        if self.thoughts is None:
            self.thoughts = Thoughts()
        return self.thoughts

    def _call(self, delta: ChatDelta) -> bool:
        if self.calls is None:
            self.calls = ToolCalls()
        found, first = False, True
        for fragment in delta.tool_calls or ():
            found |= self.calls.add(fragment, first=first)
            first = False
        return found
