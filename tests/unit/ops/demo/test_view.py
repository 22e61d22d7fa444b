"""The side of the audit that knows nothing of the fold: records in the words of the expectation files."""

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.ops.demo import view as module
from pipeline.ops.demo.view import PLAIN, differing, view
from schemas.record import RECORD_FIELDS


def record(**fields: Any) -> dict[str, Any]:
    """A record in which only the given fields are not null."""
    return dict.fromkeys(RECORD_FIELDS) | fields


def test_it_imports_nothing_of_this_project() -> None:
    """An expectation that the fold's own code helped to compute would prove nothing."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    plain = {alias.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    members = {str(node.module).partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}

    assert plain | members <= sys.stdlib_module_names


def test_what_a_record_does_not_have_is_left_out() -> None:
    """Null and absent say the same, in records and in expectation files."""
    assert view(record()) == {}
    assert differing({"cost": None}, {}) == []


def test_plain_fields_are_shown_as_they_are() -> None:
    """They need no translation, and every one of them is a field of the contract."""
    fields = {name: f"value of {name}" for name in PLAIN}

    assert view(record(**fields)) == fields
    assert set(PLAIN) <= set(RECORD_FIELDS)


def test_a_cost_says_who_stated_it() -> None:
    """And what was overruled; of a cost that is null only that it is."""
    details = {"source": "catalog", "reason": "gateway_zero"}

    assert view(record(cost=0.1, cost_details=details)) == {
        "cost": 0.1,
        "cost_source": "catalog",
        "cost_reason": "gateway_zero",
    }
    assert view(record(cost_details={"source": None, "reason": "no_usage"})) == {}


def test_messages_and_calls_are_shown_flat() -> None:
    """What a person would look for in an answer."""
    call = {"index": 0, "type": "function", "id": "c1", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "text", "refusal": "no", "reasoning": "why"}
    choice = {
        "index": 1,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": "other"},
        "logprobs": None,
    }

    shown = view(record(output_message=message, tool_calls=[call], choices=[choice]))

    assert shown == {
        "content": "text",
        "refusal": "no",
        "reasoning": "why",
        "tool_calls": [{"id": "c1", "name": "f", "arguments": "{}"}],
        "choices": [{"index": 1, "finish_reason": "stop", "content": "other"}],
    }


def test_items_are_shown_by_type_and_parts() -> None:
    """Messages, reasoning and calls of the Responses API, in their order."""
    items = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "first"}]},
        {"type": "message", "content": [{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]},
        {"type": "function_call", "arguments": "{}"},
    ]

    assert view(record(output_messages=items))["items"] == [
        {"type": "reasoning", "parts": ["first"]},
        {"type": "message", "parts": ["a", "b"]},
        {"type": "function_call", "parts": ["{}"]},
    ]


def test_parts_of_the_prompt_and_of_the_completion_are_kept_apart() -> None:
    """Audio tokens heard and audio tokens spoken have different prices."""
    usage = {
        "prompt_tokens": 9,
        "prompt_tokens_details": {"audio_tokens": 4, "cached_read_tokens": 2, "image_tokens": 0},
        "completion_tokens": 3,
        "completion_tokens_details": {"audio_tokens": 1, "reasoning_tokens": 2},
        "total_tokens": 12,
    }

    assert view(record(token_usage=usage))["usage"] == {
        "prompt_tokens": 9,
        "completion_tokens": 3,
        "total_tokens": 12,
        "prompt_audio_tokens": 4,
        "cached_read_tokens": 2,
        "reasoning_tokens": 2,
    }


def test_binary_results_are_shown_by_length_and_hash() -> None:
    """The bytes of abc have the best known hash of all; text that is no base64 is said to be none."""
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    images = [{"index": 0, "b64_json": "YWJj", "revised_prompt": "letters"}, {"index": 1, "url": "https://x.example/1"}]

    shown = view(record(audio_output={"audio": "YWJj"}, image_generation_output={"data": images}))

    assert shown["audio"] == {"bytes": 3, "sha256": abc}
    assert shown["images"] == [
        {"index": 0, "revised_prompt": "letters", "bytes": 3, "sha256": abc},
        {"index": 1, "url": "https://x.example/1"},
    ]
    assert view(record(audio_output={"audio": "YW==Jj"}))["audio"] == {"bytes": None, "sha256": "not base64"}


def test_transcripts_and_errors_are_shown_by_what_matters() -> None:
    """Text, seconds and the number of segments; type and message."""
    transcript = {"text": "hi", "usage": {"type": "duration", "seconds": 3}, "segments": [{}, {}]}
    error = {"is_bifrost_error": False, "error": {"type": "t", "message": "m", "code": "5"}}

    shown = view(record(transcription_output=transcript, error_details=error))

    assert shown["transcript"] == {"text": "hi", "seconds": 3, "segments": 2}
    assert shown["error"] == {"type": "t", "message": "m"}


@pytest.mark.parametrize(
    ("expected", "found", "names"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["a"]),
        ({"a": 1}, {}, ["a"]),
        ({}, {"a": 1}, ["a"]),
        ({"a": True}, {"a": 1}, ["a"]),
        ({"usage": {"x": 1, "y": 2}}, {"usage": {"x": 1, "y": 3}}, ["usage.y"]),
        ({"usage": {"x": 1}}, {}, ["usage"]),
        ({"items": [1, 2]}, {"items": [2, 1]}, ["items"]),
    ],
)
def test_differences_are_named_never_quoted(expected: dict[str, Any], found: dict[str, Any], names: list[str]) -> None:
    """More than expected is a difference too; values could be content (G7)."""
    assert differing(expected, found) == names
