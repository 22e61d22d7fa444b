"""anthropic-messages: the order of events, finish, usage, content that comes along, errors and cuts."""

from typing import Any

import pytest

from pipeline.core.valuation import Valuation
from pipeline.ingest.anthropic_messages import MessageStream
from pipeline.ingest.leaf import Payload
from pipeline.pricing.pricer import PriceList
from tests.ledger import fold
from tests.unit.ingest.streams import (
    block_delta,
    block_start,
    block_stop,
    feed,
    message_delta,
    message_start,
    only,
    response,
    responses,
    translate,
)

STOP: Payload = {"type": "message_stop"}


def deltas(payloads: list[Payload]) -> list[Payload]:
    """The deltas of chunks that have a choice."""
    return [payload["choices"][0]["delta"] for payload in payloads if payload["choices"]]


def test_a_compaction_is_billed_and_the_tokens_are_those_of_the_answer() -> None:
    """Claude API, Compaction: 1.1 × (60,385 × 5 + 522 × 25) for the summary, 1.1 × (612 × 5 + 2,819 × 25) beside it."""
    told = {"input_tokens": 612, "cache_read_input_tokens": 0, "output_tokens": 2_819}
    summary = {"type": "compaction", "input_tokens": 60_385, "output_tokens": 522, "cache_read_input_tokens": 0}
    answer = {"type": "message", **told}
    begin = {"input_tokens": 60_385, "output_tokens": 5, "service_tier": "standard", "inference_geo": "us"}
    chunks = translate(
        "anthropic-messages",
        message_start(content=[], usage=begin, model="claude-opus-4-6"),
        block_start({"type": "text", "text": "Hi"}),
        message_delta("end_turn", **told, iterations=[summary, answer]),
        STOP,
    )

    record = fold(*chunks, valuation=Valuation(PriceList()))

    usage = record["token_usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (612, 2_819, 3_431)
    assert (usage["compaction"]["total_tokens"], record["cost_details"]["total"]) == (60_907, "0.427361")


@pytest.mark.parametrize("along", [False, True])
def test_the_model_that_takes_over_is_the_one_that_answers(*, along: bool) -> None:
    """Claude API, Refusals and fallback: counts at the top are the fallback's, and so is their price."""
    block = {"type": "fallback", "from": {"model": "claude-x"}, "to": {"model": "claude-y"}}
    began = [message_start(content=[block] if along else [], usage={"input_tokens": 5, "output_tokens": 1})]
    chunks = translate(
        "anthropic-messages",
        *(began if along else [*began, block_start(block), block_stop()]),
        block_start({"type": "text", "text": "Hi"}),
        message_delta("end_turn", output_tokens=12),
        STOP,
    )

    assert [chunk["model"] for chunk in chunks][-2:] == ["claude-y", "claude-y"]
    assert chunks[0]["response"]["model"] == "claude-x"


def test_a_message_becomes_a_chat_stream() -> None:
    """Role and first usage, content, finish and whole usage; ping and the stops give nothing (WIRE §5)."""
    chunks = translate(
        "anthropic-messages",
        message_start(content=[], usage={"input_tokens": 5, "output_tokens": 1}),
        block_start({"type": "text", "text": ""}),
        {"type": "ping"},
        block_delta(type="text_delta", text="Hi"),
        block_stop(),
        message_delta("end_turn", output_tokens=12),
        STOP,
    )

    base = {"id": "msg_1", "object": "chat.completion.chunk", "model": "claude-x"}
    assert [chunk["response"] for chunk in chunks] == [
        base
        | {
            "choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
        },
        base | {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]},
        base
        | {
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 12, "total_tokens": 17},
        },
    ]
    assert [chunk["is_final"] for chunk in chunks] == [False, False, True]
    assert {(chunk["stream_type"], chunk["provider"], chunk["model"]) for chunk in chunks} == {
        ("chat.completion", "anthropic", "claude-x")
    }


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("compaction", "stop"),
        ("tool_use", "tool_calls"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("brand_new", "brand_new"),
    ],
)
def test_stop_reasons_have_the_names_of_chat(reason: str, finish: str) -> None:
    """Known ones are mapped, unknown ones pass through."""
    assert response(feed(MessageStream(), message_delta(reason)))["choices"][0]["finish_reason"] == finish


def test_a_cut_stream_keeps_its_first_usage_and_is_not_final() -> None:
    """What message_start told is all there is to bill."""
    chunks = translate(
        "anthropic-messages",
        message_start(usage={"input_tokens": 5, "output_tokens": 1}),
        block_start({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}),
    )

    assert chunks[0]["response"]["usage"]["total_tokens"] == 6
    assert deltas([chunk["response"] for chunk in chunks[1:]]) == [
        {"tool_calls": [{"index": 0, "id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]},
    ]
    assert not any(chunk["is_final"] for chunk in chunks)


def test_content_that_comes_with_message_start_counts() -> None:
    """Blocks may be there at once, and with them the reason to stop."""
    stream = MessageStream()
    content: list[Any] = [
        {"type": "thinking", "thinking": "t", "signature": "s"},
        {"type": "text", "text": "Hi"},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "x", "input": {}},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"player": "one"}},
    ]

    chunks = responses(feed(stream, message_start(content=content, stop_reason="tool_use"), STOP))

    assert deltas(chunks) == [
        {"role": "assistant"},
        {
            "reasoning": "t",
            "reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "t", "signature": "s"}],
        },
        {"content": "Hi"},
        {"provider_items": [content[2]]},
        {"tool_calls": [{"index": 0, "id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"player":"one"}'}}]},
        {},
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert stream.ended


def test_usage_without_a_stop_reason_is_a_chunk_of_usage() -> None:
    """It has no choice; with neither there is nothing to say."""
    assert response(feed(MessageStream(), message_delta(None, output_tokens=3)))["choices"] == []
    assert feed(MessageStream(), message_delta(None)) == []


def test_tier_place_and_speed_ride_on_the_chunks_with_usage() -> None:
    """What WIRE §5 has on the chunk is taken from where Anthropic reports it."""
    usage = {"input_tokens": 1, "service_tier": "priority", "inference_geo": "eu", "speed": "fast"}
    stream = MessageStream()

    for chunk in responses(feed(stream, message_start(usage=usage), message_delta("end_turn"))):
        assert (chunk["service_tier"], chunk["inference_geo"], chunk["speed"]) == ("priority", "eu", "fast")


def test_what_was_done_for_the_whole_message_is_an_item() -> None:
    """A container to go on in, and what was cut out of the context; told twice it is there once."""
    container = {"id": "c1", "expires_at": "2026-01-01T00:00:00Z"}
    edits = {"applied_edits": [{"type": "clear_tool_uses_20250919", "cleared_input_tokens": 9}]}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "container": container}}
    late = {"type": "message_delta", "delta": {}, "context_management": edits}

    assert deltas(responses(feed(MessageStream(), message_start(container=container), end, late, late))) == [
        {"role": "assistant", "provider_items": [{"type": "container", **container}]},
        {},
        {"provider_items": [{"type": "context_management", **edits}]},
    ]


REFUSED: Payload = {"type": "refusal", "category": "bio", "explanation": "No."}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None}, None),
        (
            {"stop_reason": "stop_sequence", "stop_sequence": "END"},
            {"stop_reason": "stop_sequence", "stop_sequence": "END"},
        ),
        ({"stop_reason": "pause_turn"}, {"stop_reason": "pause_turn"}),
        ({"stop_reason": "refusal", "stop_details": REFUSED}, {"stop_reason": "refusal", **REFUSED}),
        ({"stop_reason": "model_context_window_exceeded"}, {"stop_reason": "model_context_window_exceeded"}),
        ({"stop_reason": "max_tokens"}, None),
    ],
)
def test_what_finish_reason_does_not_say_is_kept(told: Payload, words: Payload | None) -> None:
    """A pause is no end to the caller, a sequence is one of several, a refusal has a category."""
    by_delta = response(feed(MessageStream(), {"type": "message_delta", "delta": told}))
    by_start = responses(feed(MessageStream(), message_start(**told)))[-1]

    assert by_delta["choices"][0].get("stop_details") == words
    assert by_start["choices"][0].get("stop_details") == words


def test_an_error_event_stays_in_band_and_ends_the_stream() -> None:
    """The chunk is an error of its own; no finish_reason is made of it (S-ERR-5)."""
    stream = MessageStream()
    feed(stream, message_start())

    error = {"type": "overloaded_error", "message": "Overloaded"}
    part = only(feed(stream, {"type": "error", "error": error}))

    assert part.failed
    assert response([part]) == {
        "id": "msg_1",
        "object": "chat.completion.chunk",
        "model": "claude-x",
        "choices": [],
        "error": error,
    }
    assert stream.ended


def test_the_name_of_an_event_stands_in_for_its_type() -> None:
    """The type may be written only before the data; events nobody knows give nothing."""
    stream = MessageStream()

    parts = feed(stream, {"index": 0, "delta": {"type": "text_delta", "text": "a"}}, name="content_block_delta")

    assert deltas(responses(parts)) == [{"content": "a"}]
    assert feed(stream, {"x": 1}, {"type": "ping"}, {"type": ["odd"]}) == []


def test_a_message_without_role_is_the_assistant_s() -> None:
    """Only assistants stream."""
    assert deltas(responses(feed(MessageStream(), {"type": "message_start"}))) == [{"role": "assistant"}]
