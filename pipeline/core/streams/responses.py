"""The Responses API: chunks of one attempt -> Output (S-RESP-1 to S-RESP-12).

Imports pipeline.core and the contract only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.core.error import payload_error
from pipeline.core.output import Json, Output
from pipeline.core.streams.events import HANDLERS, State
from schemas.chunk import ResponsesStreamChunk, StreamType
from schemas.payload import ResponsesEvent

_BESIDE: Final = ("citations", "search_results", "videos")
_RESULTS: Final = "_call.results."
_FAILURES: Final = frozenset({"error", "response.failed"})


def fold_responses(chunks: Sequence[ResponsesStreamChunk]) -> Output:
    """Fold the events in the order of their chunks; sequence numbers and error chunks have no say in it (S-RESP-12)."""
    state = State()
    output = Output()
    faulty: ResponsesEvent | None = None
    for chunk in chunks:
        event = chunk.response
        if event is None or chunk.error is not None:
            continue
        if event.type in _FAILURES or event.error:
            faulty = event
        _note(state, event)
        handler = HANDLERS.get(event.type)
        if handler is not None and handler(state, event):
            state.content = True
            output.content_times.append(chunk.timestamp)
    if faulty is not None:
        output.error, output.anomalies = payload_error(StreamType.RESPONSES, faulty)
    items = _sourced(state.final or state.items.render(), state.beside)
    output.output_messages = items or None
    output.tool_calls = _tool_calls(items) or None
    output.finish_reason = state.finish_reason
    output.terminal = state.terminal
    output.incomplete = state.incomplete
    output.anomalies += state.odd
    return output


def _note(state: State, event: ResponsesEvent) -> None:
    """Keep what an event says beside its items (WIRE §10): the latest counts, as in a chat.

    Results that a call is told to have found are those of its item.
    """
    for name in () if _RESULTS in (event.type or "") else _BESIDE:
        value = getattr(event, name)
        if value:
            state.beside[name] = value


def _sourced(items: list[Json], beside: Json) -> list[Json]:
    """Sources belong to the last message, or to the last item when there is none."""
    if not beside or not items:
        return items
    messages = [place for place, item in enumerate(items) if item.get("type") == "message"]
    place = messages[-1] if messages else len(items) - 1
    return [*items[:place], {**items[place], **beside}, *items[place + 1 :]]


def has_responses_content(event: ResponsesEvent) -> bool:
    """Whether an event carries text, reasoning, refusal, a call for the caller, or an image."""
    handler = HANDLERS.get(event.type)
    return handler is not None and handler(State(), event)


def _tool_calls(items: list[Json]) -> list[Json]:
    """Function calls in the shape of chat's tool calls, numbered in output order."""
    calls: list[Json] = []
    for item in items:
        if item.get("type") == "function_call":
            arguments = item.get("arguments")
            function = {"name": item.get("name"), "arguments": arguments if isinstance(arguments, str) else ""}
            calls.append({"index": len(calls), "type": "function", "id": item.get("call_id"), "function": function})
    return calls
