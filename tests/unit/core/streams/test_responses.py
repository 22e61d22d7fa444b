"""Responses API streams as a whole: output, ends, errors, and what counts as content."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.streams import CONTENT, FOLDS
from tests.unit.core.streams.build import Json, chunk, event, fold, payload_of, times

MESSAGE: Json = {"id": "m1", "type": "message", "status": "in_progress", "role": "assistant", "content": []}


def said(text: str, **fields: Any) -> Json:
    """A text delta."""
    return event("output_text.delta", delta=text, **fields)


def text_of(item: Json) -> str:
    """The texts of an item's content."""
    return "".join(part["text"] for part in item["content"])


def test_only_items_are_output() -> None:
    """S-RESP-1, S-RESP-11: created, in_progress, queued, ping and unknown events carry no output."""
    output = fold(
        "responses",
        event("created", response={"output": [MESSAGE]}),
        *(event(name) for name in ("in_progress", "queued", "ping", "doom_loop_check")),
        {"delta": "no type"},
        None,
    )

    assert (output.output_messages, output.tool_calls, output.content_times) == (None, None, [])
    assert not output.terminal


def test_the_terminal_output_is_authoritative() -> None:
    """S-RESP-3: when it is not empty; what in it is no item is odd."""
    final = [{"type": "message", "content": [{"type": "output_text", "text": "Final"}]}]
    output = fold(
        "responses",
        said("Draft"),
        event("completed", response={"output": [*final, "odd"]}),
        event("completed", response={}),
    )

    assert output.output_messages == final
    assert output.anomalies == 1
    assert fold("responses", event("completed", response={"output": "odd"})).anomalies == 1


def test_function_calls_are_tool_calls_too() -> None:
    """CONTRACT §2: in chat's shape, in output order; arguments that are no text are left to the item."""
    output = fold(
        "responses",
        event(
            "output_item.done",
            output_index=1,
            item={"type": "function_call", "call_id": "b", "name": "g", "arguments": {}},
        ),
        event("output_item.done", output_index=0, item={"type": "function_call", "call_id": "a", "arguments": "1"}),
        event("output_item.done", output_index=2, item={"type": "custom_tool_call", "call_id": "c"}),
    )

    assert output.tool_calls == [
        {"index": 0, "type": "function", "id": "a", "function": {"name": None, "arguments": "1"}},
        {"index": 1, "type": "function", "id": "b", "function": {"name": "g", "arguments": ""}},
    ]


def test_an_incomplete_response_says_why() -> None:
    """S-RESP-9: incomplete → finish_reason = incomplete_details.reason."""
    details: Json = {"incomplete_details": {"reason": "max_output_tokens"}, "status": "incomplete"}
    event_says = fold("responses", said("a"), event("incomplete", response=details))
    status_says = fold("responses", event("completed", response=details))

    for output in (event_says, status_says):
        assert (output.finish_reason, output.incomplete, output.terminal) == ("max_output_tokens", True, True)
    assert fold("responses", event("incomplete", response={"incomplete_details": "odd"})).finish_reason is None


def test_a_completed_response_makes_up_no_finish_reason() -> None:
    """S-RESP-9: only stop_reason, where a gateway sends it, is one."""
    plain = fold(
        "responses", event("completed", response={"status": "completed", "incomplete_details": {"reason": "x"}})
    )
    stopped = fold("responses", event("completed", response={"stop_reason": "end_turn"}))

    assert (plain.finish_reason, plain.incomplete, plain.terminal, plain.error) == (None, False, True, None)
    assert stopped.finish_reason == "end_turn"


@pytest.mark.parametrize("last", [event("cancelled"), event("completed", response={"status": "cancelled"})])
def test_a_cancelled_response_is_incomplete(last: Json) -> None:
    """CONTRACT §2: the provider's own cancelled end."""
    output = fold("responses", said("a"), last)

    assert (output.incomplete, output.terminal, output.error) == (True, True, None)


@pytest.mark.parametrize(
    ("last", "text"),
    [
        (event("failed", response={"output": [], "error": {"code": 1, "message": "boom"}}), "boom"),
        (event("error", message="quota", code="q"), "quota"),
        (event("ping", error={"message": "cut"}), "cut"),
    ],
)
def test_failures_are_errors_and_keep_what_came(last: Json, text: str) -> None:
    """S-RESP-9, S-ERR-5: failed and error events."""
    output = fold("responses", said("Hello "), last)

    assert (output.error or {})["error"]["message"] == text
    assert text_of((output.output_messages or [])[0]) == "Hello "


def test_error_chunks_have_no_say_in_the_order() -> None:
    """S-RESP-12: a chunk without payload, or with one beside its error, changes nothing."""
    found = [
        chunk("responses", said("a"), 0),
        chunk("responses", None, 1, error={"message": "boom"}),
        chunk("responses", said("x"), 2, error={"message": "boom"}),
        chunk("responses", said("b"), 3),
    ]

    assert text_of((FOLDS["responses"](found).output_messages or [])[0]) == "ab"


def test_content_counts_when_it_is_new() -> None:
    """CONTRACT §2, inter_chunk_latency: events that only repeat what came are not content chunks."""
    whole: Json = {**MESSAGE, "content": [{"type": "output_text", "text": "ab"}]}
    output = fold(
        "responses",
        event("output_item.added", output_index=0, item=MESSAGE),
        said("a", output_index=0),
        said("b", output_index=0),
        event("output_text.done", output_index=0, text="ab"),
        event("content_part.done", output_index=0, part=whole["content"][0]),
        event("output_item.done", output_index=0, item=whole),
        event("function_call_arguments.done", output_index=1, arguments="{}"),
        event("completed", response={"output": [whole]}),
    )

    assert times(output) == [1, 2, 6]


@pytest.mark.parametrize(
    ("one", "carries"),
    [
        (said("a"), True),
        (said(""), False),
        (event("output_text.done", text="a"), True),
        (event("content_part.added", part={"type": "output_text", "text": ""}), False),
        (event("content_part.done", part={"type": "refusal", "refusal": "a"}), True),
        (event("reasoning_summary_text.delta", signature="a"), False),
        (event("output_item.added", item=MESSAGE), False),
        (event("output_item.added", item={"type": "function_call"}), True),
        (event("output_item.added", item={"type": "web_search_call", "status": "in_progress"}), False),
        (event("output_item.done", item={"type": "message", "content": "a"}), True),
        (event("output_item.done", item={"type": "message", "content": ["a"]}), True),
        (event("image_generation_call.partial_image"), True),
        (event("shell_call_output_content.done", output=[{"stdout": "a"}]), True),
        (event("completed", response={"output": [{"result": "cA=="}]}), True),
        (event("completed", response={"output": [MESSAGE]}), False),
        (event("nobody_knows"), False),
    ],
)
def test_content_is_what_a_reader_gets(one: Json, *, carries: bool) -> None:
    """CONTRACT §2, time_to_first_content: text, reasoning, refusal, calls for the caller, images and results."""
    assert CONTENT["responses"](payload_of("responses", one)) is carries
