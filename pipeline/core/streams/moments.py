"""Which chunks brought content, where some of them were stored without it: the fold's own answer, had it seen all.

Chat, text, speech and images say it chunk by chunk.  A closing event of a transcript or of the Responses API may repeat
what came before, so these ask the same questions as their folds: a Responses event gets one letter in the place of the
content it had, and goes through the same handlers.
Imports pipeline.core and the contract only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any, Final

from pipeline.core.output import Output
from pipeline.core.streams.events import HANDLERS, State
from pipeline.core.streams.transcription import DONE
from schemas.chunk import StreamType
from schemas.payload import ResponsesEvent

_LETTER: Final = "x"
_FIELDS: Final = {
    "response.output_text.done": "text",
    "response.reasoning_text.done": "text",
    "response.reasoning_summary_text.done": "text",
    "response.refusal.done": "refusal",
    "response.function_call_arguments.done": "arguments",
    "response.mcp_call_arguments.done": "arguments",
    "response.custom_tool_call_input.done": "input",
    "response.code_interpreter_call_code.done": "code",
    "response.shell_call_command.added": "command",
    "response.shell_call_command.done": "command",
    "response.apply_patch_call_operation_diff.done": "diff",
}
"""Where a closing event has its whole text."""

_CARRIERS: Final = {"message": "content", "reasoning": "summary", "function_call": "arguments"}
"""Where an item has its content; in others any field that is content will do."""

_CALL_ANNOUNCED: Final = ("response.output_item.added", "function_call")
_OUTPUT_DELTA: Final = "response.shell_call_output_content.delta"
_OUTPUT_DONE: Final = "response.shell_call_output_content.done"


def see(output: Output, chunks: Sequence[Any], stream_type: str, brings: Callable[[Any], bool]) -> None:
    """Set an output's content times, and how many characters of it were not stored.

    Args:
        output: of the fold of these chunks; changed in place.
        chunks: of one attempt, in fold order.
        stream_type: theirs.
        brings: whether a whole payload carries content (CONTENT).
    """
    if stream_type == StreamType.RESPONSES:
        found = list(_events(chunks))
    else:
        found = [chunk for chunk in chunks if chunk.error is None and _carries(chunk, brings)]
    if stream_type == StreamType.TRANSCRIPTION:
        found = [chunk for place, chunk in enumerate(found) if not place or chunk.response.type != DONE]
    output.content_times = [chunk.timestamp for chunk in found]
    output.hidden = sum(chunk.said or 0 for chunk in found)


def _carries(chunk: Any, brings: Callable[[Any], bool]) -> bool:
    return chunk.said is not None or (chunk.response is not None and brings(chunk.response))


def _events(chunks: Sequence[Any]) -> Iterator[Any]:
    """The events whose handlers say that content came."""
    state = State()
    for chunk in chunks:
        event = chunk.response
        if event is None or chunk.error is not None:
            continue
        handler = HANDLERS.get(event.type)
        if handler is not None and handler(state, event if chunk.said is None else _lettered(event)):
            state.content = True
            yield chunk


def _lettered(event: ResponsesEvent) -> ResponsesEvent:
    """An event that was stored without its content, with a letter where it was."""
    lettered, type_ = copy(event), event.type or ""
    field = _FIELDS.get(type_)
    if field is not None:
        setattr(lettered, field, _LETTER)
    elif event.item is not None:
        # A call is content when it is announced, by its name: its arguments come later, and are content then.
        if (type_, event.item.get("type")) != _CALL_ANNOUNCED:
            lettered.item = event.item | {_CARRIERS.get(str(event.item.get("type")), "result"): _LETTER}
    elif event.part is not None:
        lettered.part = event.part | {"text": _LETTER}
    elif event.response is not None:
        lettered.response = event.response | {"output": [{"content": _LETTER}]}
    elif type_ == _OUTPUT_DELTA:
        lettered.delta = {"stdout": _LETTER}
    elif type_ == _OUTPUT_DONE:
        lettered.output = [{"stdout": _LETTER}]
    else:
        lettered.delta = _LETTER
    return lettered
