"""Promises of every fold."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.core.error import payload_error
from pipeline.core.streams import CONTENT, FOLDS, STRIP
from pipeline.core.streams.events import HANDLERS
from pipeline.core.usage import llm_usage, stated_usage
from schemas.chunk import CHUNKS, Chunk, StreamType
from schemas.decode import ChunkRejected, decode
from tests.unit.core.streams.build import chunks, fold

_TYPES = [
    *(name for name in HANDLERS if name),
    *("error", "response.created", "speech.audio.done", "transcript.text.segment", "transcript.text.done"),
    *("transcript.text.delta", "image_generation.completed", "image_generation.partial_image"),
]
_TEXTS = st.sampled_from(["", "a", "b\ud83d", "\ude00", "null", "Ukk=", "message", "reasoning", "function_call"])
_LEAVES = st.none() | st.booleans() | st.integers(-1, 3) | _TEXTS
_NAMES = st.sampled_from(
    [
        *("id", "type", "text", "refusal", "content", "summary", "arguments", "call_id", "role", "action", "commands"),
        *(
            "operation",
            "output",
            "reason",
            "message",
            "code",
            "error",
            "usage",
            "status",
            "incomplete_details",
            "stdout",
        ),
        *(
            "total_tokens",
            "prompt_tokens",
            "cost",
            "input_tokens_details",
            "cached_tokens",
            "stop_reason",
            "annotations",
        ),
    ]
)
_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_NAMES, inner, max_size=4), max_leaves=6
)
_OBJECTS = st.dictionaries(_NAMES, _JSON, max_size=4)


def _of_model(model: Any) -> st.SearchStrategy[Any]:
    """Objects with a model's fields: right, odd or absent."""
    fields = {}
    for name, info in model.model_fields.items():
        kind = str(info.annotation)
        inner = next((arm for arm in _models(info.annotation)), None)
        value: st.SearchStrategy[Any] = _JSON
        if name == "type":
            value = st.sampled_from(_TYPES)
        elif inner is not None:
            value = st.lists(_of_model(inner), max_size=2) if "list[" in kind else _of_model(inner)
        elif "dict" in kind or "JsonObject" in kind:
            value = _OBJECTS
        elif "int" in kind:
            value = st.integers(0, 2)
        elif "str" in kind:
            value = _TEXTS
        fields[name] = value | st.none()
    return st.fixed_dictionaries({}, optional=fields)


def _models(annotation: Any) -> list[Any]:
    """Models inside of an annotation."""
    if hasattr(annotation, "model_fields"):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models(inner)]


def _payloads(stream_type: str) -> st.SearchStrategy[Any]:
    [response] = _models(CHUNKS[StreamType(stream_type)].model_fields["response"].annotation)
    return _of_model(response)


def _accepted(stream_type: str, payloads: list[Any]) -> list[Chunk]:
    try:
        return chunks(stream_type, payloads)
    except ChunkRejected:
        return []


@pytest.mark.parametrize("stream_type", list(StreamType))
@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=25)
@given(data=st.data())
def test_no_accepted_chunk_raises(stream_type: str, data: st.DataObject) -> None:
    """G4: whatever is in a payload that was accepted, fold, content, strip, usage and error give an answer.

    The output can be encoded as UTF-8 JSON (S-CHAT-9), is the same again (G3), and the chunks are as they were.
    """
    found = _accepted(stream_type, data.draw(st.lists(_payloads(stream_type), min_size=1, max_size=6)))
    assume(found)
    fold_ = FOLDS[stream_type]
    before = repr(found)

    output = fold_(found)
    encoded = msgspec.json.encode(output)
    counted = [one.timestamp for one in found if CONTENT[stream_type](one.response)]

    assert msgspec.json.encode(fold_(found)) == encoded
    assert repr(found) == before
    assert output.content_times[:1] == counted[:1]
    for one in found:
        llm_usage(stream_type, stated_usage(stream_type, one.response))
        payload_error(stream_type, one.response)
        one.response = STRIP[stream_type](one.response)
        assert stream_type == StreamType.RESPONSES or not CONTENT[stream_type](one.response)
    fold_(found)


@pytest.mark.parametrize("stream_type", list(StreamType))
def test_streams_of_nothing_give_nothing(stream_type: str) -> None:
    """CONTRACT §1: markers and error chunks carry no payload."""
    output = fold(stream_type, None, {})

    assert output.content_times == []
    assert not output.terminal
    assert (output.output_message, output.output_messages, output.audio_output) == (None, None, None)
    assert (output.transcription_output, output.image_generation_output, output.error) == (None, None, None)


def test_every_stream_type_has_a_fold() -> None:
    """CONTRACT §1: the three tables are complete."""
    assert set(FOLDS) == set(CONTENT) == set(STRIP) == {*StreamType}


def test_finish_reasons_are_mended_too() -> None:
    """S-CHAT-9: no string of an output can break its encoding."""
    text = {"choices": [{"index": 0, "delta": {"content": "a\ud83d"}, "finish_reason": "\ud83d"}]}
    output = fold("chat.completion", text)

    assert (output.finish_reason, (output.output_message or {})["content"]) == ("\ufffd", "a\ufffd")


def test_payloads_are_read_from_bytes_as_they_came() -> None:
    """S-CHAT-8: a character beyond the basic plane as raw UTF-8 and as a pair of escapes is the same."""
    raw = {"choices": [{"index": 0, "delta": {"content": "😀"}}]}
    envelope = {
        "request_id": "r",
        "stream_type": "chat.completion",
        "chunk_index": 0,
        "timestamp": "2026-01-01T00:00:00Z",
    }
    both = [
        decode(json.dumps({**envelope, "response": raw}, ensure_ascii=escaped).encode()) for escaped in (True, False)
    ]

    assert [(FOLDS["chat.completion"]([one]).output_message or {})["content"] for one in both] == ["😀", "😀"]
