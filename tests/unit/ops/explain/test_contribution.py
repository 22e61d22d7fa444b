"""What one chunk brings, for every stream type: lengths of its content, everything else by value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.ops.explain.contribution import contribution, kind_of, word
from pipeline.testing.chunk import (
    TEXT,
    USAGE,
    Document,
    chat,
    chunk,
    encoded,
    error,
    event,
    image,
    marker,
    speech,
    text,
    transcript,
    usage,
)
from schemas.decode import decode

HALF = json.loads('"\\ud83d"')


def brings(document: Document, *, content: bool = False) -> dict[str, Any]:
    """What a chunk brings."""
    return contribution(decode(encoded(document)), content=content)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (chat(0, "abc"), {"characters": {"text": 3}}),
        (chat(0, "abc", choice=2), {"characters": {"choice 2 text": 3}, "choices": [2]}),
        (text(0, "abc", finish="stop"), {"characters": {"text": 3}, "finish_reason": "stop"}),
        (speech(0, b"abcd"), {"event": "speech.audio.delta", "bytes": {"audio": 4}}),
        (transcript(0, "ab"), {"event": "transcript.text.delta", "characters": {"transcript": 2}}),
        (
            image(1, 0, "QUJD", done=True),
            {
                "event": "image_generation.completed",
                "bytes": {"image_base64": 4},
                "finish_reason": "completed",
            },
        ),
        (
            event(0, "response.output_text.delta", fields={"delta": "abc"}),
            {"event": "response.output_text.delta", "characters": {"text": 3}},
        ),
        (marker(9, cost=0), {"cost": 0, "final": True}),
        (usage(3), {"usage": USAGE}),
        (
            error(4, type_="rate_limit"),
            {"error": {"type": "rate_limit", "status_code": 503, "message_characters": 3}},
        ),
    ],
    ids=["chat", "choice", "text", "speech", "transcript", "image", "responses", "marker", "usage", "error"],
)
def test_every_type_tells_lengths_and_facts(document: Document, expected: dict[str, Any]) -> None:
    """Only what the chunk has is listed."""
    assert brings(document) == expected


def test_parts_of_a_chat_delta_are_told_one_by_one() -> None:
    """Text in blocks, reasoning in details, annotations, audio with its transcript."""
    delta = {
        "content": [{"type": "text", "text": "ab"}],
        "reasoning_details": [{"index": 0, "text": "hm"}],
        "annotations": [{"type": "url_citation"}],
        "audio": {"id": "a", "data": "QUJD", "transcript": "abc"},
        "tool_calls": [{"index": 0}],
    }
    found = brings(chunk(0, {"choices": [{"index": 0, "delta": delta}]}))

    assert found["bytes"] == {"audio": 3}
    assert found["characters"].keys() == {"text", "reasoning_details", "annotations", "transcript"}


def test_parts_of_a_responses_event_are_told_as_json() -> None:
    """Items and objects by the length of their JSON; half a character in them does no harm."""
    item = {"type": "message", "content": [{"type": "output_text", "text": "ab"}]}
    whole = brings(event(0, "response.output_item.done", fields={"item": item}))
    half = brings(event(0, "response.output_item.done", fields={"item": {"type": "message", "x": HALF}}))
    shell = brings(event(0, "response.shell_call_output_content.delta", fields={"delta": {"stdout": "ab"}}))

    assert whole["characters"] == {"item": len(json.dumps(item, separators=(",", ":")))}
    assert half["characters"]["item"] > 0
    assert shell["characters"] == {"text": len('{"stdout":"ab"}')}


def test_an_image_by_url_is_content_too() -> None:
    """So is the prompt that the provider made of the caller's."""
    payload = {"type": "image_generation.completed", "url": "https://x", "revised_prompt": "a cat"}
    found = brings(chunk(0, payload, stream_type="image.generation", image_index=0))

    assert found["characters"] == {"url": 9, "revised_prompt": 5}


def test_attribution_is_told_by_value() -> None:
    """Who pays is not content."""
    found = brings(
        chat(
            0,
            "a",
            provider="p",
            model="m",
            labels={"team": "x"},
            raw_request={},
            start_timestamp="2026-01-01T00:00:00Z",
        )
    )

    assert (found["provider"], found["model"], found["labels"]) == ("p", "m", {"team": "x"})
    assert (found["raw_request"], found["start_timestamp"]) == (True, "2026-01-01T00:00:00.000000Z")


def test_the_message_of_an_error_is_shown_only_when_asked_for() -> None:
    """It may quote the prompt."""
    document = error(0, "you said secret", "bad_request")

    assert "secret" not in json.dumps(brings(document))
    assert brings(document, content=True)["error"]["message"] == "you said secret"


def test_binary_content_is_never_printed() -> None:
    """Its size is what a person can use."""
    assert brings(speech(0, b"abcd"), content=True)["content"] == {"audio": "<4 bytes>"}


def test_names_are_shown_only_if_they_look_like_names() -> None:
    """A model can write anything where a tool's name should stand."""
    assert word("get_weather.v2") == "get_weather.v2"
    assert word("my secret") == "<9 characters>"
    assert word("x" * 65) == "<65 characters>"
    assert word(7) == "<int>"
    assert word(None) is None


def test_kinds_are_those_of_the_contract() -> None:
    """Usage and errors never collide with data."""
    kinds = [kind_of(decode(encoded(document))) for document in (chat(0), usage(0), error(0), marker(0))]

    assert kinds == ["data", "usage", "error", "marker"]
    assert kind_of(decode(encoded(chunk(0, None, stream_type=TEXT)))) == "marker"
