"""Streams of which only the events are to be had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, closing
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from pipeline.errors import UsageError
from pipeline.ingest.taps import tap
from tests.notebook import AsyncNotebook, Notebook
from tests.streams_server import ANSWERS, CHAT, MESSAGES, RESPONSES

GEMINI: list[dict[str, Any]] = [{"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]}]
COMPLETION: list[dict[str, Any]] = [
    {"object": "text_completion", "choices": [{"index": 0, "text": "a", "finish_reason": "stop"}]}
]


class Stream:
    """A client's stream with things of its own."""

    custom_llm_provider = "groq"
    model = "llama"

    def __init__(self, events: list[Any], error: Exception | None = None) -> None:
        """Of these events, then the error."""
        self._events, self._error = iter(events), error
        self.closed = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        event = next(self._events, None)
        if event is None:
            raise self._error or StopIteration
        return event

    def close(self) -> None:
        """Close it."""
        self.closed = True


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(CHAT, "chat.completion", id="chat"),
        pytest.param(RESPONSES, "responses", id="responses"),
        pytest.param(MESSAGES, "chat.completion", id="messages"),
        pytest.param(GEMINI, "chat.completion", id="gemini"),
        pytest.param(COMPLETION, "text.completion", id="completions"),
        pytest.param(ANSWERS["/v1/responses"], "responses", id="bytes of responses"),
        pytest.param(ANSWERS["/v1/messages"], "chat.completion", id="bytes of messages"),
        pytest.param([ChatCompletionChunk.model_validate(each) for each in CHAT], "chat.completion", id="objects"),
    ],
)
def test_the_first_event_tells_the_format(events: list[Any], expected: str) -> None:
    """The reader gets the very events; the request is of their type and ends with them."""
    book = Notebook()
    seen = list(tap(Stream(events), book))

    assert [id(event) for event in seen] == [id(event) for event in events]
    opened = book.only.opened
    assert (opened["stream_type"], opened["provider"], opened["model"]) == (expected, "groq", "llama")
    assert (book.only.errors, book.only.closed) == ([], 1)
    assert book.only.chunks


def test_the_tapped_stream_is_as_the_stream() -> None:
    """Its class, attributes and ways to close are those of the stream; what is published is a copy."""
    book = Notebook()
    event = {"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "a"}]}}]}
    inner = Stream([event])
    with closing(tap(inner, book)) as stream:
        assert isinstance(stream, Stream)
        assert stream.model == "llama"
        assert next(stream) is event

    assert event["choices"][0]["delta"]["content"] == [{"type": "text", "text": "a"}]
    assert book.only.payloads[0]["choices"][0]["delta"]["content"] == "a"
    assert inner.closed
    assert (book.only.kinds, book.only.closed) == (["request_cancelled"], 1)


def test_errors_and_streams_never_read() -> None:
    """An exception of the stream is the request's and the reader's; one that is closed unread was left."""
    book = Notebook()
    with pytest.raises(ConnectionResetError):
        list(tap(Stream(CHAT[:2], ConnectionResetError()), book))
    tap(Stream(CHAT), book).close()

    assert [notes.kinds for notes in book.notes] == [["ConnectionResetError"], ["request_cancelled"]]
    assert [len(notes.chunks) for notes in book.notes] == [2, 0]


def test_async_iterables() -> None:
    """The same of async ones, to the end and left behind the first."""

    async def events() -> AsyncGenerator[Any, None]:
        for event in CHAT:
            yield event

    async def main() -> None:
        book = AsyncNotebook()
        assert [event async for event in tap(events(), book)] == CHAT
        async with aclosing(tap(events(), book)) as left:
            assert await anext(left) == CHAT[0]
        assert [notes.kinds for notes in book.notes] == [[], ["request_cancelled"]]

    asyncio.run(main())


def test_a_wrong_name_of_a_format_is_refused() -> None:
    """It is refused when the tap is set, not when the first event comes."""
    with pytest.raises(UsageError, match="openai-chat"):
        tap(Stream(CHAT), Notebook(), form="openai-chats")
