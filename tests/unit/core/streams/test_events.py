"""What each event does to the items."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.core.streams.build import Json, event, fold, items, times

MESSAGE: Json = {"id": "m1", "type": "message", "status": "in_progress", "role": "assistant", "content": []}


def said(text: str, **fields: Any) -> Json:
    """A text delta."""
    return event("output_text.delta", delta=text, **fields)


def test_deltas_grow_the_block_they_name() -> None:
    """S-RESP-2: items are announced, parts are added, text is appended at content_index, however large that is."""
    part = {"type": "output_text", "text": "", "annotations": []}

    assert items(
        event("output_item.added", output_index=0, item=MESSAGE),
        event("content_part.added", output_index=0, content_index=0, part=part),
        said("Hello ", output_index=0, content_index=0),
        said("there", output_index=0, content_index=0),
        said("far", output_index=0, content_index=2**50),
    ) == [
        {
            **MESSAGE,
            "content": [{**part, "text": "Hello there"}, {"type": "output_text", "text": "far"}],
        }
    ]


def test_a_message_is_made_when_there_is_none() -> None:
    """S-RESP-2: deltas before any item open one."""
    assert items(said("bare "), said("text")) == [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "bare text"}]}
    ]


def test_done_events_replace() -> None:
    """S-RESP-3: they carry the full value, so text that also came in deltas is there once."""
    whole = {"type": "output_text", "text": "Hello!", "annotations": [1]}

    assert items(
        said("Hel", output_index=0),
        event("output_text.done", output_index=0, text="Hello", logprobs=[{"token": "Hello"}]),
        event("content_part.done", output_index=0, part=whole),
    ) == [{"type": "message", "role": "assistant", "content": [{**whole, "logprobs": [{"token": "Hello"}]}]}]


def test_an_empty_done_event_takes_nothing_away() -> None:
    """S-RESP-3: a gateway that leaves the full value out does not erase what came."""
    done = {**MESSAGE, "status": "completed"}

    assert items(
        event("output_item.added", output_index=0, item=MESSAGE),
        said("Hello", output_index=0),
        event("output_text.done", output_index=0, text=""),
        event("content_part.done", output_index=0),
        event("output_item.done", output_index=0, item=done),
        event("output_item.done", output_index=0),
        event("completed", response={"output": []}),
    ) == [{**done, "content": [{"type": "output_text", "text": "Hello"}]}]


def test_an_item_that_is_done_replaces_the_accumulated_one() -> None:
    """S-RESP-3: results that exist nowhere else, such as those of searches and images, come with it."""
    done = {"id": "ws", "type": "web_search_call", "status": "completed", "action": {"query": "q"}}
    image = {"id": "ig", "type": "image_generation_call", "result": "cA=="}

    assert items(
        event(
            "output_item.added", output_index=0, item={"id": "ws", "type": "web_search_call", "status": "in_progress"}
        ),
        event("web_search_call.searching", output_index=0, item_id="ws"),
        event("output_item.done", output_index=0, item=done),
        event("web_search_call.in_progress", output_index=0),
        event("output_item.done", output_index=1, item=image),
    ) == [done, image]


def test_progress_is_the_status_of_a_call_until_its_item_comes() -> None:
    """S-RESP-11: progress of an item that nobody announced makes none."""
    call = {"id": "ci", "type": "code_interpreter_call"}

    assert items(
        event("mcp_call.completed", item_id="?"),
        event("output_item.added", item=call),
        event("code_interpreter_call.interpreting", item_id="ci"),
    ) == [{**call, "status": "interpreting"}]


@pytest.mark.parametrize(
    ("type_", "field", "name"),
    [
        ("function_call", "arguments", "function_call_arguments"),
        ("mcp_call", "arguments", "mcp_call_arguments"),
        ("custom_tool_call", "input", "custom_tool_call_input"),
        ("code_interpreter_call", "code", "code_interpreter_call_code"),
    ],
)
def test_text_fields_of_calls_are_folded(type_: str, field: str, name: str) -> None:
    """S-RESP-5: deltas are appended, done replaces, also where deltas or the item are missing."""
    call = {"id": "c", "type": type_, "call_id": "call", field: ""}
    grown = items(
        event("output_item.added", output_index=0, item=call),
        event(f"{name}.delta", output_index=0, delta='{"x":'),
        event(f"{name}.delta", output_index=0, delta="1}"),
    )
    whole = items(event(f"{name}.done", item_id="c", **{field: "{}", "name": "f"}))
    both = items(
        event(f"{name}.delta", output_index=0, delta="{"), event(f"{name}.done", output_index=0, **{field: "{}"})
    )

    assert grown == [{**call, field: '{"x":1}'}]
    assert whole == [{"type": type_, "id": "c", "name": "f", field: "{}"}]
    assert both == [{"type": type_, field: "{}"}]


def test_a_name_that_is_known_stays() -> None:
    """S-RESP-5: the closing event names a function only where nothing else did."""
    call = {"id": "c", "type": "function_call", "name": "f"}

    assert items(
        event("output_item.added", item=call),
        event("function_call_arguments.done", item_id="c", name="g", arguments="1"),
    ) == [{**call, "arguments": "1"}]


def test_reasoning_summaries_are_kept_part_by_part() -> None:
    """S-RESP-6: by summary_index, absent means 0; the item is made from its id."""
    assert items(
        event("reasoning_summary_part.added", item_id="rs", summary_index=0, part={"type": "summary_text", "text": ""}),
        event("reasoning_summary_text.delta", item_id="rs", delta="First "),
        event("reasoning_summary_text.delta", item_id="rs", summary_index=0, delta="part"),
        event("reasoning_summary_text.delta", item_id="rs", summary_index=1, delta="Sec"),
        event("reasoning_summary_text.done", item_id="rs", summary_index=1, text="Second"),
        event("reasoning_summary_text.done", item_id="rs", summary_index=1),
        event(
            "reasoning_summary_part.done", item_id="rs", summary_index=0, part={"type": "summary_text", "text": "1st"}
        ),
        event("reasoning_summary_part.done", item_id="rs", summary_index=0),
    ) == [
        {
            "type": "reasoning",
            "id": "rs",
            "summary": [{"type": "summary_text", "text": "1st"}, {"type": "summary_text", "text": "Second"}],
        }
    ]


def test_reasoning_text_is_content_of_its_item() -> None:
    """S-RESP-6: reasoning_text events, and summary events that carry a content_index alone."""
    assert items(
        event("content_part.added", item_id="rs", content_index=0, part={"type": "reasoning_text", "text": ""}),
        event("reasoning_text.delta", item_id="rs", content_index=0, delta="raw ", signature="S"),
        event("reasoning_summary_text.delta", item_id="rs", content_index=0, delta="cot", signature="G"),
        event("reasoning_text.delta", item_id="rs", content_index=1, delta="x"),
        event("reasoning_text.done", item_id="rs", content_index=1, text="y"),
    ) == [
        {
            "type": "reasoning",
            "id": "rs",
            "content": [
                {"type": "reasoning_text", "text": "raw cot", "signature": "SG"},
                {"type": "reasoning_text", "text": "y"},
            ],
        }
    ]


def test_a_signature_without_content_index_is_the_encrypted_content() -> None:
    """S-RESP-6: a gateway's extension; it makes no summary part of its own."""
    assert items(
        event("output_item.added", output_index=0, item={"id": "rs", "type": "reasoning", "summary": []}),
        event("reasoning_summary_text.delta", output_index=0, signature="SG"),
        event("reasoning_summary_text.delta", output_index=0, signature="1"),
    ) == [{"id": "rs", "type": "reasoning", "summary": [], "encrypted_content": "SG1"}]


def test_refusals_are_read_in_both_fields() -> None:
    """S-RESP-7: the fragment is in `delta`, in older gateways in `refusal`."""
    assert items(
        event("content_part.added", item_id="m", part={"type": "refusal", "refusal": ""}),
        event("refusal.delta", item_id="m", delta="I "),
        event("refusal.delta", item_id="m", refusal="can't"),
    )[0]["content"] == [{"type": "refusal", "refusal": "I can't"}]
    assert items(event("refusal.delta", delta="I"), event("refusal.done", refusal="I can't"))[0]["content"] == [
        {"type": "refusal", "refusal": "I can't"}
    ]


def test_annotations_are_appended_to_their_part() -> None:
    """S-RESP-8: and so are the log-probs of deltas; neither is ever lost to an empty closing event."""
    notes = [{"type": "url_citation", "url": url} for url in "ab"]
    part: Json = {"type": "output_text", "text": "", "annotations": [], "logprobs": None}

    assert items(
        event("content_part.added", output_index=0, part=part),
        said("x", output_index=0, logprobs=[{"token": "x"}]),
        said("y", output_index=0, logprobs=[{"token": "y"}]),
        *(event("output_text.annotation.added", output_index=0, annotation=note) for note in notes),
        event("output_text.annotation.added", output_index=0),
        event("content_part.done", output_index=0, part={"type": "output_text", "text": "xy", "annotations": []}),
    )[0]["content"] == [
        {"type": "output_text", "text": "xy", "annotations": notes, "logprobs": [{"token": "x"}, {"token": "y"}]}
    ]


def test_shell_commands_and_their_output_are_folded() -> None:
    """S-RESP-3: commands lie in the action, output is kept command by command."""
    call = {"id": "s", "type": "shell_call", "call_id": "c", "action": {"commands": ["cd"], "timeout_ms": 5}}

    assert items(
        event("output_item.added", output_index=0, item=call),
        event("shell_call_command.added", output_index=0, command_index=1, command=""),
        event("shell_call_command.delta", output_index=0, command_index=1, delta="l"),
        event("shell_call_command.delta", output_index=0, command_index=1, delta="s"),
        event("shell_call_command.done", output_index=0, command_index=2, command="pwd"),
        event("shell_call_output_content.delta", output_index=1, delta={"stdout": "a", "stderr": "e"}),
        event("shell_call_output_content.delta", output_index=1, delta={"stdout": "b"}),
        event("shell_call_output_content.done", output_index=1, command_index=1, output=[{"stdout": "c"}]),
        event("shell_call_command.delta", output_index=2, delta="true"),
    ) == [
        {**call, "action": {"commands": ["cd", "ls", "pwd"], "timeout_ms": 5}},
        {"type": "shell_call_output", "output": [{"stdout": "ab", "stderr": "e"}, {"stdout": "c"}]},
        {"type": "shell_call", "action": {"commands": ["true"]}},
    ]


def test_patches_grow_in_their_operation() -> None:
    """S-RESP-3: the diff of an apply_patch_call; the closing event replaces it."""
    call = {"id": "p", "type": "apply_patch_call", "operation": {"type": "update_file", "path": "a", "diff": ""}}
    deltas = [event("apply_patch_call_operation_diff.delta", output_index=0, delta=piece) for piece in ("@@", "-a")]
    done = event("apply_patch_call_operation_diff.done", output_index=0, diff="@@-b")
    operation: Json = {"type": "update_file", "path": "a"}

    assert items(event("output_item.added", output_index=0, item=call), *deltas) == [
        {**call, "operation": {**operation, "diff": "@@-a"}}
    ]
    assert items(*deltas, done) == [{"type": "apply_patch_call", "operation": {"diff": "@@-b"}}]


def test_deltas_of_unexpected_shape_are_counted() -> None:
    """CONTRACT §1: they are ignored."""
    output = fold(
        "responses", event("output_text.delta", delta=5), event("shell_call_output_content.delta", delta="x"), said("a")
    )

    assert output.anomalies == 2
    assert times(output) == [2]
