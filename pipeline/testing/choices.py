"""Builders of chat and text completions (WIRE §5 and §6): text, reasoning, refusals, tool calls, usage, finish.

Imports this room's streams.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from pipeline.testing.chunk import CHAT, TEXT, Document
from pipeline.testing.stream import Stream


class _Choices(Stream):
    """What both kinds have."""

    def usage(self, prompt: int, completion: int, **details: Any) -> Self:
        """A chunk with usage alone, as OpenAI sends it after the finish; the last one of an attempt counts.

        Zeros are none: some servers send them with every chunk.

        Args:
            prompt: Tokens in.
            completion: Tokens out.
            details: Of the usage, such as `prompt_tokens_details={"cached_tokens": 3}`.
        """
        counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        tokens = (prompt, completion) if prompt or completion else None
        return self._add({"response": {"choices": [], "usage": counts | details}}, tokens=tokens)

    def finish(self, reason: str = "stop", *, choice: int = 0) -> Self:
        """A chunk with the finish reason of a choice."""
        said: dict[str, Any] = {"end": "success", "finish": reason} if choice == 0 else {}
        return self._choice(self._nothing(), choice, reason=reason, content=True, **said)

    def _choice(self, payload: Document, choice: int, *, reason: str | None = None, **said: Any) -> Self:
        response = {"choices": [{"index": choice, **payload, "finish_reason": reason}]}
        return self._add({"response": response}, **said)

    def _nothing(self) -> Document:
        """A choice to which nothing is added."""
        return {"delta": {}}


class ChatStream(_Choices):
    """The chunks of a chat completion; see `chat`."""

    stream_type: ClassVar[str] = CHAT

    def text(self, *pieces: str, choice: int = 0) -> Self:
        """Content, a chunk for each piece."""
        return self._deltas("content", pieces, choice)

    def reasoning(self, *pieces: str, choice: int = 0) -> Self:
        """Thoughts, a chunk for each piece."""
        return self._deltas("reasoning", pieces, choice)

    def refusal(self, *pieces: str, choice: int = 0) -> Self:
        """Words of a refusal, a chunk for each piece."""
        return self._deltas("refusal", pieces, choice)

    def tool_call(self, name: str, *arguments: str, id: str | None = None) -> Self:  # noqa: A002 (its name on the wire)
        """A tool call: a chunk that names it, and one for each piece of the arguments' JSON text."""
        number = len({each.call for each in self.steps if each.attempt == self.number and each.call is not None})
        head = {"index": number, "id": id or f"call_{number}", "type": "function"}
        parts: list[tuple[Document, dict[str, str]]] = [
            ({**head, "function": {"name": name, "arguments": ""}}, {"name": name}),
            *(({"index": number, "function": {"arguments": each}}, {"arguments": each}) for each in arguments),
        ]
        made = self
        for part, said in parts:
            made = made._choice({"delta": {"tool_calls": [part]}}, 0, content=True, call=number, **said)
        return made

    def _deltas(self, name: str, pieces: Sequence[str], choice: int) -> Self:
        made = self
        for piece in pieces:
            text = piece if name == "content" and choice == 0 else ""
            made = made._choice({"delta": {name: piece}}, choice, content=bool(piece), text=text)
        return made


class CompletionStream(_Choices):
    """The chunks of a text completion; see `completion`."""

    stream_type: ClassVar[str] = TEXT

    def text(self, *pieces: str, choice: int = 0) -> Self:
        """Text, a chunk for each piece."""
        made = self
        for piece in pieces:
            made = made._choice({"text": piece}, choice, content=bool(piece), text=piece if choice == 0 else "")
        return made

    def _nothing(self) -> Document:
        return {"text": ""}


def chat(request_id: str = "r-1", **envelope: Any) -> ChatStream:
    """Begin a chat completion.

    >>> stream = chat("r-7", provider="openai", model="gpt-4o").text("Hel", "lo").usage(10, 5).finish("stop")
    >>> [each["chunk_index"] for each in stream.chunks]
    [0, 1, 2, 3]
    >>> stream.expected["text"], stream.expected["tokens"], stream.expected["finish_reason"]
    ('Hello', (10, 5), 'stop')

    Args:
        request_id: Of all its chunks.
        envelope: Fields of every chunk: `provider`, `model`, `labels`, `raw_request` …
    """
    return ChatStream(request_id=request_id, envelope=envelope)


def completion(request_id: str = "r-1", **envelope: Any) -> CompletionStream:
    """Begin a text completion; arguments as those of `chat`.

    >>> completion().text("The ", "sea").finish("length").chunks[-1]["response"]
    {'choices': [{'index': 0, 'text': '', 'finish_reason': 'length'}]}
    """
    return CompletionStream(request_id=request_id, envelope=envelope)
