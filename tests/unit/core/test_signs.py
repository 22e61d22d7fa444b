"""What one chunk tells about kind and end, by stream type."""

from typing import Any

import pytest

from pipeline.core.signs import DATA, ERROR, MARKER, MAX_TRACKED, PLAIN, SIGNS, USAGE, Signs
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
    marker,
)
from pipeline.testing.chunk import USAGE as COUNTS
from schemas.decode import decode

TYPES = [CHAT, TEXT, AUDIO, IMAGE, TRANSCRIPTION, RESPONSES]
FAILED = {"message": "cut"}


def signs_of(document: Document) -> Signs:
    """The signs of a chunk as it comes from the topic."""
    decoded = decode(encoded(document))
    return SIGNS[decoded.stream_type](decoded)


def says(response: Any, stream_type: str, **envelope: Any) -> Signs:
    """The signs of a payload."""
    return signs_of(chunk(0, response, stream_type=stream_type, **envelope))


def test_every_stream_type_is_read() -> None:
    """No stream type is without its reader."""
    assert set(SIGNS) == set(TYPES)


@pytest.mark.parametrize("stream_type", TYPES)
def test_a_chunk_with_neither_response_nor_error_is_a_marker(stream_type: str) -> None:
    """Also one that carries a cost (CONTRACT §1)."""
    assert signs_of(marker(3, cost=0.5, stream_type=stream_type)) == Signs(MARKER)


@pytest.mark.parametrize("stream_type", TYPES)
def test_an_error_beside_a_response_wins(stream_type: str) -> None:
    """The error decides the kind; the response is kept as raw (CONTRACT §1)."""
    assert signs_of(error(0, stream_type=stream_type, response={})) == Signs(ERROR, error=True)
    assert signs_of(error(0, stream_type=stream_type)) == Signs(ERROR, error=True)


@pytest.mark.parametrize("stream_type", TYPES)
def test_an_error_object_in_a_payload_is_an_error(stream_type: str) -> None:
    """In-band errors count as errors in every stream type (CONTRACT §4, S-ERR-5)."""
    assert says({"error": FAILED}, stream_type) == Signs(ERROR, error=True)


@pytest.mark.parametrize("stream_type", [AUDIO, IMAGE, TRANSCRIPTION, RESPONSES])
def test_an_error_event_is_an_error(stream_type: str) -> None:
    """Streams of events say it by their type, with or without an error object."""
    assert says({"type": "error"}, stream_type) == Signs(ERROR, error=True)


@pytest.mark.parametrize("stream_type", TYPES)
def test_an_empty_payload_is_data(stream_type: str) -> None:
    """A payload that says nothing is still no marker: it was a response."""
    signs = says({}, stream_type)

    assert (signs.kind, signs.done, signs.terminal, signs.error) == (DATA, 0, False, False)


@pytest.mark.parametrize("stream_type", [CHAT, TEXT])
@pytest.mark.parametrize(
    ("response", "expected"),
    [
        pytest.param({"choices": [{"delta": {"content": "a"}}]}, PLAIN, id="choice without index"),
        pytest.param({"choices": [{"index": 0}], "usage": COUNTS}, PLAIN, id="usage beside a choice"),
        pytest.param({"choices": [{"index": 0, "finish_reason": "stop"}]}, Signs(DATA, 1, 1), id="finish"),
        pytest.param({"choices": [{"index": 0, "finish_reason": ""}]}, PLAIN, id="empty finish reason is none"),
        pytest.param({"choices": [{"index": 2, "finish_reason": "stop"}]}, Signs(DATA, 4, 4), id="finish of choice 2"),
        pytest.param(
            {"choices": [{"index": 0}, {"index": 1, "finish_reason": "length"}]}, Signs(DATA, 3, 2), id="two choices"
        ),
        pytest.param({"choices": []}, Signs(DATA), id="no choice"),
        pytest.param({"choices": [], "usage": COUNTS}, Signs(USAGE), id="usage alone"),
        pytest.param({"usage": COUNTS}, Signs(USAGE), id="usage without choices"),
        pytest.param({"choices": [{"index": MAX_TRACKED, "finish_reason": "stop"}]}, Signs(DATA), id="forged index"),
        pytest.param({"choices": [{"index": -1}]}, Signs(DATA), id="negative choice"),
        pytest.param({"choices": [{"index": 0}], "error": None}, PLAIN, id="null error is none"),
        pytest.param({"choices": [], "x_groq": {"usage": COUNTS}}, Signs(USAGE), id="usage alone, by Groq"),
        pytest.param({"choices": [], "x_groq": {"id": "r"}}, Signs(DATA), id="only an id, by Groq"),
        pytest.param({"choices": [{"index": 0}], "x_groq": {"id": "r"}}, PLAIN, id="an id, by Groq"),
        pytest.param(
            {"choices": [{"index": 0}], "x_groq": {"error": "full"}}, Signs(ERROR, error=True), id="an error, by Groq"
        ),
    ],
)
def test_chat_and_text_speak_of_choices(stream_type: str, response: Any, expected: Signs) -> None:
    """Seen and done are masks of the choices that a chunk speaks of and ends."""
    assert says(response, stream_type) == expected


@pytest.mark.parametrize(
    ("stream_type", "response", "expected"),
    [
        pytest.param(AUDIO, {"type": "speech.audio.delta", "audio": "YQ=="}, Signs(DATA), id="audio"),
        pytest.param(AUDIO, {"type": "speech.audio.done"}, Signs(DATA, terminal=True), id="audio done"),
        pytest.param(
            AUDIO, {"type": "speech.audio.done", "usage": COUNTS}, Signs(USAGE, terminal=True), id="audio done usage"
        ),
        pytest.param(AUDIO, {"type": "speech.audio.delta", "usage": COUNTS}, Signs(USAGE), id="usage without audio"),
        pytest.param(AUDIO, {"audio": "YQ==", "usage": COUNTS}, Signs(DATA), id="usage beside audio"),
        pytest.param(TRANSCRIPTION, {"type": "transcript.text.delta", "delta": "a"}, Signs(DATA), id="delta"),
        pytest.param(
            TRANSCRIPTION, {"type": "transcript.text.done", "text": "a", "usage": COUNTS},
            Signs(DATA, terminal=True), id="transcript done",
        ),
        pytest.param(
            TRANSCRIPTION, {"type": "transcript.text.done", "usage": COUNTS},
            Signs(USAGE, terminal=True), id="done without text",
        ),
        pytest.param(TRANSCRIPTION, {"usage": COUNTS}, Signs(USAGE), id="transcription usage"),
        pytest.param(TRANSCRIPTION, {"delta": "a", "usage": COUNTS}, Signs(DATA), id="usage beside a delta"),
    ],
)  # fmt: skip
def test_speech_and_transcription_end_with_their_done_event(stream_type: str, response: Any, expected: Signs) -> None:
    """The terminal event ends the stream; usage without content is of its own kind (CONTRACT §4 rule 2)."""
    assert says(response, stream_type) == expected


@pytest.mark.parametrize(
    ("response", "picture", "expected"),
    [
        pytest.param(
            {"type": "image_generation.partial_image", "b64_json": "YQ=="}, None, Signs(DATA, 1), id="preview"
        ),
        pytest.param({"type": "image_generation.completed", "b64_json": "YQ=="}, 2, Signs(DATA, 4, 4), id="image 2"),
        pytest.param({"type": "image_edit.completed", "url": "https://i.example"}, 0, Signs(DATA, 1, 1), id="edit"),
        pytest.param(
            {"type": "image_generation.completed", "usage": COUNTS}, 0, Signs(USAGE, 1, 1), id="end and usage"
        ),
        pytest.param({"b64_json": "YQ==", "usage": COUNTS}, 0, Signs(DATA, 1), id="usage beside an image"),
        pytest.param({"usage": COUNTS}, 1, Signs(USAGE, 2), id="usage of an image"),
        pytest.param({"usage": COUNTS}, None, Signs(USAGE), id="usage of the stream opens no image"),
        pytest.param({"type": "image_generation.completed"}, MAX_TRACKED, Signs(DATA), id="forged image index"),
    ],
)
def test_images_end_one_by_one(response: Any, picture: int | None, expected: Signs) -> None:
    """Seen and done are masks of images; without image_index a chunk speaks of image 0."""
    assert says(response, IMAGE, image_index=picture) == expected


@pytest.mark.parametrize("type_", ["response.completed", "response.incomplete", "response.cancelled"])
def test_responses_end_with_a_terminal_event(type_: str) -> None:
    """Usage comes inside of it: it is then of the kind usage (SYMPTOMS 5)."""
    assert says({"type": type_, "response": {"status": "x"}}, RESPONSES) == Signs(DATA, terminal=True)
    assert says({"type": type_, "response": {"usage": COUNTS}}, RESPONSES) == Signs(USAGE, terminal=True)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param({"type": "response.output_text.delta", "delta": "a"}, Signs(DATA), id="delta"),
        pytest.param({"type": "response.created", "response": {"usage": None}}, Signs(DATA), id="created"),
        pytest.param({"type": "response.in_progress", "response": {"usage": COUNTS}}, Signs(USAGE), id="usage"),
        pytest.param({"type": "x", "response": {"usage": COUNTS}, "delta": "a"}, Signs(DATA), id="delta beside usage"),
        pytest.param({"type": "x", "response": {"usage": COUNTS}, "item": {}}, Signs(DATA), id="item beside usage"),
        pytest.param({"type": "x", "response": {"usage": COUNTS}, "part": {}}, Signs(DATA), id="part beside usage"),
        pytest.param({"type": "response.failed", "response": {}}, Signs(ERROR, error=True), id="failed"),
    ],
)
def test_responses_events_are_read_by_their_type(event: Any, expected: Signs) -> None:
    """Most events are data; only usage without delta, item or part is usage."""
    assert says(event, RESPONSES) == expected


def test_nearly_all_chunks_share_one_value() -> None:
    """A plain delta of choice 0 is the same object each time, so that admission may compare by identity."""
    assert signs_of(chat(7, "a")) is PLAIN
