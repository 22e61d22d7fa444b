"""What a model answered, as OpenTelemetry's `gen_ai.output.messages`: messages of parts.

Text, reasoning, refusals, tool calls and transcripts; never sound or pictures. Owns that shape. Imports entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.sinks.export.attributes import finish_reasons
from pipeline.sinks.export.entry import Entry

Json = dict[str, Any]


def messages_of(entry: Entry) -> list[Json] | None:
    """The messages of a record; None where it has no content that is text."""
    record = entry.record
    reasons = finish_reasons(entry) or []
    if record.get("output_messages"):
        made = [_message(_items(record["output_messages"]), reasons[:1])]
    elif record.get("choices"):
        made = [
            _message(_chat(choice.get("message")), [choice.get("finish_reason")])
            for choice in record["choices"]
            if isinstance(choice, dict)
        ]
    elif record.get("output_message"):
        made = [_message(_chat(record["output_message"]), reasons[:1])]
    else:
        text = entry.inside("transcription_output", "text")
        made = [_message(_text("text", text), reasons[:1])]
    return [message for message in made if message["parts"]] or None


def _message(parts: Iterable[Json], reasons: list[Any]) -> Json:
    reason = reasons[0] if reasons else None
    return {"role": "assistant", "parts": list(parts)} | ({} if reason is None else {"finish_reason": reason})


def _chat(message: Any) -> Iterator[Json]:
    if not isinstance(message, Mapping):
        return
    yield from _text("reasoning", message.get("reasoning"))
    content = message.get("content")
    blocks = content if isinstance(content, list) else [{"text": content}]
    for block in blocks:
        if isinstance(block, Mapping):
            yield from _text("text", block.get("text"))
    yield from _text("text", message.get("refusal"))
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            yield _call(call.get("id"), function)


def _items(items: Iterable[Any]) -> Iterator[Json]:
    """Of the Responses API."""
    for item in items:
        if not isinstance(item, Mapping):
            continue
        kind = item.get("type")
        if kind == "function_call":
            yield _call(item.get("call_id") or item.get("id"), item)
        elif kind == "reasoning":
            for part in (*(item.get("summary") or ()), *(item.get("content") or ())):
                yield from _text("reasoning", part.get("text") if isinstance(part, Mapping) else None)
        elif kind == "message":
            content = item.get("content")
            for part in content if isinstance(content, list) else [{"text": content}]:
                if isinstance(part, Mapping):
                    yield from _text("text", part.get("text") or part.get("refusal"))


def _text(kind: str, text: Any) -> Iterator[Json]:
    if isinstance(text, str) and text:
        yield {"type": kind, "content": text}


def _call(identity: Any, function: Mapping[str, Any]) -> Json:
    call = {"type": "tool_call", "id": identity, "name": function.get("name"), "arguments": function.get("arguments")}
    return {name: value for name, value in call.items() if value is not None}
