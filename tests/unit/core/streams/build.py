"""Chunks for the tests of the folds: payloads as they are on the wire, decoded by the contract's own decoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipeline.core.output import Output
from pipeline.core.streams import FOLDS
from schemas.chunk import Chunk
from schemas.decode import decode

Json = dict[str, Any]


def chunk(stream_type: str, response: Json | None, index: int = 0, **envelope: Any) -> Chunk:
    """One chunk; chunk n is stamped n seconds after midnight."""
    fields = {
        "request_id": "r",
        "stream_type": stream_type,
        "chunk_index": index,
        "timestamp": f"2026-01-01T00:{index // 60 % 60:02}:{index % 60:02}Z",
        "response": response,
        **envelope,
    }
    return decode(json.dumps(fields).encode())


def chunks(stream_type: str, payloads: Sequence[Json | None]) -> list[Chunk]:
    """Chunks 0, 1, 2, … of these payloads."""
    return [chunk(stream_type, payload, index) for index, payload in enumerate(payloads)]


def fold(stream_type: str, *payloads: Json | None) -> Output:
    """The output of a stream of these payloads."""
    return FOLDS[stream_type](chunks(stream_type, payloads))


def payload_of(stream_type: str, response: Json) -> Any:
    """A payload as the decoder gives it."""
    return chunk(stream_type, response).response


def times(output: Output) -> list[int]:
    """Indexes of the chunks that counted as content, by their stamps."""
    return [moment.minute * 60 + moment.second for moment in output.content_times]


def choice(delta: Json | None = None, *, index: int | None = 0, finish: str | None = None, **fields: Any) -> Json:
    """A chat payload with one choice."""
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish, **fields}]}


def message(*deltas: Json) -> Json:
    """The message that a chat stream of these deltas of choice 0 makes."""
    output = fold("chat.completion", *(choice(delta) for delta in deltas))
    assert output.output_message is not None
    return output.output_message


def event(type_: str, **fields: Any) -> Json:
    """A Responses API event; the prefix of its type is added unless it is an error."""
    return {"type": type_ if type_ == "error" else f"response.{type_}", **fields}


def items(*events: Json) -> list[Json]:
    """The items that a Responses stream of these events makes."""
    return fold("responses", *events).output_messages or []
