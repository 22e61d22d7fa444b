"""Hand-written provider streams for the tests of ingest: payloads → recording → chunks."""

import json
from typing import Any

from pipeline.ingest import chunks_of
from pipeline.ingest.format import Part, Stream
from pipeline.ingest.leaf import Payload


def sse(*payloads: Payload, done: bool = False, named: bool = False) -> str:
    """The text of a stream of server-sent events; `named` takes the events' names from the payloads' types."""
    events = [
        (f"event: {payload['type']}\n" if named else "") + f"data: {json.dumps(payload)}\n\n" for payload in payloads
    ]
    return "".join(events) + ("data: [DONE]\n\n" if done else "")


def json_lines(*payloads: Payload) -> str:
    """The text of a stream as one JSON object a line."""
    return "".join(json.dumps(payload) + "\n" for payload in payloads)


def translate(provider: str, *payloads: Payload, done: bool = False) -> list[dict[str, Any]]:
    """The chunks of a stream of these payloads."""
    return list(chunks_of(sse(*payloads, done=done), provider=provider, request_id="r"))


def feed(stream: Stream, *payloads: Payload, name: str | None = None) -> list[Part]:
    """The parts a stream gives for these payloads."""
    return [part for payload in payloads for part in stream.feed(name, payload)]


def only(parts: list[Part]) -> Part:
    """The only part."""
    (part,) = parts
    return part


def response(parts: list[Part]) -> Payload:
    """The response of the only part."""
    payload = only(parts).response
    assert payload is not None
    return payload


def responses(parts: list[Part]) -> list[Payload]:
    """The responses of parts that all have one."""
    return [response([part]) for part in parts]


def chat(delta: Payload, finish: str | None = None, index: int = 0, **fields: Any) -> Payload:
    """A chat completion chunk with one choice."""
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m1", "choices": [choice], **fields}


def block_start(block: Payload, index: int = 0) -> Payload:
    """An event that opens a content block of an Anthropic message."""
    return {"type": "content_block_start", "index": index, "content_block": block}


def block_delta(index: int = 0, **delta: Any) -> Payload:
    """An event that adds to a content block of an Anthropic message."""
    return {"type": "content_block_delta", "index": index, "delta": delta}


def block_stop(index: int = 0) -> Payload:
    """An event that closes a content block of an Anthropic message."""
    return {"type": "content_block_stop", "index": index}


def message_start(**message: Any) -> Payload:
    """The event that opens an Anthropic message."""
    return {"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "model": "claude-x", **message}}


def message_delta(reason: str | None, **usage: Any) -> Payload:
    """The event that tells the end of an Anthropic message and its usage."""
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


def gemini(*parts: Payload, finish: str | None = None, index: int | None = None, **fields: Any) -> Payload:
    """A GenerateContent response with one candidate; fields that are a response's stand beside it."""
    beside = {name: fields.pop(name) for name in _BESIDE if name in fields}
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, "index": index, **fields}
    return {"candidates": [{name: value for name, value in candidate.items() if value is not None}], **beside}


_BESIDE = ("usageMetadata", "modelVersion", "responseId", "createTime", "promptFeedback")
