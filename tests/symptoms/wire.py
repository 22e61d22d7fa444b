"""What providers send: payloads written by hand after the shapes that the threads report, and the text around them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Payload = Mapping[str, Any]


def sse(*payloads: Payload, done: bool = True) -> str:
    """Server-sent events without names, as OpenAI's chat has them; [DONE] at the end unless the stream breaks off."""
    return "".join(f"data: {json.dumps(payload)}\n\n" for payload in payloads) + ("data: [DONE]\n\n" if done else "")


def events(*payloads: Payload) -> str:
    """Server-sent events named by their type, as Anthropic and the Responses API have them."""
    return "".join(f"event: {payload['type']}\ndata: {json.dumps(payload)}\n\n" for payload in payloads)


def counts(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    """A usage in OpenAI's shape."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more}


def delta(
    content: str | None = None, *, finish: str | None = None, choice: int = 0, usage: Payload | None = None, **more: Any
) -> dict[str, Any]:
    """A chat.completion.chunk of one choice; `more` stands in its delta."""
    fields = ({} if content is None else {"content": content}) | more
    choices = [{"index": choice, "delta": fields, "finish_reason": finish}]
    return completion(choices) | ({} if usage is None else {"usage": dict(usage)})


def trailer(usage: Payload | None) -> dict[str, Any]:
    """A chat.completion.chunk without a choice."""
    return completion([]) | {"usage": usage}


def completion(choices: list[dict[str, Any]], model: str = "gpt-4o") -> dict[str, Any]:
    """A chat.completion.chunk."""
    fixed = {"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 1_767_225_600}
    return {**fixed, "model": model, "choices": choices}


def call(index: int | None, id_: str | None, name: str | None, arguments: str) -> dict[str, Any]:
    """A fragment of a tool call; what is None is absent."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fields = {"index": index, "id": id_, "type": None if id_ is None else "function", "function": function}
    return {key: value for key, value in fields.items() if value is not None}


def response(type_: str, **fields: Any) -> dict[str, Any]:
    """An event of the Responses API that carries the response itself."""
    whole: dict[str, Any] = {"id": "resp_7", "object": "response", "model": "gpt-4o", "output": [], "usage": None}
    return {"type": type_, "response": whole | fields}


def output_text(text: str, output_index: int = 0) -> dict[str, Any]:
    """A piece of text of the Responses API."""
    place = {"output_index": output_index, "content_index": 0, "item_id": f"msg_{output_index}"}
    return {"type": "response.output_text.delta", **place, "delta": text}


def message_start(**usage: Any) -> dict[str, Any]:
    """The first event of Anthropic's Messages API."""
    message = {"id": "msg_7", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}
    return {"type": "message_start", "message": message | {"stop_reason": None, "usage": usage}}


def text_delta(text: str) -> dict[str, Any]:
    """A piece of text of Anthropic's Messages API."""
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def message_delta(stop_reason: str, **usage: Any) -> dict[str, Any]:
    """The last event but one of Anthropic's Messages API."""
    return {"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": None}, "usage": usage}


BLOCK_START = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
BLOCK_STOP = {"type": "content_block_stop", "index": 0}
MESSAGE_STOP = {"type": "message_stop"}
