"""An HTTP server on this machine that answers as providers do: streams of events, with the times between them.

The first part of a path says how: `/plain/v1/chat/completions`. Streams are hand-written, of the three APIs.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

Payload = dict[str, Any]

PAUSE: Final = 0.002
"""Seconds between two events, as fast providers have them."""

WAYS: Final = ("plain", "burst", "brief", "torn", "error", "reset", "cut", "stuck", "busy")
"""plain: with pauses. burst: all at once. brief: the same of a first and the last few events. torn: in pieces that end
inside of events. error: the provider's own in its middle. reset: the connection breaks in its middle. cut: it ends in
its middle as if all were well. stuck: nothing comes after its middle. busy: status 429."""


def _chat(delta: Payload, finish: str | None = None) -> Payload:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1795449600, "model": "gpt-4o-2024-08-06"}
    return {**base, "service_tier": "default", "system_fingerprint": "fp_1", "choices": [choice]}


def _call(arguments: str, **first: Any) -> Payload:
    name = {"name": "look_up"} if first else {}
    return {"tool_calls": [{"index": 0, **first, "function": {**name, "arguments": arguments}}]}


_USAGE: Final[Payload] = {
    "prompt_tokens": 31,
    "completion_tokens": 24,
    "total_tokens": 55,
    "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}


CHAT: Final[list[Payload]] = [
    _chat({"role": "assistant", "content": "", "refusal": None}),
    *(_chat({"content": word}) for word in ("Streams ", "end ", "as ", "they ", "begin: ", "slowly — ", "naïvely.")),
    _chat(_call("", id="call_1", type="function")),
    _chat(_call('{"word":')),
    _chat(_call('"end"}')),
    _chat({}, "tool_calls"),
    {**_chat({}), "choices": [], "usage": _USAGE},
]

_ANSWER: Final[Payload] = {"id": "resp_1", "object": "response", "created_at": 1795449600, "model": "gpt-4o-2024-08-06"}
_TEXT: Final[Payload] = {"type": "output_text", "text": "One two three four five", "annotations": [], "logprobs": []}
_ITEM: Final[Payload] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [_TEXT],
}
_WORD: Final[Payload] = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
_REST: Final[Payload] = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None}
_COUNTS: Final[Payload] = {
    "input_tokens": 20,
    "output_tokens": 5,
    "total_tokens": 25,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens_details": {"reasoning_tokens": 0},
}

RESPONSES: Final[list[Payload]] = [
    {**event, "sequence_number": number}
    for number, event in enumerate[Payload](
        [
            {"type": "response.created", "response": {**_ANSWER, **_REST, "status": "in_progress", "output": []}},
            {"type": "response.in_progress", "response": {**_ANSWER, **_REST, "status": "in_progress", "output": []}},
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {**_ITEM, "status": "in_progress", "content": []},
            },
            {"type": "response.content_part.added", **_WORD, "part": {**_TEXT, "text": ""}},
            *(
                {"type": "response.output_text.delta", **_WORD, "delta": word, "logprobs": []}
                for word in ("One ", "two ", "three ", "four ", "five")
            ),
            {"type": "response.output_text.done", **_WORD, "text": _TEXT["text"], "logprobs": []},
            {"type": "response.content_part.done", **_WORD, "part": _TEXT},
            {"type": "response.output_item.done", "output_index": 0, "item": _ITEM},
            {
                "type": "response.completed",
                "response": {**_ANSWER, **_REST, "status": "completed", "output": [_ITEM], "usage": _COUNTS},
            },
        ]
    )
]

_START: Final[Payload] = {
    "input_tokens": 25,
    "cache_read_input_tokens": 6,
    "cache_creation_input_tokens": 0,
    "output_tokens": 1,
}
_BEGUN: Final[Payload] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": _START,
}

MESSAGES: Final[list[Payload]] = [
    {"type": "message_start", "message": _BEGUN},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    *(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        for word in ("Let ", "me ", "look ", "it up.")
    ),
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {}},
    },
    *(
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": piece}}
        for piece in ('{"word":', ' "end"}')
    ),
    {"type": "content_block_stop", "index": 1},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 31},
    },
    {"type": "message_stop"},
]


def frames(events: Sequence[Payload], *, named: bool = True, done: bool = False) -> list[bytes]:
    """Events on the wire; as Python's and Node's servers write them, some escaped and some not."""
    written = [
        (f"event: {event['type']}\n" if named else "")
        + f"data: {json.dumps(event, separators=(',', ':'), ensure_ascii=number % 2 == 0)}\n\n"
        for number, event in enumerate(events)
    ]
    return [text.encode() for text in (*written, *(["data: [DONE]\n\n"] if done else []))]


ANSWERS: Final = {
    "/v1/chat/completions": frames(CHAT, named=False, done=True),
    "/v1/responses": frames(RESPONSES),
    "/v1/messages": frames(MESSAGES),
}
ERRORS: Final = {
    "/v1/chat/completions": b'data: {"error":{"message":"overloaded","type":"server_error","code":"busy"}}\n\n',
    "/v1/responses": b'event: error\ndata: {"type":"error","code":"busy","message":"overloaded","param":null,'
    b'"sequence_number":6}\n\n',
    "/v1/messages": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n',
}
_BUSY: Final = b'{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}'


def brief(path: str) -> list[bytes]:
    """The frames of a brief answer."""
    return [ANSWERS[path][0], *ANSWERS[path][-4:]]


class Server:
    """Answers on a port of its own; it counts what it was asked."""

    def __init__(self) -> None:
        """Begin without a port."""
        self.asked = 0
        self.port = 0

    def url(self, way: str = "plain") -> str:
        """Base of the URLs that are answered in a way."""
        return f"http://127.0.0.1:{self.port}/{way}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                await self._answer(head.decode(), reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the client has left, which is what many tests do, or the server stops
        finally:
            writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = head.lower().split("\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
        await reader.readexactly(length)
        _, way, path = head.split(" ")[1].partition("?")[0].split("/", 2)
        path = f"/{path}"
        if way == "busy":
            writer.write(b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\n")
            writer.write(b"content-length: %d\r\n\r\n" % len(_BUSY) + _BUSY)
            return
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        await self._stream(way, path, writer)

    async def _stream(self, way: str, path: str, writer: asyncio.StreamWriter) -> None:
        answer = ANSWERS[path]
        middle = len(answer) // 2
        if way == "brief":
            answer = brief(path)
        elif way == "error":
            answer = [*answer[:middle], ERRORS[path]]
        elif way in ("cut", "reset", "stuck"):
            answer = answer[:middle]
        for piece in _pieces(way, answer):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(0 if way in ("burst", "brief", "torn") else PAUSE)
        if way == "stuck":
            await asyncio.sleep(600)
        if way == "reset":
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            raise ConnectionResetError
        writer.write(b"0\r\n\r\n")


def _pieces(way: str, answer: list[bytes]) -> list[bytes]:
    whole = b"".join(answer)
    if way in ("burst", "brief"):
        return [whole]
    return [whole[at : at + 97] for at in range(0, len(whole), 97)] if way == "torn" else answer


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a thread of its own."""
    server, ready, stop = Server(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def main() -> None:
        listening = await asyncio.start_server(server.answer, "127.0.0.1", 0, backlog=2048)
        server.port = listening.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        listening.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await asyncio.wait([task])

    thread = threading.Thread(target=loop.run_until_complete, args=[main()], daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()
