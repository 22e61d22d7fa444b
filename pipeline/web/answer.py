"""What a model answered, out of a record: texts, reasoning, tool calls; of sound and images how much there is.

Owns what is shown of content, which is asked for only where it is permitted (G7). Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

MOST: Final = 200_000
"""Characters of a piece that are shown: the record has them all."""


@dataclass(frozen=True)
class Piece:
    """One piece of an answer.

    Attributes:
        title: What it is.
        text: As it was assembled.
        cut: Characters that are not shown.
    """

    title: str
    text: str
    cut: int = 0


def answer(record: dict[str, Any]) -> list[Piece]:
    """The pieces of a record's output, in its order; none where nothing was kept."""
    return [_bounded(title, text) for title, text in _pieces(record) if text]


def _bounded(title: str, text: str) -> Piece:
    return Piece(title, text[:MOST], max(len(text) - MOST, 0))


def _pieces(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    choices = record.get("choices") or ()
    if len(choices) > 1:
        for choice in choices:
            yield from _message(choice.get("message") or {}, f"choice {choice.get('index')}: ")
    elif isinstance(record.get("output_message"), dict):
        yield from _message(record["output_message"], "")
    for item in record.get("output_messages") or ():
        yield from _item(item if isinstance(item, dict) else {})
    if not choices and not record.get("output_messages"):
        shown = isinstance(record.get("output_message"), dict) and record["output_message"].get("tool_calls")
        for call in () if shown else record.get("tool_calls") or ():
            yield _call(call)
    transcript = record.get("transcription_output")
    if isinstance(transcript, dict):
        yield "transcript", str(transcript.get("text") or "")
    for name, what in (("audio_output", "sound"), ("image_generation_output", "images")):
        if record.get(name):
            yield what, f"{len(json.dumps(record[name])):,} characters of JSON, in the record"


def _message(message: dict[str, Any], before: str) -> Iterator[tuple[str, str]]:
    for name in ("reasoning", "reasoning_content", "refusal"):
        if isinstance(message.get(name), str):
            yield f"{before}{name.replace('_content', '')}", message[name]
    yield f"{before}answer", _text(message.get("content"))
    for call in message.get("tool_calls") or ():
        title, text = _call(call)
        yield f"{before}{title}", text


def _item(item: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """An item of the Responses API."""
    kind = str(item.get("type") or "message")
    if kind == "message":
        yield "answer", _text(item.get("content"))
    elif "arguments" in item or "input" in item:
        yield _call({"function": {"name": item.get("name"), "arguments": item.get("arguments", item.get("input"))}})
    elif kind == "reasoning":
        yield "reasoning", _text(item.get("content")) or _text(item.get("summary"))
    else:
        yield kind.replace("_", " "), json.dumps(item, ensure_ascii=False, indent=2)


def _text(content: Any) -> str:
    """The text of a content: a string, or parts that have one."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (part.get("text") or part.get("refusal") for part in parts if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def _call(call: Any) -> tuple[str, str]:
    function = (call.get("function") if isinstance(call, dict) else None) or {}
    name, arguments = function.get("name"), function.get("arguments")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return f"tool call {name or ''}".strip(), arguments  # cut off in its middle
    return f"tool call {name or ''}".strip(), json.dumps(arguments, ensure_ascii=False, indent=2)
