"""openai-chat: what is brought into the shape of WIRE §5."""

import pytest

from pipeline.ingest.leaf import Payload
from pipeline.ingest.openai_chat import ChatStream
from tests.unit.ingest.streams import chat, feed, response, translate


def delta_of(delta: Payload) -> Payload:
    """A delta after translation."""
    translated = response(feed(ChatStream(), chat(delta)))["choices"][0]["delta"]
    assert isinstance(translated, dict)
    return translated


def test_a_whole_stream_becomes_chunks_in_order() -> None:
    """Chunk i holds payload i; the last one is final because of [DONE]."""
    chunks = translate("openai-chat", chat({"role": "assistant"}), chat({"content": "Hi"}), chat({}, "stop"), done=True)

    assert [chunk["response"] for chunk in chunks] == [
        chat({"role": "assistant"}),
        chat({"content": "Hi"}),
        chat({}, "stop"),
    ]
    assert [(chunk["chunk_index"], chunk["is_final"]) for chunk in chunks] == [(0, False), (1, False), (2, True)]
    assert {(chunk["stream_type"], chunk["provider"], chunk["model"]) for chunk in chunks} == {
        ("chat.completion", "openai", "m1")
    }


def test_content_in_blocks_becomes_content_and_reasoning() -> None:
    """Mistral's thinking models send lists; references become annotations, blocks nobody knows items."""
    blocks = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "let "}, {"type": "text", "text": "me"}]},
        {"type": "thinking", "thinking": " see"},
        {"type": "text", "text": "It "},
        {"type": "reference", "reference_ids": [1]},
        {"type": "text", "text": "is"},
        {"type": "image_url", "image_url": {"url": "data:,"}},
        {"type": "audio", "x": 1},
        "odd",
    ]

    assert delta_of({"content": blocks, "annotations": [{"type": "a"}]}) == {
        "content": "It is",
        "reasoning": "let me see",
        "annotations": [{"type": "a"}, {"type": "reference", "reference_ids": [1]}],
        "images": [{"type": "image_url", "image_url": {"url": "data:,"}}],
        "provider_items": [{"type": "audio", "x": 1}],
    }


@pytest.mark.parametrize("blocks", [[], ["odd"], [{"type": "text", "text": 7}], [{"type": "thinking"}]])
def test_blocks_without_text_leave_content_null(blocks: list[Payload]) -> None:
    """No text is null, never an empty string of our own (S-CHAT-3)."""
    assert delta_of({"content": blocks}) == {"content": None}


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_that_is_there_already_counts_once(name: str) -> None:
    """A proxy that sends both forms sends the same thoughts twice (S-CHAT-5)."""
    blocks = [{"type": "thinking", "thinking": "t"}]

    assert delta_of({"content": blocks, name: "t"}) == {"content": None, name: "t"}


def test_arguments_that_come_as_an_object_become_its_text() -> None:
    """The fold appends text (S-TOOL-1); text, null and absent arguments stay as they are."""
    calls = [
        {"index": 0, "function": {"name": "f", "arguments": {"id": 2**60, "city": "Köln"}}},
        {"index": 1, "function": {"name": "g", "arguments": "{}"}},
        {"index": 2, "function": {"name": "h", "arguments": None}},
        {"index": 3, "function": None},
    ]

    translated = delta_of({"tool_calls": calls})["tool_calls"]

    assert translated[0]["function"]["arguments"] == '{"id":1152921504606846976,"city":"Köln"}'
    assert [call["function"] for call in translated[1:]] == [
        {"name": "g", "arguments": "{}"},
        {"name": "h", "arguments": None},
        None,
    ]


def test_tools_that_groq_ran_are_items() -> None:
    """Its compound models search by themselves; what they found comes in a place that WIRE §5 does not have."""
    tool = {
        "index": 0,
        "type": "search",
        "arguments": "{}",
        "search_results": {"results": [{"url": "https://a.example"}]},
    }

    assert delta_of({"executed_tools": [tool]}) == {"provider_items": [tool]}
    assert delta_of({"executed_tools": []}) == {"executed_tools": []}


def test_a_choice_without_delta_passes() -> None:
    """Azure sends content filter results on choices of their own."""
    payload = {"choices": [{"index": 0, "content_filter_results": {}, "finish_reason": None}]}

    assert response(feed(ChatStream(), payload)) == {
        "choices": [{"index": 0, "content_filter_results": {}, "finish_reason": None}]
    }
