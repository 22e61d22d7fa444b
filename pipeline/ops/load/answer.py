"""Answers of the Responses API: a message, and perhaps function calls after it.

Imports its siblings and the standard library.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.ops.load.chat import CREATED, REQUEST, TOOLS, arguments, tokens, words
from pipeline.ops.load.manner import Manner
from pipeline.ops.load.piece import Counts, Json, Made, Piece


def responses(draw: random.Random, manner: Manner) -> Made:
    """The events from `response.created` to `response.completed`, which has the usage."""
    model = draw.choice(manner.models["responses"])
    begun: Json = {"id": f"resp_{REQUEST}", "object": "response", "created_at": CREATED, "model": model.name}
    opening = begun | {"status": "in_progress", "output": [], "usage": None}
    parts, tools = words(draw, manner), list[tuple[str, str]]()
    pieces = [_event("response.created", response=opening), *_message(parts, repeats=manner.repeats)]
    if draw.random() < manner.tools:
        tools = [(f"call_{index}_{REQUEST}", draw.choice(TOOLS)) for index in range(draw.randint(*manner.calls))]
        for index, tool in enumerate(tools):
            pieces += _call(index, tool, arguments(draw, manner), repeats=manner.repeats)
    said = sum(piece.adds is not None and piece.adds[1] != "" for piece in pieces)
    counts = tokens(draw, manner, model, said)
    pieces.append(
        _event("response.completed", response=begun | {"status": "completed", "output": [], "usage": usage_of(counts)})
    )
    pieces[-1].counts = counts
    for number, piece in enumerate(pieces):
        piece.body["response"]["sequence_number"] = number
    return Made("responses", model, pieces, counts, None, tools)


def usage_of(counts: Counts) -> Json:
    """A usage under the names of the Responses API; details only where there is something to tell."""
    usage: Json = {"input_tokens": counts.prompt, "output_tokens": counts.completion, "total_tokens": counts.total}
    if counts.cached:
        usage["input_tokens_details"] = {"cached_read_tokens": counts.cached, "cached_tokens": counts.cached}
    if counts.reasoning:
        usage["output_tokens_details"] = {"reasoning_tokens": counts.reasoning}
    return usage


def _event(kind: str, adds: tuple[str, Any] | None = None, **fields: Any) -> Piece:
    return Piece({"response": {"type": kind, **fields}}, adds)


def _message(parts: Sequence[str], *, repeats: bool) -> Iterator[Piece]:
    """The events of one message item."""
    item: Json = {"id": "msg", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    place: Json = {"item_id": "msg", "output_index": 0, "content_index": 0}
    block: Json = {"type": "output_text", "text": "", "annotations": []}
    yield _event("response.output_item.added", output_index=0, item=item)
    yield _event("response.content_part.added", **place, part=block)
    for part in parts:
        yield _event("response.output_text.delta", ("item0", part), **place, delta=part)
    if repeats:
        whole = block | {"text": "".join(parts)}
        yield _event("response.output_text.done", **place, text=whole["text"])
        yield _event("response.content_part.done", **place, part=whole)
        done = item | {"status": "completed", "content": [whole]}
        yield _event("response.output_item.done", output_index=0, item=done)


def _call(index: int, tool: tuple[str, str], parts: Sequence[str], *, repeats: bool) -> Iterator[Piece]:
    """The events of one function call."""
    slot, ident = f"tool{index}", f"fc_{index}"
    item = {"id": ident, "type": "function_call", "call_id": tool[0], "name": tool[1], "arguments": ""}
    place: Json = {"item_id": ident, "output_index": index + 1}
    yield _event("response.output_item.added", (slot, ""), output_index=index + 1, item=item)
    for part in parts:
        yield _event("response.function_call_arguments.delta", (slot, part), **place, delta=part)
    if repeats:
        yield _event("response.function_call_arguments.done", **place, arguments="".join(parts))
        done = item | {"arguments": "".join(parts), "status": "completed"}
        yield _event("response.output_item.done", output_index=index + 1, item=done)
