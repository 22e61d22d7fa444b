"""The words of an output, for counting them."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.output import Output
from pipeline.core.texts import characters, texts

Json = dict[str, Any]


def message(**fields: Any) -> Output:
    """An output of one message."""
    return Output(output_message={"role": "assistant", "content": None, **fields})


def items(*listed: Json) -> Output:
    """An output of Responses items."""
    return Output(output_messages=list(listed))


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param(Output(), [], id="nothing"),
        pytest.param(message(), [], id="no content"),
        pytest.param(message(content="a", refusal="b", reasoning="c"), ["a", "b", "c"], id="texts"),
        pytest.param(
            message(reasoning="c", reasoning_details=[{"text": "c"}]), ["c"], id="details repeat the reasoning"
        ),
        pytest.param(
            message(reasoning_details=[{"text": "c"}, {"summary": "d"}, {"data": "x"}]), ["c", "d"], id="details alone"
        ),
        pytest.param(
            message(
                tool_calls=[
                    {"function": {"name": "f", "arguments": "{}"}},
                    {"function": {"name": None, "arguments": ""}},
                ]
            ),
            ["f", "{}"],
            id="calls",
        ),
        pytest.param(
            Output(
                output_message={"content": "a"},
                choices=[{"message": {"content": "a"}}, {"message": {"content": "b"}}],
            ),
            ["a", "b"],
            id="every choice once",
        ),
        pytest.param(
            items(
                {"type": "reasoning", "summary": [{"text": "why"}, "bare", 5], "encrypted_content": "x"},
                {
                    "type": "message",
                    "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}],
                },
                {"type": "message", "content": "text"},
            ),
            ["bare", "why", "a", "b", "text"],
            id="items",
        ),
        pytest.param(
            items(
                {"type": "function_call", "name": "f", "arguments": "{}", "output": "answered"},
                {"type": "shell_call", "action": {"commands": ["ls", 5]}},
                {"type": "apply_patch_call", "operation": {"diff": "+a"}},
                {"type": "odd", "action": "x", "operation": "y", "name": 5},
                {"type": "odd", "action": {"commands": "x"}},
            ),
            ["f", "{}", "ls", "+a"],
            id="calls of items",
        ),
        pytest.param(Output(transcription_output={"text": "heard"}), ["heard"], id="a transcript"),
        pytest.param(Output(audio_output={"audio": "YQ=="}), [], id="sound has no words"),
    ],
)
def test_words_are_what_the_model_wrote(output: Output, expected: list[str]) -> None:
    """Content, reasoning, refusal, names and arguments of all choices or items; never what tools answered."""
    assert sorted(texts(output)) == sorted(expected)
    assert characters(output) == sum(map(len, expected))
