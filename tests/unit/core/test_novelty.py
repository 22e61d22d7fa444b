"""Whether a late chunk adds anything to the record of its closed request."""

import json
from typing import Any

import pytest

from pipeline.core.identity import NO_IMAGE
from pipeline.core.novelty import adds_nothing
from pipeline.core.segment import Marker
from pipeline.core.signs import DATA, ERROR, MARKER, USAGE
from pipeline.testing.chunk import (
    AUDIO,
    CHAT,
    IMAGE,
    RESPONSES,
    TEXT,
    TRANSCRIPTION,
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
from schemas.chunk import Chunk
from schemas.decode import decode


def remembered(**changes: Any) -> Marker:
    """A request without an end, after indexes 0 to 2, 5 and usage 3."""
    made = Marker(
        stream_type=CHAT,
        closed_by="expiry",
        complete=False,
        closed_at=0,
        revision=0,
        span=(0, 0),
        seen=[(0, DATA, NO_IMAGE, [0, 3, 5, 6]), (0, USAGE, NO_IMAGE, [3, 4])],
        segments=1,
        digest="d",
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def decoded(document: Document) -> Chunk:
    """A chunk as it comes from the topic."""
    return decode(encoded(document))


NOTHING: list[tuple[str, Document]] = [
    ("an empty delta", chat(6)),
    ("names alone", chunk(6, {"id": "a", "model": "m", "extra_fields": {"request_type": "chat_completion_stream"}})),
    ("a role alone", chunk(6, {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})),
    ("no choice", chunk(6, {"choices": [], "id": "c", "model": "m", "created": 5, "system_fingerprint": "f"})),
    ("who serves the gateway", chunk(6, {"choices": [], "provider": "p", "x_groq": {"id": "r"}})),
    ("latency", chunk(6, {"choices": [], "extra_fields": {"latency": 5}})),
    ("nothing, nested deeply", chunk(6, {"choices": [{"logprobs": json.loads('{"a":[' * 40 + "]}" * 40)}]})),
    ("a bare marker", marker(6, is_final=False)),
    ("empty text", text(6, "")),
    ("empty audio", speech(6, b"")),
    ("an empty transcript delta", transcript(6, "")),
    ("an image event without image", image(6, 0)),
    ("a created event", event(6, "response.created", fields={"response": {"id": "x", "tools": [1], "usage": None}})),
    ("an unknown event", event(6, "response.something.new", fields={"delta": "x"})),
    ("an event without type", chunk(6, {"delta": "x"}, stream_type=RESPONSES)),
]

SOMETHING: list[tuple[str, Document]] = [
    ("content", chat(6, "a")),
    ("content of another choice", chat(6, "a", choice=3)),
    ("a finish", chat(6, finish="stop")),
    ("usage", usage(6)),
    ("usage beside an empty delta", chat(6, usage={"total_tokens": 7})),
    ("an error", error(6)),
    ("an error inside", chunk(6, {"error": {"message": "x"}})),
    ("cost on a marker", marker(6, cost=0.0, is_final=False)),
    ("labels", chat(6, labels={"tenant": "t"})),
    ("a raw request", chat(6, raw_request={"n": 1})),
    ("a raw response", chunk(6, {"choices": [], "extra_fields": {"raw_response": "x"}})),
    ("a raw request inside", chunk(6, {"choices": [], "extra_fields": {"raw_request": {"n": 1}}})),
    ("cache facts", chunk(6, {"choices": [], "extra_fields": {"cache_debug": {"cache_hit": False}}})),
    (
        "annotations",
        chunk(6, {"choices": [{"delta": {"annotations": [{"type": "url_citation", "url_citation": {"title": "x"}}]}}]}),
    ),
    ("citations", chunk(6, {"choices": [], "citations": ["https://a.example"]})),
    ("a picture", chunk(6, {"choices": [{"delta": {"images": [{"image_url": {"url": "x"}}]}}]})),
    ("an item of the provider", chunk(6, {"choices": [{"delta": {"provider_items": [{"output": "x"}]}}]})),
    ("log-probs", chunk(6, {"choices": [{"logprobs": {"content": [{"token": "a"}]}}]})),
    ("encrypted reasoning", chunk(6, {"choices": [{"delta": {"reasoning_details": [{"index": 0, "data": "x"}]}}]})),
    ("another role", chunk(6, {"choices": [{"delta": {"role": "tool"}}]})),
    ("a service tier", chunk(6, {"choices": [], "service_tier": "flex"})),
    ("text", text(6, "a")),
    ("audio", speech(6, b"a")),
    ("the end of speech", speech(6, type_="speech.audio.done")),
    ("a transcript delta", transcript(6, "a")),
    ("the language of a transcript", chunk(6, {"language": "en"}, stream_type=TRANSCRIPTION)),
    ("words of a transcript", chunk(6, {"words": [{"word": "a"}]}, stream_type=TRANSCRIPTION)),
    ("a preview", image(6, 0, "YQ==")),
    ("the end of an image", image(6, 0, done=True)),
    ("the size of an image", chunk(6, {"size": "1x1"}, stream_type=IMAGE)),
    ("a text event", event(6, "response.output_text.delta", fields={"delta": "a"})),
    ("an annotation event", event(6, "response.output_text.annotation.added", fields={"annotation": {"type": "x"}})),
    ("a signature", event(6, "response.reasoning_summary_text.delta", fields={"signature": "x"})),
    ("an announced item", event(6, "response.output_item.added", fields={"item": {"type": "message"}})),
    ("the end of a response", event(6, "response.completed")),
    (
        "raw beside an unknown event",
        chunk(6, {"type": "ping", "extra_fields": {"raw_response": "x"}}, stream_type=RESPONSES),
    ),
    ("final, where none was seen", marker(6)),
    ("an empty delta in a gap", chat(4)),
    ("a marker in a gap", marker(4, is_final=False, attempt=0)),
]


@pytest.mark.parametrize("document", [pytest.param(document, id=name) for name, document in NOTHING])
def test_what_adds_nothing_is_counted(document: Document) -> None:
    """The record would stay as it is: no revision (CONTRACT §4)."""
    assert adds_nothing(decoded(document), remembered(stream_type=document["stream_type"]))


@pytest.mark.parametrize("document", [pytest.param(document, id=name) for name, document in SOMETHING])
def test_what_adds_anything_revises(document: Document) -> None:
    """Content, money, an end, attribution or evidence: nothing of it is lost without a word."""
    assert not adds_nothing(decoded(document), remembered(stream_type=document["stream_type"]))


def test_a_final_marker_adds_nothing_to_a_complete_record() -> None:
    """The end was seen before."""
    assert adds_nothing(decoded(marker(6)), remembered(complete=True))


@pytest.mark.parametrize("picture", [None, 0])
def test_a_gap_of_an_image_is_filled_by_its_own_chunks(picture: int | None) -> None:
    """An index that another image misses fills nothing."""
    seen = [(0, DATA, 0, [0, 1, 2, 3]), (0, DATA, 1, [0, 2])]

    assert not adds_nothing(decoded(image(1, picture)), remembered(stream_type=IMAGE, seen=seen))
    assert adds_nothing(decoded(image(2, 1)), remembered(stream_type=IMAGE, seen=seen))
    assert adds_nothing(decoded(image(1, 7)), remembered(stream_type=IMAGE, seen=seen))


def test_an_error_leaves_no_gap_to_fill() -> None:
    """An error's index says nothing about data below it."""
    seen = [(0, DATA, NO_IMAGE, [0, 2]), (0, ERROR, NO_IMAGE, [9, 10]), (1, MARKER, NO_IMAGE, [9, 10])]

    assert adds_nothing(decoded(chat(5)), remembered(seen=seen))


@pytest.mark.parametrize("stream_type", [CHAT, TEXT, AUDIO, IMAGE, TRANSCRIPTION, RESPONSES])
def test_an_empty_payload_of_any_type_adds_nothing(stream_type: str) -> None:
    """Every stream type is judged."""
    assert adds_nothing(decoded(chunk(6, {}, stream_type=stream_type)), remembered(stream_type=stream_type))
