"""anthropic-messages: the events of Anthropic's Messages API → chat completion chunks (WIRE §5).

Owns the order of events and the names of stop reasons; blocks and usage have modules of their own. Imports this room
only.
"""

from __future__ import annotations

from typing import Final

from pipeline.ingest.anthropic_blocks import Blocks
from pipeline.ingest.anthropic_usage import Usage
from pipeline.ingest.error import error_object, is_error
from pipeline.ingest.format import Part, Stream
from pipeline.ingest.leaf import Payload, count, mapping, objects, text

_FINISH: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "compaction": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
"""finish_reason by stop_reason; what is not here passes through."""

_PLAIN: Final = frozenset({"end_turn", "tool_use", "max_tokens"})
"""Reasons that finish_reason says in full."""

_OF_THE_MESSAGE: Final = ("container", "context_management")
"""What the provider did for the whole message, kept as its items."""

_OF_THE_REQUEST: Final = ("service_tier", "inference_geo", "speed")
"""Fields that Anthropic reports beside the counts and WIRE §5 has on the chunk."""


class MessageStream(Stream):
    """A stream from message_start to message_stop; everything in between may be missing."""

    def __init__(self) -> None:
        """Begin without a message."""
        super().__init__()
        self._id: str | None = None
        self._usage = Usage()
        self._blocks = Blocks()
        self._given: list[Payload] = []

    def feed(self, name: str | None, payload: Payload) -> list[Part]:
        """Translate one event; ping, message_stop and unknown ones give nothing."""
        if is_error(name, payload):
            self.ended = True
            return [Part(response=self._base([]) | {"error": error_object(payload)}, failed=True)]
        match text(payload.get("type")) or name:
            case "message_start":
                return self._begin(mapping(payload.get("message")))
            case "content_block_start":
                return self._open(_place(payload), mapping(payload.get("content_block")))
            case "content_block_delta":
                return self._delta(self._blocks.change(_place(payload), mapping(payload.get("delta"))))
            case "content_block_stop":
                return self._delta(self._blocks.stop(_place(payload)))
            case "message_delta":
                return self._finish({**payload, **mapping(payload.get("delta"))})
            case "message_stop":
                self.ended = True
        return []

    def rest(self) -> list[Part]:
        """Arguments of calls whose block the recording leaves open."""
        return [part for delta in self._blocks.rest() for part in self._delta(delta)]

    def _begin(self, message: Payload) -> list[Part]:
        """Role and first usage, all that is known of a stream that breaks off here; then content that came along."""
        self.name_model(message.get("model"))
        self._id = text(message.get("id")) or self._id
        self._usage.update(message.get("usage"))
        role = {"role": text(message.get("role")) or "assistant", **self._items(message)}
        parts = [self._chunk([_choice(role)])]
        for place, block in enumerate(objects(message.get("content"))):
            parts += self._open(place, block)
            parts += self._delta(self._blocks.stop(place))
        if text(message.get("stop_reason")):
            parts.append(self._chunk([_end({}, message)]))
        return parts

    def _open(self, place: int, block: Payload) -> list[Part]:
        """The beginning of a block; where another model takes over, from there on it is that one which answers."""
        if block.get("type") == "fallback":
            self.name_model(mapping(block.get("to")).get("model"))
        return self._delta(self._blocks.start(place, block))

    def _delta(self, delta: Payload | None) -> list[Part]:
        return [Part(response=self._base([_choice(delta)]))] if delta else []

    def _finish(self, said: Payload) -> list[Part]:
        """The end of the message; Anthropic may tell it, and the usage, in several events."""
        items = self._items(said)
        if not text(said.get("stop_reason")) and not mapping(said.get("usage")) and not items:
            return []
        self._usage.update(said.get("usage"))
        return [self._chunk([_end(items, said)] if text(said.get("stop_reason")) or items else [])]

    def _items(self, said: Payload) -> Payload:
        """A delta of what the provider did for the whole message, each thing once."""
        found = [{"type": name, **mapping(said[name])} for name in _OF_THE_MESSAGE if mapping(said.get(name))]
        fresh = [item for item in found if item not in self._given]
        self._given += fresh
        return {"provider_items": fresh} if fresh else {}

    def _base(self, choices: list[Payload]) -> Payload:
        return {"id": self._id, "object": "chat.completion.chunk", "model": self.model, "choices": choices}

    def _chunk(self, choices: list[Payload]) -> Part:
        """A chunk that carries usage, and what else is said of the whole message."""
        said = {key: text(self._usage.reported.get(key)) for key in _OF_THE_REQUEST}
        known = {key: value for key, value in {**said, "usage": self._usage.inclusive()}.items() if value}
        return Part(response=self._base(choices) | known)


def _place(event: Payload) -> int:
    """Index of the block an event belongs to."""
    return count(event.get("index")) or 0


def _choice(delta: Payload, reason: str | None = None) -> Payload:
    return {"index": 0, "delta": delta, "finish_reason": _FINISH.get(reason, reason) if reason else None}


def _end(delta: Payload, said: Payload) -> Payload:
    """A choice that ends, with Anthropic's own words where finish_reason can't say it all."""
    reason, sequence, details = text(said.get("stop_reason")), said.get("stop_sequence"), said.get("stop_details")
    choice = _choice(delta, reason)
    if reason is None or (reason in _PLAIN and sequence is None and not details):
        return choice
    words = {"stop_reason": reason, **({} if sequence is None else {"stop_sequence": sequence}), **mapping(details)}
    return {**choice, "stop_details": words}
