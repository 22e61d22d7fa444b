"""The words of an output: what a model wrote, for counting it.  Audio and images have none.

Imports pipeline.core.output and the standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pipeline.core.output import Json, Output

_MESSAGE: Final = ("content", "refusal", "reasoning")
_WRITTEN: Final = ("name", "arguments", "input", "code", "command", "diff")
"""Fields of an item of the Responses API that the model wrote; what tools answered stands elsewhere."""


def texts(output: Output) -> Iterator[str]:
    """Content, reasoning, refusal, tool names and arguments of all choices, or of all items; never an empty one."""
    choices = output.choices or ([] if output.output_message is None else [{"message": output.output_message}])
    for choice in choices:
        yield from filter(None, _of_message(choice["message"]))
    for item in output.output_messages or ():
        yield from filter(None, _of_item(item))
    transcript = (output.transcription_output or {}).get("text")
    if transcript:
        yield transcript


def characters(output: Output) -> int:
    """How many characters these words have."""
    return sum(map(len, texts(output)))


def _of_message(message: Json) -> Iterator[str]:
    """Reasoning details repeat the reasoning; they count where they are all there is."""
    for name in _MESSAGE:
        yield message.get(name) or ""
    if not message.get("reasoning"):
        for detail in message.get("reasoning_details") or ():
            yield detail.get("text") or ""
            yield detail.get("summary") or ""
    for call in message.get("tool_calls") or ():
        yield call["function"]["name"] or ""
        yield call["function"]["arguments"] or ""


def _of_item(item: Json) -> Iterator[str]:
    for group in ("content", "summary"):
        yield from _of_parts(item.get(group))
    operation, action = item.get("operation"), item.get("action")
    for fields in (item, operation if isinstance(operation, dict) else {}):
        yield from (value for name in _WRITTEN if isinstance(value := fields.get(name), str))
    commands = action.get("commands") if isinstance(action, dict) else None
    yield from (each for each in (commands if isinstance(commands, list) else ()) if isinstance(each, str))


def _of_parts(parts: Any) -> Iterator[str]:
    """Parts of an item: objects with a text or a refusal, or bare texts."""
    for part in parts if isinstance(parts, list) else [parts]:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            yield from (value for name in ("text", "refusal") if isinstance(value := part.get(name), str))
