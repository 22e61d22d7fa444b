"""Answers as messages of parts."""

from __future__ import annotations

from typing import Any

from pipeline.sinks.export.messages import messages_of
from tests.unit.sinks.export.records import entry, example


def parts(record: dict[str, Any]) -> list[tuple[str, Any]]:
    """Kind and text, or name, of the parts of a record's first message."""
    found = messages_of(entry(record)) or [{"parts": []}]
    return [(part["type"], part.get("content") or part.get("name")) for part in found[0]["parts"]]


def test_text_and_tool_calls_of_a_chat() -> None:
    """In the order of the conventions, with the finish reason."""
    (message,) = messages_of(entry(example("tool-call"))) or []
    assert (message["role"], message["finish_reason"]) == ("assistant", "tool_calls")
    assert message["parts"] == [
        {"type": "text", "content": "Let me look."},
        {"type": "tool_call", "id": "call_w1", "name": "current_weather", "arguments": '{"city":"Lisbon"}'},
    ]


def test_every_choice_is_a_message() -> None:
    """With its own finish reason."""
    found = messages_of(entry(example("choices"))) or []
    assert len(found) == 2
    assert all(message["finish_reason"] for message in found)


def test_items_of_the_responses_api() -> None:
    """Reasoning, text, refusals and calls; what else an item may be is not content that is text."""
    items = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "why"}], "content": [{"text": "deep"}]},
        {
            "type": "message",
            "content": [{"type": "output_text", "text": "hello"}, {"type": "refusal", "refusal": "no"}],
        },
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "image_generation_call", "result": "aGVsbG8="},
        "odd",
    ]
    assert parts(example("lisbon", output_messages=items)) == [
        ("reasoning", "why"),
        ("reasoning", "deep"),
        ("text", "hello"),
        ("text", "no"),
        ("tool_call", "look"),
    ]


def test_a_transcript_is_text_and_media_are_nothing() -> None:
    """Sound and pictures stay where they are."""
    assert [kind for kind, _ in parts(example("skies"))] == ["text"]
    assert messages_of(entry(example("hello"))) is None
    assert messages_of(entry(example("fox"))) is None


def test_odd_shapes_are_left_out() -> None:
    """A provider's surprise is no reason to lose an event."""
    odd = {"content": [{"text": "a"}, 5, {"image_url": "x"}], "refusal": None, "tool_calls": [None, {"id": 1}]}
    assert parts(example("sea", output_message=odd)) == [("text", "a")]
