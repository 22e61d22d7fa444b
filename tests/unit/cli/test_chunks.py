"""`streamledger chunks`: options to `pipeline.ingest`, chunks to JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Invoke = Callable[..., Result]

STREAM = (
    'data: {"model":"m1","choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}\n\n'
    'data: {"model":"m1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    "data: [DONE]\n\n"
)
CHAT = ("chunks", "--provider", "openai-chat", "--request-id", "r1")


def lines(result: Result) -> list[dict[str, Any]]:
    """The chunks of a run that went well."""
    assert result.exit_code == 0, result.stderr

    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("dash", [(), ("-",)])
def test_standard_input_is_the_default(invoke: Invoke, dash: tuple[str, ...]) -> None:
    """With and without the dash."""
    first, last = lines(invoke(*CHAT, *dash, stdin=STREAM))

    assert (first["request_id"], first["chunk_index"], first["is_final"]) == ("r1", 0, False)
    assert last["is_final"]


def test_a_file_is_read(invoke: Invoke, tmp_path: Path) -> None:
    """The same from a file."""
    path = tmp_path / "stream.sse"
    path.write_text(STREAM, encoding="ascii")

    assert lines(invoke(*CHAT, stdin=STREAM)) == lines(invoke(*CHAT, str(path)))


def test_model_start_and_interval_are_passed_on(invoke: Invoke) -> None:
    """Times are given out in UTC."""
    options = ("--model", "other", "--start", "2026-03-01T12:00:00+02:00", "--interval-ms", "10")
    first, second = lines(invoke(*CHAT, *options, stdin=STREAM))

    assert (first["model"], first["start_timestamp"]) == ("other", "2026-03-01T10:00:00.000000Z")
    assert second["timestamp"] == "2026-03-01T10:00:00.020000Z"


def test_a_vendor_is_the_provider_of_the_chunks(invoke: Invoke) -> None:
    """The format's owner is, unless another one is named; the help says so."""
    assert {chunk["provider"] for chunk in lines(invoke(*CHAT, stdin=STREAM))} == {"openai"}
    assert {chunk["provider"] for chunk in lines(invoke(*CHAT, "--vendor", "groq", stdin=STREAM))} == {"groq"}
    assert "--vendor" in invoke("chunks", "--help").stdout


def test_lone_surrogates_stay_escaped(invoke: Invoke) -> None:
    """UTF-8 can't carry them, JSON can."""
    output = invoke(*CHAT, stdin=STREAM).stdout_bytes

    assert b"\\ud83d" in output
    assert output.isascii()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--request-id", ""), "not a legal request id"),
        (("--request-id", "a\tb"), "not a legal request id"),
        (("--request-id", "x" * 513), "not a legal request id"),
        (("--start", "2026-03-01T12:00:00"), "--start '2026-03-01T12:00:00'"),
        (("--start", "now"), "--start 'now'"),
        (("--interval-ms", "-1"), "--interval-ms"),
        (("--provider", "openai"), "'openai-chat'"),
        (("--vendor", "two words"), "no name of a vendor"),
    ],
)
def test_a_wrong_option_is_bad_usage(invoke: Invoke, options: tuple[str, str], words: str) -> None:
    """Said before anything is read."""
    result = invoke(*CHAT, *options, stdin=STREAM)

    assert result.exit_code == 2
    assert words in result.stderr
    assert not result.stdout


def test_a_broken_recording_is_bad_usage_without_its_content(invoke: Invoke) -> None:
    """The line's number is enough (G7)."""
    broken = 'data: {"choices":[{"index":0,"delta":{"content":"secret words"}\n\n' + STREAM
    result = invoke(*CHAT, stdin=broken)

    assert result.exit_code == 2
    assert "line 1" in result.stderr
    assert "secret" not in result.stderr
