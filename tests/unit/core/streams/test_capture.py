"""Payloads without their content."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pipeline.core.streams import CONTENT, FOLDS, STRIP
from pipeline.core.usage import stated_usage
from tests.unit.core.streams.build import Json, chunk, event, payload_of

EXTRA: Json = {
    "latency": 5.0,
    "raw_request": {"prompt": "SECRET"},
    "raw_response": "SECRET",
    "cache_debug": {"cache_hit": True},
}
KEPT_EXTRA: Json = {"latency": 5.0, "cache_debug": {"cache_hit": True}}
USAGE: Json = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def bare(stream_type: str, response: Json) -> Json:
    """A stripped payload as JSON."""
    found: Json = json.loads(msgspec.json.encode(STRIP[stream_type](payload_of(stream_type, response))))
    return found


def test_a_chat_payload_keeps_its_frame() -> None:
    """CONTRACT §5 G7: choices, roles, finish reasons, usage, error and tier stay, what was said goes."""
    delta = {
        "role": "assistant",
        "content": "SECRET",
        "refusal": "SECRET",
        "reasoning": "SECRET",
        "reasoning_content": "SECRET",
        "reasoning_details": [{"text": "SECRET"}],
        "tool_calls": [{"id": "SECRET"}],
        "annotations": [{"x": "SECRET"}],
        "audio": {"transcript": "SECRET"},
        "images": [{"image_url": {"url": "SECRET"}}],
        "provider_items": [{"x": "SECRET"}],
        "extra_content": {"x": "SECRET"},
    }
    choice = {
        "index": 1,
        "delta": delta,
        "text": "SECRET",
        "finish_reason": "stop",
        "stop_details": {"stop_sequence": "SECRET"},
        "logprobs": {"content": ["SECRET"]},
    }
    sources = {name: [{"title": "SECRET"}] for name in ("citations", "search_results", "images", "videos")}
    groq = {"id": "r", "usage": USAGE, "error": "boom"}
    frame: Json = {"id": "i", "service_tier": "flex", "provider": "p", "usage": USAGE, "error": {"message": "boom"}}
    whole: Json = {**frame, **sources, "x_groq": {**groq, "debug": "SECRET"}, "choices": [choice, {"index": 2}]}

    assert bare("chat.completion", {**whole, "extra_fields": EXTRA}) == {
        **frame,
        "x_groq": groq,
        "choices": [{"index": 1, "delta": {"role": "assistant"}, "finish_reason": "stop"}, {"index": 2}],
        "extra_fields": KEPT_EXTRA,
    }
    assert bare("text.completion", {"usage": USAGE}) == {"usage": USAGE}


def test_speech_transcripts_and_images_keep_type_and_usage() -> None:
    """CONTRACT §5 G7: audio, transcript and image go, what is billed stays."""
    usage = {"total_tokens": 3}
    speech = {"type": "speech.audio.delta", "audio": "Ug==", "usage": usage}
    transcript = {"type": "transcript.text.done", "text": "SECRET", "delta": "SECRET", "speaker": "SECRET"}
    lists = {"logprobs": [{"token": "SECRET"}], "segments": [{"text": "SECRET"}], "words": [{"word": "SECRET"}]}
    image = {"type": "image_edit.completed", "b64_json": "SECRET", "url": "SECRET", "revised_prompt": "SECRET"}
    facts = {"language": "en", "duration": 2.5, "usage": {"seconds": 2}}

    assert bare("audio.speech", speech) == {"type": "speech.audio.delta", "usage": usage}
    assert bare("audio.transcription", {**transcript, **lists, **facts}) == {"type": "transcript.text.done", **facts}
    assert bare("image.generation", {**image, "size": "1x1", "usage": usage, "extra_fields": EXTRA}) == {
        "type": "image_edit.completed",
        "size": "1x1",
        "usage": usage,
        "extra_fields": KEPT_EXTRA,
    }


def test_an_event_keeps_its_place() -> None:
    """CONTRACT §5 G7: item, part and response keep id, type, status, usage and reasons of an end."""
    texts = ("text", "refusal", "arguments", "input", "code", "command", "diff", "name", "message", "signature")
    response = {
        "id": "r",
        "status": "incomplete",
        "usage": USAGE,
        "incomplete_details": {"reason": "max_output_tokens"},
    }
    place = {"type": "response.output_item.done", "output_index": 1, "item_id": "m", "content_index": 2}

    assert bare(
        "responses",
        {
            **place,
            **dict.fromkeys(texts, "SECRET"),
            "delta": {"stdout": "SECRET"},
            "param": "SECRET",
            "output": [{"stdout": "SECRET"}],
            "annotation": {"x": "SECRET"},
            "logprobs": [{"token": "SECRET"}],
            "partial_image_b64": "SECRET",
            "citations": ["SECRET"],
            "search_results": [{"title": "SECRET"}],
            "videos": [{"url": "SECRET"}],
            "item": {"id": "m", "type": "message", "status": "completed", "role": "assistant", "content": "SECRET"},
            "part": {"type": "output_text", "text": "SECRET"},
            "response": {**response, "output": ["SECRET"], "instructions": "SECRET", "metadata": {"a": "SECRET"}},
        },
    ) == {
        **place,
        "item": {"id": "m", "type": "message", "status": "completed", "role": "assistant"},
        "part": {"type": "output_text"},
        "response": response,
    }


def test_an_item_keeps_what_its_action_was() -> None:
    """A search is billed, looking at a page is not; neither what was searched nor where stays."""
    item = {"id": "w", "type": "web_search_call", "status": "completed"}

    assert bare("responses", {"item": {**item, "action": {"type": "search", "query": "SECRET"}}})["item"] == {
        **item,
        "action": {"type": "search"},
    }
    assert bare("responses", {"item": {**item, "action": "SECRET"}})["item"] == item


def test_an_error_event_keeps_its_words() -> None:
    """CONTRACT §5 G7: an error is not content."""
    error = {"type": "error", "code": "q", "message": "quota", "param": "p"}

    assert bare("responses", error) == error


def test_the_original_payload_is_not_changed() -> None:
    """A copy is made: the same chunk may have to be folded whole."""
    payload = payload_of(
        "chat.completion", {"choices": [{"index": 0, "delta": {"content": "a"}}], "extra_fields": EXTRA}
    )
    before = msgspec.json.encode(payload)
    STRIP["chat.completion"](payload)

    assert msgspec.json.encode(payload) == before


@pytest.mark.parametrize(
    ("stream_type", "response"),
    [
        (
            "chat.completion",
            {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}], "usage": USAGE},
        ),
        ("text.completion", {"choices": [{"index": 0, "text": "a", "finish_reason": "stop"}], "usage": USAGE}),
        ("audio.speech", {"type": "speech.audio.done", "audio": "Ug==", "usage": {"total_tokens": 3}}),
        ("audio.transcription", {"type": "transcript.text.done", "text": "a", "usage": {"total_tokens": 3}}),
        ("image.generation", {"type": "image_generation.completed", "b64_json": "a", "usage": {"total_tokens": 3}}),
        (
            "responses",
            event("incomplete", response={"incomplete_details": {"reason": "x"}, "usage": {"total_tokens": 3}}),
        ),
    ],
)
def test_bill_and_end_are_the_same_without_content(stream_type: str, response: Json) -> None:
    """CONTRACT §4 rule 5: a limit never loses the bill; content is gone, usage, finish and end are there."""
    whole = chunk(stream_type, response)
    stripped: Any = chunk(stream_type, response)
    stripped.response = STRIP[stream_type](whole.response)
    one, other = FOLDS[stream_type]([whole]), FOLDS[stream_type]([stripped])

    assert not CONTENT[stream_type](stripped.response)
    assert stated_usage(stream_type, stripped.response) == stated_usage(stream_type, whole.response)
    assert (other.finish_reason, other.terminal, other.incomplete) == (one.finish_reason, one.terminal, one.incomplete)


def test_stripped_events_erase_nothing() -> None:
    """CONTRACT §4 rule 5: what came before the limit stays, whatever follows without its content."""
    said = event("output_text.delta", output_index=0, delta="kept")
    ends = [
        event("output_text.done", output_index=0, text="whole"),
        event("content_part.done", output_index=0, part={"type": "output_text", "text": "whole"}),
        event("output_item.done", output_index=0, item={"type": "message", "content": [{"text": "whole"}]}),
        event("completed", response={"output": [{"type": "message"}]}),
    ]
    found: list[Any] = [chunk("responses", one, index) for index, one in enumerate([said, *ends])]
    for late in found[1:]:
        late.response = STRIP["responses"](late.response)

    assert FOLDS["responses"](found).output_messages == [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "kept"}]}
    ]
