"""Chunks without content: what stays, what goes, and that the result can be stored."""

from typing import Any

import msgspec
import pytest

from pipeline.core.bare import bare, cuts
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
    speech,
    usage,
)
from schemas.chunk import Chunk
from schemas.decode import STORED, decode
from tests.unit.schemas.decoders import chunk_fields

SECRET = "secret"
PAYLOADS: dict[str, Document] = {
    CHAT: {"choices": [{"index": 0, "delta": {"content": SECRET, "reasoning": SECRET}, "finish_reason": "stop"}]},
    TEXT: {"choices": [{"index": 0, "text": SECRET, "finish_reason": "stop"}]},
    AUDIO: {"type": "speech.audio.delta", "audio": "c2VjcmV0"},
    IMAGE: {"type": "image_generation.completed", "b64_json": SECRET, "revised_prompt": SECRET},
    TRANSCRIPTION: {"type": "transcript.text.done", "text": SECRET},
    RESPONSES: {"type": "response.output_text.delta", "delta": SECRET, "output_index": 3},
}
ENVELOPE: dict[str, Any] = {
    "cost": 0.5,
    "labels": {"tenant": "t"},
    "is_final": True,
    "provider": "p",
    "model": "m",
    "attempt": 2,
}


def stripped(document: Document, *, captured: bool = False) -> Chunk:
    """The chunk of a document without its content."""
    return bare(decode(encoded(document)), captured=captured)


@pytest.mark.parametrize("stream_type", PAYLOADS)
def test_content_goes_and_the_bill_stays(stream_type: str) -> None:
    """Of every stream type: nothing of the content, all of the envelope (G7)."""
    document = chunk(4, PAYLOADS[stream_type], stream_type=stream_type, raw_request={"prompt": SECRET}, **ENVELOPE)

    left = stripped(document)

    assert SECRET not in str(left)
    assert {name: getattr(left, name) for name in ENVELOPE} == ENVELOPE
    assert (left.chunk_index, left.timestamp, left.raw_request) == (4, decode(encoded(document)).timestamp, None)
    assert left.response is not None


def test_the_chunk_itself_stays_as_it_is() -> None:
    """A repeat is compared with the whole first delivery before anything is taken from it."""
    whole = decode(encoded(chat(0, SECRET)))

    bare(whole, captured=True)

    assert whole == decode(encoded(chat(0, SECRET)))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        pytest.param(chat(0, SECRET), 6, id="text"),
        pytest.param(chat(0), None, id="nothing"),
        pytest.param(chat(0, ""), None, id="an empty text"),
        pytest.param(chunk(0, {"choices": [{"index": 0}]}), None, id="a choice without a delta"),
        pytest.param(chunk(0, {"choices": [{"delta": {"content": [{"text": SECRET}]}}]}), 6, id="blocks"),
        pytest.param(chunk(0, {"choices": [{"delta": {"role": "assistant"}}]}), None, id="a role"),
        pytest.param(
            chunk(0, {"choices": [{"delta": {"reasoning": SECRET, "reasoning_content": SECRET}}]}), 6, id="one"
        ),
        pytest.param(
            chunk(0, {"choices": [{"index": 0, "delta": {"content": "ab"}}, {"index": 1, "delta": {"refusal": "c"}}]}),
            3,
            id="two choices",
        ),
        pytest.param(
            chunk(0, {"choices": [{"delta": {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}}]}),
            3,
            id="a call",
        ),
        pytest.param(speech(0, b"sound"), 0, id="sound has no characters"),
        pytest.param(error(0, SECRET) | {"response": {"choices": [{"delta": {"content": SECRET}}]}}, None, id="error"),
        pytest.param(usage(0), None, id="usage"),
    ],
)
def test_how_much_was_said_is_known(document: Document, said: int | None) -> None:
    """Timing and estimates go on without the content (CONTRACT §4 rule 5, §5 G7)."""
    assert stripped(document).said == said


@pytest.mark.parametrize(
    ("document", "lost"),
    [
        pytest.param(chat(0, "a"), True, id="text"),
        pytest.param(chat(0, raw_request={"n": 1}), True, id="raw request"),
        pytest.param(chunk(0, {"choices": [], "extra_fields": {"raw_response": "x"}}), True, id="raw response"),
        pytest.param(usage(0), False, id="usage"),
        pytest.param(chat(0, finish="stop"), False, id="finish"),
        pytest.param(marker(0), False, id="marker"),
    ],
)
def test_only_what_had_content_is_cut(document: Document, lost: bool) -> None:
    """`truncated` says that content was lost; usage after the last content is whole."""
    whole = decode(encoded(document))

    assert cuts(whole, bare(whole, captured=True)) is lost


@pytest.mark.parametrize("document", [marker(3), error(3)], ids=["marker", "error"])
def test_what_has_no_response_is_only_copied(document: Document) -> None:
    """Markers and errors have no content."""
    assert chunk_fields(stripped(document)) == chunk_fields(decode(encoded(document)))


def test_odd_chunks_become_plain_ones() -> None:
    """The bytes that an odd chunk came as are content, and its oddness was counted before."""
    left: Any = stripped(
        chunk(0, {"choices": [{"delta": {"content": SECRET}}], "model": 5, "usage": {"total_tokens": 7}})
    )

    assert (left.original, left.anomalies, left.response.usage) == (None, 0, {"total_tokens": 7})
    assert SECRET not in str(left)


@pytest.mark.parametrize("stream_type", PAYLOADS)
def test_the_result_can_be_stored(stream_type: str) -> None:
    """Half characters in what stays are made whole, so that a checkpoint can encode it (G4, S-CHAT-9)."""
    document = chunk(0, PAYLOADS[stream_type], stream_type=stream_type, model="m", labels={"tenant": "t"})
    value = encoded(document).replace(b'"m"', b'"m\\ud83d"').replace(b'"t"', b'"\\ude00"')

    left = bare(decode(value), captured=True)

    packed = msgspec.msgpack.encode(left)
    assert msgspec.msgpack.decode(packed, type=STORED) == left
    assert (left.model, left.labels) == ("m\ufffd", {"tenant": "\ufffd"})


def test_errors_lose_what_they_quote() -> None:
    """Wherever a chunk carries one: beside its payload, inside of it, in the response of an event (G7)."""
    quoting = {"message": "no", "extra_fields": {"raw_request": SECRET, "raw_response": SECRET}}
    failed = {"type": "response.failed", "response": {"status": "failed", "error": quoting | {"metadata": SECRET}}}
    chunks = [
        chunk(0, PAYLOADS[CHAT], error=quoting),
        chunk(0, {"choices": [], "error": quoting}),
        chunk(0, {"choices": [], "x_groq": {"error": quoting}}),
        chunk(0, {"type": "error", "error": quoting}, stream_type=IMAGE),
        chunk(0, failed, stream_type=RESPONSES),
    ]

    left = [stripped(each) for each in chunks]

    assert SECRET not in str(left)
    assert str(left).count("'message': 'no'") == len(chunks)
