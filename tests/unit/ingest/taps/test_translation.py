"""What the events and the end of a stream ask for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest import chunks_of
from pipeline.ingest.providers import PROVIDERS
from pipeline.ingest.taps.frames import Frames
from pipeline.ingest.taps.translation import Call, End, Translation
from tests.notebook import Notebook, Notes
from tests.streams_server import CHAT, MESSAGES, RESPONSES, frames

STREAMS = {
    "openai-chat": frames(CHAT, named=False, done=True),
    "openai-responses": frames(RESPONSES),
    "anthropic-messages": frames(MESSAGES),
    "openai-images": frames(
        [
            {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": "QQ=="},
            {"type": "image_generation.completed", "b64_json": "QUE=", "usage": {"total_tokens": 4}},
        ]
    ),
    "openai-speech": frames(
        [{"type": "speech.audio.delta", "audio": "QUFB"}, {"type": "speech.audio.done", "usage": {"total_tokens": 9}}]
    ),
    "gemini": frames(
        [
            {"candidates": [{"content": {"parts": [{"text": "a"}]}}], "modelVersion": "gemini-2.5-pro"},
            {
                "candidates": [{"content": {"parts": []}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 1},
            },
        ],
        named=False,
    ),
}


def do(calls: Iterable[Call]) -> None:
    """Do what is asked for."""
    for call in calls:
        call()


def tapped(provider: str, pieces: Iterable[bytes], how: End | BaseException = End.OVER, **options: Any) -> Notes:
    """What a stream that came in these pieces, and ended so, asked for."""
    book = Notebook()
    translation = Translation(book.request(), PROVIDERS[provider], **{"owned": True, **options})
    cut = Frames()
    for piece in pieces:
        for frame in cut.feed(piece):
            do(translation.frame(frame))
    if rest := cut.rest():
        do(translation.frame(rest))
    do(translation.end(how))
    return book.only


def kept(notes: Notes, field: str, value: Any) -> list[Any]:
    """A field of each chunk; a request keeps it until another is named."""
    return [value := chunk.get(field, value) for chunk in notes.chunks]


def indexes(notes: Notes) -> list[int]:
    """The index of each chunk, as a request numbers those that bring none."""
    given, following = [], 0
    for chunk in notes.chunks:
        given.append(chunk.get("chunk_index", following))
        following = given[-1] + 1
    return given


@given(st.sampled_from(sorted(STREAMS)), st.lists(st.integers(0, 6000), max_size=20))
def test_a_tapped_stream_and_its_recording_give_the_same_chunks(provider: str, cuts: list[int]) -> None:
    """Wherever the network cuts a stream, its chunks are those of `streamledger chunks`, and it ends with a marker."""
    whole = b"".join(STREAMS[provider])
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    notes = tapped(provider, (whole[a:b] for a, b in pairwise(places)))
    recorded = list(chunks_of(whole, provider=provider, request_id="r"))

    assert [chunk["response"] for chunk in recorded] == notes.payloads
    assert [chunk["chunk_index"] for chunk in recorded] == indexes(notes)
    assert [chunk["model"] for chunk in recorded] == kept(notes, "model", None)
    assert [chunk.get("image_index") for chunk in recorded] == kept(
        notes, "image_index", recorded[0].get("image_index")
    )
    assert notes.calls[len(recorded) :] == ["close"]


def test_an_event_that_cannot_be_read_leaves_the_hole_that_its_recording_has() -> None:
    """What comes behind a broken event has the index that `streamledger chunks` gives it."""
    stream = [*STREAMS["openai-chat"][:3], b"data: {broken\n\n", *STREAMS["openai-chat"][3:]]
    recorded = list(chunks_of(b"".join(stream), provider="openai-chat", request_id="r", report=lambda _: None))
    notes = tapped("openai-chat", stream)

    assert [chunk["chunk_index"] for chunk in recorded] == indexes(notes)
    assert indexes(notes)[:4] == [0, 1, 2, 4]


def test_a_format_that_fails_costs_one_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the translation of an event is a hole in the record, no exception of the stream."""
    stream = PROVIDERS["openai-chat"].open()
    monkeypatch.setattr(type(stream), "name_model", lambda *_: 1 / 0)
    notes = tapped("openai-chat", STREAMS["openai-chat"])

    assert notes.calls == ["close"]


@pytest.mark.parametrize(
    ("provider", "upto", "how", "expected"),
    [
        pytest.param("openai-chat", 5, End.LEFT, ["request_cancelled"], id="left in its middle"),
        pytest.param("openai-chat", 5, KeyboardInterrupt(), ["request_cancelled"], id="interrupted"),
        pytest.param("openai-chat", 5, ConnectionResetError(), ["ConnectionResetError"], id="reset"),
        pytest.param("openai-chat", 5, End.OVER, [], id="cut off, which a bare marker tells"),
        pytest.param("openai-speech", 1, End.OVER, ["stream_truncated"], id="sound cut off, which it does not"),
        pytest.param("openai-chat", 5, End.UNREAD, ["stream_unreadable"], id="unreadable"),
        pytest.param("openai-chat", 12, End.LEFT, [], id="left behind the finish_reason"),
        pytest.param("openai-chat", 12, ConnectionResetError(), [], id="reset behind the finish_reason"),
        pytest.param("anthropic-messages", 12, End.LEFT, ["request_cancelled"], id="left before message_delta"),
        pytest.param("openai-responses", 13, End.LEFT, [], id="left behind response.completed"),
    ],
)
def test_how_streams_end(provider: str, upto: int, how: End | BaseException, expected: list[str]) -> None:
    """A reader that leaves cancels; a broken connection is an error; an answer that was whole stays whole."""
    notes = tapped(provider, STREAMS[provider][:upto], how)

    assert expected == notes.kinds
    assert all(final for _, final in notes.errors)
    assert notes.calls[-1] == "close"
    assert notes.closed == 1


def test_nothing_is_published_behind_the_end() -> None:
    """Events after [DONE], and a second end, ask for nothing."""
    stream = STREAMS["openai-chat"]
    notes = tapped("openai-chat", [*stream, *stream], End.LEFT)

    assert len(CHAT) == len(notes.chunks)
    assert notes.closed == 1


def test_open_tool_arguments_are_delivered_when_the_reader_leaves() -> None:
    """What a format holds back until a block ends is published with the end, if its block never does."""
    begun = {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "f"}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}}
    whole = b"".join(frames([MESSAGES[0], begun, delta]))
    notes = tapped("anthropic-messages", [whole], End.LEFT)

    assert [chunk["response"] for chunk in chunks_of(whole, provider="anthropic-messages", request_id="r")] == (
        notes.payloads
    )
    assert notes.kinds == ["request_cancelled"]


def test_a_borrowed_request_is_left_open_for_the_next_attempt() -> None:
    """A request that its caller opened gets errors that are not final, and no end."""
    failed = tapped("openai-chat", STREAMS["openai-chat"][:4], ConnectionResetError(), owned=False)
    whole = tapped("openai-chat", STREAMS["openai-chat"], owned=False)

    assert [final for _, final in failed.errors] == [False]
    assert 0 == failed.closed == whole.closed
    assert whole.errors == []


def test_an_error_status_is_an_error_with_it() -> None:
    """A body that says nothing about its error gets the status; one that does is taken as the provider wrote it."""
    silent = tapped("openai-chat", [b"<html>"], status=502)
    spoken = tapped("openai-chat", [b'{"error": {"message": "slow down", "type": "rate_limit_error"}}'], status=429)

    assert (silent.errors) == [
        (
            {
                "status_code": 502,
                "is_bifrost_error": False,
                "error": {"type": "http_error", "message": "HTTP status 502"},
            },
            True,
        )
    ]
    assert spoken.payloads[0]["error"]["type"] == "rate_limit_error"
    assert spoken.errors == []
