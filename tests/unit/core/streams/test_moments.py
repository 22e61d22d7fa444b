"""Content times and lengths of streams whose content was not stored, against those of the whole streams."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.bare import bare
from pipeline.core.output import Output
from pipeline.core.streams import FOLDS, reveal
from tests.unit.core.streams.build import Json, chunk, chunks, event, times

ITEM: Json = {"type": "message", "id": "m", "role": "assistant", "content": []}
WHOLE: Json = {**ITEM, "content": [{"type": "output_text", "text": "whole"}]}
CALL: Json = {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": ""}
PART: Json = {"type": "output_text", "text": "", "annotations": []}


def revealed(stream_type: str, *payloads: Json | None, stored: int = 0) -> Output:
    """The output of a stream of which only the first chunks were stored whole."""
    made: list[Any] = chunks(stream_type, payloads)
    made = [each if number < stored else bare(each, captured=True) for number, each in enumerate(made)]
    output = FOLDS[stream_type](made)
    reveal(output, made, stream_type)
    return output


def responses(*events: tuple[str, Json]) -> list[Json | None]:
    """Events of one message item."""
    return [event(type_, output_index=0, item_id="m", content_index=0, **fields) for type_, fields in events]


STREAMS: dict[str, tuple[str, list[Json | None]]] = {
    "text then its end": (
        "responses",
        responses(
            ("output_item.added", {"item": ITEM}),
            ("content_part.added", {"part": PART}),
            ("output_text.delta", {"delta": "who"}),
            ("output_text.delta", {"delta": "le"}),
            ("output_text.done", {"text": "whole"}),
            ("content_part.done", {"part": {**PART, "text": "whole"}}),
            ("output_item.done", {"item": WHOLE}),
            ("completed", {"response": {"output": [WHOLE]}}),
        ),
    ),
    "only the end of the text": ("responses", responses(("output_text.done", {"text": "whole"}))),
    "only the part": ("responses", responses(("content_part.done", {"part": {**PART, "text": "whole"}}))),
    "only the item": ("responses", responses(("output_item.done", {"item": WHOLE}))),
    "only the terminal event": ("responses", responses(("completed", {"response": {"output": [WHOLE]}}))),
    "a terminal event after content": (
        "responses",
        responses(("output_text.delta", {"delta": "a"}), ("completed", {"response": {"output": [WHOLE]}})),
    ),
    "a call": (
        "responses",
        [
            event("output_item.added", output_index=0, item=CALL),
            event("function_call_arguments.delta", output_index=0, item_id="f", delta="{}"),
            event("function_call_arguments.done", output_index=0, item_id="f", arguments="{}"),
            event("output_item.done", output_index=0, item={**CALL, "arguments": "{}"}),
        ],
    ),
    "a call whose arguments come at once": (  # recorded: LM Studio
        "responses",
        [
            event("output_item.added", output_index=0, item=CALL),
            event("function_call_arguments.done", output_index=0, item_id="f", arguments="{}"),
            event("output_item.done", output_index=0, item={**CALL, "arguments": "{}"}),
        ],
    ),
    "reasoning": (
        "responses",
        [
            event("reasoning_summary_text.delta", output_index=0, item_id="r", summary_index=0, delta="why"),
            event("reasoning_summary_text.done", output_index=0, item_id="r", summary_index=0, text="why"),
            event("reasoning_summary_part.done", output_index=0, item_id="r", summary_index=0, part={"text": "why"}),
            event(
                "output_item.done", output_index=0, item={"type": "reasoning", "id": "r", "summary": [{"text": "why"}]}
            ),
        ],
    ),
    "a shell": (
        "responses",
        [
            event("shell_call_command.added", output_index=0, command="ls"),
            event("shell_call_command.delta", output_index=0, delta=" -l"),
            event("shell_call_output_content.delta", output_index=1, delta={"stdout": "a"}),
            event("shell_call_output_content.delta", output_index=1, delta={"stderr": "b"}),
            event("shell_call_output_content.done", output_index=1, output=[{"stdout": "a", "stderr": "b"}]),
            event("shell_call_output_content.done", output_index=2, output=[{"stdout": "c"}]),
        ],
    ),
    "what a tool found": (
        "responses",
        [event("output_item.done", output_index=0, item={"type": "file_search_call", "results": ["x"]})],
    ),
    "a preview": ("responses", [event("image_generation_call.partial_image", output_index=0)]),
    "what nobody knows": ("responses", [event("mystery", delta="x"), None]),
    "a transcript": (
        "audio.transcription",
        [
            {"type": "transcript.text.delta", "delta": "a"},
            {"type": "transcript.text.delta", "delta": "b"},
            {"type": "transcript.text.done", "text": "ab"},
        ],
    ),
    "a transcript at once": ("audio.transcription", [{"type": "transcript.text.done", "text": "ab"}]),
    "speech": ("audio.speech", [{"type": "speech.audio.delta", "audio": "Ug=="}, {"type": "speech.audio.done"}]),
    "images": (
        "image.generation",
        [{"type": "image_generation.partial_image", "b64_json": "YQ=="}, {"type": "image_generation.completed"}],
    ),
    "chat": (
        "chat.completion",
        [
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
            {"choices": [{"index": 0, "delta": {"content": "a"}}]},
            {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"name": "f"}}]}}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        ],
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_the_moments_are_those_of_the_whole_stream(name: str) -> None:
    """G7, CONTRACT §4 rule 5: wherever storing ends, each chunk counts as content or not as if it had not ended."""
    stream_type, payloads = STREAMS[name]
    whole = FOLDS[stream_type](chunks(stream_type, payloads))

    for stored in range(len(payloads) + 1):
        assert times(revealed(stream_type, *payloads, stored=stored)) == times(whole)


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("text then its end", 5),
        ("only the end of the text", 5),
        ("only the part", 5),
        ("only the item", 5),
        ("only the terminal event", 5),
        ("a call", 3),
        ("a call whose arguments come at once", 3),
        ("reasoning", 3),
        ("chat", 2),
        ("speech", 0),
    ],
)
def test_what_was_not_stored_is_counted_once(name: str, hidden: int) -> None:
    """A closing event that repeats a text adds nothing to its length."""
    stream_type, payloads = STREAMS[name]

    assert revealed(stream_type, *payloads).hidden == hidden
    assert revealed(stream_type, *payloads, stored=len(payloads)).hidden == 0


def test_a_payload_beside_an_error_is_no_content() -> None:
    """The error wins, the payload is kept as raw (CONTRACT §1)."""
    payload = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
    failed = bare(chunk("chat.completion", payload, error={"error": {"message": "cut"}}), captured=True)
    other = bare(
        chunk("responses", event("output_text.delta", delta="a"), error={"error": {"message": "cut"}}), captured=True
    )

    for stream_type, each in (("chat.completion", failed), ("responses", other)):
        output = Output()
        reveal(output, [each], stream_type)
        assert (output.content_times, output.hidden) == ([], 0)
