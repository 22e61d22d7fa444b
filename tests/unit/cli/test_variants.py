"""What vendors make of OpenAI's formats, from end to end: through `chunks | fold`, and as raw payloads on the topic.

The payloads are written by hand after what the vendors are known to send; each variant says what of its record is to be
held to.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from tests.unit.cli.variants import VARIANTS, Json, Variant

Invoke = Callable[..., Result]


def folded(invoke: Invoke, chunks: str) -> Json:
    """The one record of these chunk lines."""
    result = invoke("fold", stdin=chunks)
    assert result.exit_code == 0, result.stderr
    (record,) = map(json.loads, result.stdout.splitlines())
    assert isinstance(record, dict)
    return record


def converted(invoke: Invoke, variant: Variant) -> str:
    """The stream as a recording, through `chunks`."""
    recording = "".join(f"data: {json.dumps(payload)}\n\n" for payload in variant.payloads)
    options = ("--provider", variant.format, "--vendor", variant.vendor, "--request-id", "r")
    result = invoke("chunks", *options, stdin=recording)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def raw(variant: Variant) -> str:
    """The payloads as a gateway puts them on the topic: as they are."""
    last = len(variant.payloads) - 1
    chunks = [
        {
            "request_id": "r",
            "stream_type": variant.stream_type,
            "chunk_index": index,
            "timestamp": f"2026-01-01T00:00:{index:02}Z",
            "provider": variant.vendor,
            "is_final": index == last,
            "response": payload,
        }
        for index, payload in enumerate(variant.payloads)
    ]
    return "".join(json.dumps(chunk) + "\n" for chunk in chunks)


def at(record: Any, path: str) -> Any:
    """The value at a dotted name; None where there is none."""
    for name in path.split("."):
        record = record.get(name) if isinstance(record, dict) else None
    return record


@pytest.mark.parametrize("way", ["chunks", "topic"])
@pytest.mark.parametrize("name", VARIANTS)
def test_a_vendor_s_variant_loses_nothing(invoke: Invoke, name: str, way: str) -> None:
    """The same record comes of a recording and of what a gateway publishes."""
    variant = VARIANTS[name]
    record = folded(invoke, converted(invoke, variant) if way == "chunks" else raw(variant))

    assert {path: at(record, path) for path in variant.record} == variant.record
    assert record["provider"] == variant.vendor


def test_a_gemini_stream_becomes_a_record(invoke: Invoke) -> None:
    """From GenerateContent to the record: text, thoughts, a call, usage in one convention, the tier."""
    responses: list[Json] = [
        {
            "candidates": [{"content": {"role": "model", "parts": [{"text": "6 × 7", "thought": True}]}, "index": 0}],
            "modelVersion": "gemini-x",
        },
        {
            "candidates": [
                {
                    "content": {"parts": [{"text": "42"}, {"functionCall": {"name": "f", "args": {"n": 42}}}]},
                    "finishReason": "STOP",
                    "index": 0,
                }
            ],
            "usageMetadata": {
                "promptTokenCount": 7,
                "cachedContentTokenCount": 4,
                "candidatesTokenCount": 2,
                "thoughtsTokenCount": 3,
                "totalTokenCount": 12,
                "serviceTier": "flex",
            },
        },
    ]
    result = invoke("chunks", "--provider", "gemini", "--request-id", "r", stdin=json.dumps(responses))
    record = folded(invoke, result.stdout)

    assert (record["status"], record["finish_reason"], record["closed_by"]) == ("success", "tool_calls", "final")
    assert (record["provider"], record["model"], record["service_tier"]) == ("gemini", "gemini-x", "flex")
    assert record["output_message"]["content"] == "42"
    assert record["output_message"]["reasoning"] == "6 × 7"
    assert record["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"n":42}'}
    assert record["token_usage"] == {
        "prompt_tokens": 7,
        "prompt_tokens_details": {"cached_read_tokens": 4},
        "completion_tokens": 5,
        "completion_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 12,
    }


def test_a_blocked_prompt_of_gemini_is_billed(invoke: Invoke) -> None:
    """No candidates, a reason, and what it cost."""
    blocked = {
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
    }
    result = invoke(
        "chunks", "--provider", "gemini", "--vendor", "vertex", "--request-id", "r", stdin=json.dumps(blocked)
    )
    record = folded(invoke, result.stdout)

    assert (record["status"], record["finish_reason"], record["provider"]) == ("success", "content_filter", "vertex")
    assert record["output_message"]["stop_details"] == {"blockReason": "SAFETY"}
    assert record["token_usage"] == {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}


def test_an_error_of_gemini_keeps_what_came(invoke: Invoke) -> None:
    """Google's form of an error becomes the record's; the answer so far stays."""
    stream: list[Json] = [
        {"candidates": [{"content": {"parts": [{"text": "4"}]}}]},
        {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}},
    ]
    result = invoke("chunks", "--provider", "gemini", "--request-id", "r", stdin="\n".join(map(json.dumps, stream)))
    record = folded(invoke, result.stdout)

    assert (record["status"], record["output_message"]["content"]) == ("error", "4")
    assert record["error_details"]["status_code"] == 503
    assert record["error_details"]["error"]["type"] == "UNAVAILABLE"


def test_an_anthropic_message_keeps_what_the_provider_ran(invoke: Invoke) -> None:
    """Server tools and their results are in the record, and no tool calls of the caller's."""
    use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"url": "https://a.example"}]}
    query = {"type": "input_json_delta", "partial_json": '{"query":"q"}'}
    events: list[Json] = [
        {"type": "message_start", "message": {"id": "m", "model": "claude-x", "usage": {"input_tokens": 5}}},
        {"type": "content_block_start", "index": 0, "content_block": use},
        {"type": "content_block_delta", "index": 0, "delta": query},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": found},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "pause_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    recording = "".join(f"data: {json.dumps(one)}\n\n" for one in events)
    result = invoke("chunks", "--provider", "anthropic-messages", "--request-id", "r", stdin=recording)
    record = folded(invoke, result.stdout)

    assert record["output_message"]["provider_items"] == [{**use, "input": {"query": "q"}}, found]
    assert record["output_message"]["stop_details"] == {"stop_reason": "pause_turn"}
    assert (record["tool_calls"], record["finish_reason"], record["time_to_first_content"]) == (None, "stop", None)
