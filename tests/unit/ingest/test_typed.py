"""Speech and transcription: typed events pass; the done event ends the stream; errors become errors."""

import base64

import pytest

from pipeline.ingest.leaf import Payload
from pipeline.ingest.openai_speech import SpeechStream
from pipeline.ingest.openai_transcription import TranscriptionStream
from pipeline.ingest.typed import TypedStream
from tests.unit.ingest.streams import feed, only, response, translate


@pytest.fixture(params=[SpeechStream, TranscriptionStream])
def stream(request: pytest.FixtureRequest) -> TypedStream:
    """A new stream of either kind."""
    opened = request.param()
    assert isinstance(opened, TypedStream)
    return opened


def test_speech_passes_as_it_is() -> None:
    """Audio stays base64 chunk by chunk, usage rides on the done event (WIRE §7)."""
    payloads: list[Payload] = [
        {"type": "speech.audio.delta", "audio": base64.b64encode(b"one").decode()},
        {"type": "speech.audio.delta", "audio": base64.b64encode(b"two!").decode()},
        {"type": "speech.audio.done", "usage": {"input_tokens": 4, "output_tokens": 9, "total_tokens": 13}},
    ]

    chunks = translate("openai-speech", *payloads)

    assert [chunk["response"] for chunk in chunks] == payloads
    assert [chunk["is_final"] for chunk in chunks] == [False, False, True]
    assert {(chunk["stream_type"], chunk["model"]) for chunk in chunks} == {("audio.speech", None)}


def test_a_transcript_passes_as_it_is() -> None:
    """Deltas, segments and the whole text at the end (WIRE §8)."""
    payloads: list[Payload] = [
        {"type": "transcript.text.segment", "id": "s1", "start": 0.0, "end": 1.5, "text": "Hi", "speaker": "A"},
        {"type": "transcript.text.delta", "delta": "Hi", "logprobs": [{"token": "Hi", "logprob": -0.1, "bytes": [1]}]},
        {"type": "transcript.text.done", "text": "Hi", "usage": {"type": "duration", "seconds": 2}},
    ]

    chunks = translate("openai-transcription", *payloads)

    assert [chunk["response"] for chunk in chunks] == payloads
    assert [chunk["is_final"] for chunk in chunks] == [False, False, True]
    assert {chunk["stream_type"] for chunk in chunks} == {"audio.transcription"}


def test_without_its_done_event_a_stream_is_not_at_its_end() -> None:
    """A cut recording is no proper end."""
    assert not translate("openai-speech", {"type": "speech.audio.delta", "audio": "AAAA"})[-1]["is_final"]
    assert not translate("openai-transcription", {"type": "transcript.text.delta", "delta": "a"})[-1]["is_final"]


def test_the_name_of_an_event_stands_in_for_its_type(stream: TypedStream) -> None:
    """The type may be written only before the data."""
    (terminal,) = stream.terminal

    assert response(feed(stream, {"x": 1}, name=terminal)) == {"x": 1, "type": terminal}
    assert stream.ended
    assert response(feed(stream, {"type": 7})) == {"type": 7}
    assert stream.ended


def test_an_error_becomes_the_chunk_s_error_and_ends_the_stream(stream: TypedStream) -> None:
    """These payloads have no place for an error of their own (WIRE §7, §8)."""
    part = only(feed(stream, {"type": "error", "error": {"message": "m", "code": "c"}}))

    assert part.failed
    assert part.response is None
    assert part.error == {"is_bifrost_error": False, "error": {"message": "m", "code": "c"}}
    assert stream.ended
