"""Reasoning details merged by index."""

from __future__ import annotations

from typing import Any

from pipeline.core.streams.thoughts import Thoughts
from schemas.payload import ReasoningDetail


def merged(*details: ReasoningDetail | str) -> list[dict[str, Any]]:
    """What these details, or bare reasoning texts, make."""
    thoughts = Thoughts()
    for detail in details:
        if isinstance(detail, str):
            thoughts.say(detail)
        else:
            thoughts.add(detail)
    return thoughts.render()


def test_texts_grow_and_marks_are_replaced() -> None:
    """S-CHAT-6: text, summary and data are appended; type, id and signature replaced; the output is sorted by index."""
    assert merged(
        ReasoningDetail(index=1, type="reasoning.encrypted", id="a", data="E"),
        ReasoningDetail(index=0, type="reasoning.text", text="Think ", signature="S1"),
        ReasoningDetail(index=0, type="", text="hard", signature="S2", id=""),
        ReasoningDetail(index=1, id="b", data="NC"),
        ReasoningDetail(index=2, type="reasoning.summary", summary="s"),
        ReasoningDetail(index=2, summary="t"),
    ) == [
        {"index": 0, "type": "reasoning.text", "text": "Think hard", "signature": "S2"},
        {"id": "b", "index": 1, "type": "reasoning.encrypted", "data": "ENC"},
        {"index": 2, "type": "reasoning.summary", "summary": "st"},
    ]


def test_whose_a_signature_is_stays_with_it() -> None:
    """Gateways of gateways say by `format` where data and signature may be sent back to; an empty one says nothing."""
    assert merged(
        ReasoningDetail(index=0, type="reasoning.encrypted", data="E", format="openai-responses-v1"),
        ReasoningDetail(index=0, data="F", format=""),
    ) == [{"index": 0, "type": "reasoning.encrypted", "data": "EF", "format": "openai-responses-v1"}]


def test_reasoning_without_details_is_the_text_of_detail_0() -> None:
    """S-CHAT-6: one detail is synthesised, and merged with a real one at that index."""
    assert merged("a", "b") == [{"index": 0, "type": "reasoning.text", "text": "ab"}]
    assert merged(ReasoningDetail(index=0, type="x", text="a"), "b") == [{"index": 0, "type": "x", "text": "ab"}]


def test_without_index_details_of_one_type_are_one() -> None:
    """A detail without index goes to the last of its type, without a type to the last of all, else it is a new one."""
    assert merged(
        ReasoningDetail(text="a"),
        ReasoningDetail(type="reasoning.text", text="b"),
        ReasoningDetail(type="reasoning.encrypted", data="c"),
        ReasoningDetail(type="reasoning.text", text="d"),
        ReasoningDetail(text="e"),
    ) == [
        {"index": 0, "text": "a"},
        {"index": 1, "type": "reasoning.text", "text": "bde"},
        {"index": 2, "type": "reasoning.encrypted", "data": "c"},
    ]
    assert merged("a", ReasoningDetail(type="reasoning.text", text="b")) == [
        {"index": 0, "type": "reasoning.text", "text": "ab"}
    ]


def test_only_what_can_be_read_is_content() -> None:
    """Encrypted data and signatures do not end the time to first content."""
    details = [
        ReasoningDetail(text="a"),
        ReasoningDetail(summary="a"),
        ReasoningDetail(data="a", signature="b", id="c"),
        ReasoningDetail(text=""),
    ]

    assert [Thoughts().add(detail) for detail in details] == [True, True, False, False]
