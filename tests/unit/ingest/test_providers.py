"""The registry: names of CONTRACT §6, and one suite that every format has to pass."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.signs import SIGNS
from pipeline.errors import UsageError
from pipeline.ingest import PROVIDERS, chunks_of
from pipeline.ingest.leaf import Payload
from pipeline.ingest.providers import provider_format
from schemas.chunk import StreamType
from schemas.decode import decode, decode_strict
from tests.unit.ingest.streams import (
    block_delta,
    block_start,
    block_stop,
    chat,
    gemini,
    message_delta,
    message_start,
    sse,
    translate,
)

NAMES = sorted(PROVIDERS)

TOOL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1]}}
CALL = {"index": 0, "id": "call_1", "function": {"name": "f", "arguments": {"a": 1}}}
USAGE = {"input_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 1}, "server_tool_use": {"x": 1}}
EVENTS: list[Payload] = [
    chat({"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]}),
    chat({"tool_calls": [CALL]}, x_groq={"usage": {"total_tokens": 1}, "error": "e"}),
    chat({"content": "a"}, "stop", usage={"total_tokens": 1}, error={"code": 502, "message": "m"}),
    {"object": "text_completion", "choices": [{"index": 0, "text": "a", "finish_reason": None}]},
    {"type": "response.created", "response": {"model": "m", "status": "in_progress", "output": []}},
    {"type": "response.completed", "response": {"status": "completed", "usage": {"input_tokens": 1}}},
    {"type": "error", "error": {"type": "t", "code": 1, "message": "m", "param": "p"}, "status": 500},
    {"type": "speech.audio.delta", "audio": "AAAA"},
    {"type": "speech.audio.done", "usage": {"input_tokens": 1}},
    {"type": "transcript.text.delta", "delta": "a", "logprobs": [{"token": "a"}]},
    {"type": "transcript.text.done", "text": "a", "usage": {"seconds": 1}},
    {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": "AAAA", "image_index": 1},
    {"type": "image_edit.completed", "b64_json": "AAAA", "index": 0, "usage": {"total_tokens": 1}},
    message_start(
        content=[TOOL, {"type": "text", "text": "a"}], usage=USAGE, stop_reason="tool_use", container={"id": 1}
    ),
    block_start(TOOL),
    block_start({"type": "text", "text": "a", "citations": [{"title": "t", "url": "u", "cited_text": "c"}]}),
    block_start({"type": "thinking", "thinking": "a", "signature": "s"}),
    block_start({"type": "redacted_thinking", "data": "d"}),
    block_delta(type="input_json_delta", partial_json="{"),
    block_delta(type="thinking_delta", thinking="a"),
    block_delta(type="citations_delta", citation={"source": "s", "document_title": "d"}),
    block_stop(),
    message_delta("end_turn", output_tokens=1, output_tokens_details={"thinking_tokens": 1}),
    gemini(
        {"text": "é", "thought": True, "thoughtSignature": "s"},
        {"functionCall": {"name": "f", "id": "1", "args": {"a": 1}, "willContinue": True}, "thoughtSignature": "s"},
        {"functionCall": {"partialArgs": [{"jsonPath": "$.a[0].b", "stringValue": "x", "willContinue": True}]}},
        {"inlineData": {"mimeType": "audio/L16", "data": "AAAA"}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"executableCode": {"code": "c"}},
        index=0,
        usageMetadata={"promptTokenCount": 1, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1}]},
        modelVersion="m",
        createTime="2026-01-01T00:00:00Z",
    ),
    gemini(
        {"text": "é"},
        finish="STOP",
        groundingMetadata={
            "groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
            "groundingSupports": [{"segment": {"endIndex": 2, "text": "é"}, "groundingChunkIndices": [0]}],
            "webSearchQueries": ["q"],
        },
        citationMetadata={"citationSources": [{"uri": "u", "startIndex": 0, "endIndex": 2}]},
        urlContextMetadata={"urlMetadata": [{"retrievedUrl": "u"}]},
        logprobsResult={
            "chosenCandidates": [{"token": "t", "logProbability": -1.5}],
            "topCandidates": [{"candidates": [{"token": "t", "logProbability": -1.5}]}],
        },
    ),
    {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"trafficType": "ON_DEMAND"}},
]
"""Events of all formats, each made to reach far into its translation."""

ODD: list[Any] = [
    None,
    True,
    -1,
    7,
    2**70,
    1e300,
    float("nan"),
    "",
    "a",
    "error",
    "\ud800",
    [],
    [[]],
    [None],
    {},
    {"a": {}},
]


def places(value: object) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else [])
    for key, child in pairs:
        yield value, key
        yield from places(child)


@st.composite
def damaged(draw: st.DrawFn) -> Payload:
    """An event in which up to two leaves or branches are something else."""
    event = copy.deepcopy(draw(st.sampled_from(EVENTS)))
    for _ in range(draw(st.integers(0, 2))):
        container, key = draw(st.sampled_from(list(places(event)) or [(event, "type")]))
        container[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
    return event


def test_all_names_of_the_contract_are_there() -> None:
    """Each of the six stream types has a provider format."""
    assert set(PROVIDERS) >= {
        "openai-chat",
        "openai-completions",
        "openai-responses",
        "openai-speech",
        "openai-transcription",
        "openai-images",
        "anthropic-messages",
        "gemini",
    }
    assert {form.stream_type for form in PROVIDERS.values()} == set(StreamType)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    """A slip of the pen gets the right name, anything else all of them."""
    with pytest.raises(UsageError, match=r"no provider format 'opena-chat'.*did you mean openai-chat\?"):
        provider_format("opena-chat")
    with pytest.raises(UsageError, match=r"one of openai-chat, .*anthropic-messages, gemini"):
        provider_format("xyz")


@pytest.mark.parametrize("name", NAMES)
@given(payloads=st.lists(damaged(), min_size=1, max_size=6), done=st.booleans())
def test_whatever_a_provider_sends_becomes_admissible_chunks(name: str, payloads: list[Payload], *, done: bool) -> None:
    """No payload is too odd: it gives chunks with distinct identities that both decoders take, or nothing at all."""
    text = sse(*payloads, done=done)
    try:
        chunks = list(chunks_of(text, provider=name, request_id="r", report=lambda _: None))
    except UsageError as error:
        assert "no event of a stream" in error.message  # noqa: PT017  whether it raises depends on the payloads
        return

    values = [json.dumps(chunk).encode() for chunk in chunks]
    assert [decode(value).chunk_index for value in values] == [chunk["chunk_index"] for chunk in chunks]
    assert [decode_strict(value).stream_type for value in values] == [PROVIDERS[name].stream_type] * len(chunks)
    assert not any(chunk["is_final"] for chunk in chunks[:-1])
    identities = [slot_and_index(decode(value)) for value in values]
    assert len(set(identities)) == len(identities)


def slot_and_index(chunk: Any) -> tuple[int, int | None, int]:
    """What distinguishes chunks of one attempt (CONTRACT §1)."""
    return SIGNS[chunk.stream_type](chunk).kind, chunk.image_index, chunk.chunk_index


@pytest.mark.parametrize("name", NAMES)
def test_a_format_keeps_nothing_from_one_stream_to_the_next(name: str) -> None:
    """The same recording gives the same chunks, however often it is read."""
    assert translate(name, *EVENTS) == translate(name, *EVENTS)


@pytest.mark.parametrize("name", NAMES)
def test_a_lone_done_is_a_stream_that_ended_without_a_word(name: str) -> None:
    """It becomes a bare end marker, so that the request has a record."""
    (chunk,) = translate(name, done=True)

    assert chunk["is_final"]
    assert chunk["response"] is None
    assert chunk["error"] is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["", "\n\n", ": comment\n\n", "data: {\n\n", "just text\n", "{"])
def test_a_recording_without_events_is_refused(name: str, text: str) -> None:
    """An empty or foreign file is no stream."""
    with pytest.raises(UsageError, match="no event of a stream"):
        list(chunks_of(text, provider=name, request_id="r"))
