"""LiteLLM's streams, by its SDK and through the logger of its proxy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

SECONDS = 240


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    """What the program saw, by case."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.litellm_program"],
        check=False,
        capture_output=True,
        timeout=SECONDS,
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    return found


def test_litellm_s_streams(cases: dict[str, Any]) -> None:
    """A tapped stream is the one it was, of its own class; what the proxy hands on is what it was given."""
    assert {name: case["same"] for name, case in cases.items()} == dict.fromkeys(cases, True)

    sync = cases["sync"]
    assert sync["opened"]["provider"] == "openai"
    assert sync["opened"]["labels"] == {"team": "search"}
    assert (sync["errors"], sync["calls"][-1]) == ([], "close")
    assert "".join(_texts(sync)) == "Streams end as they begin: slowly — naïvely."

    proxied = cases["openai"]
    assert proxied["started"]
    assert proxied["opened"]["model"] == "gpt-4o"
    labels = proxied["opened"]["labels"]
    assert len(labels.pop("user_api_key_hash")) > len("sk-1")
    assert labels == {"user_api_key_alias": "mine", "user_api_key_team_id": "search", "litellm_call_id": "call-1"}


def test_litellm_keeps_usage_and_the_tap_finds_it(cases: dict[str, Any]) -> None:
    """What the provider stated in two pieces, and LiteLLM took out of what it hands on, is published as one usage."""
    for name in ("anthropic", "routed"):  # the latter through the proxy's router and the hooks of others
        usage = cases[name]["chunks"][-1]["response"]["usage"]

        assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (31, 31, 62)
        assert usage["prompt_tokens_details"]["cached_tokens"] == 6
        assert cases[name]["opened"]["provider"] == "anthropic"


def test_how_litellm_s_streams_end(cases: dict[str, Any]) -> None:
    """An error that LiteLLM raises in mid-stream is the request's; a client that leaves cancels it."""
    assert cases["error"]["errors"] == ["MidStreamFallbackError"]
    assert cases["left"]["errors"] == ["request_cancelled"]
    assert len(cases["left"]["chunks"]) == 3
    assert {case["calls"].count("close") for case in cases.values()} == {1}


@pytest.mark.parametrize("name", ["reset", "cut", "routed reset"])
def test_a_stream_that_litellm_takes_for_ended_has_no_finish_reason(cases: dict[str, Any], name: str) -> None:
    """A connection that breaks is to LiteLLM an end with `stop`, which nobody has said: the record is incomplete."""
    choices = [choice for chunk in cases[name]["chunks"] for choice in chunk["response"]["choices"]]

    assert "".join(_texts(cases[name]))
    assert {choice.get("finish_reason") for choice in choices} == {None}
    assert (cases[name]["errors"], cases[name]["calls"][-1]) == ([], "close")


@pytest.mark.parametrize("name", ["sync", "openai", "anthropic", "routed"])
def test_a_stream_that_ended_has_its_finish_reason(cases: dict[str, Any], name: str) -> None:
    """What the provider has said stays."""
    choices = [choice for chunk in cases[name]["chunks"] for choice in chunk["response"]["choices"]]

    assert [choice["finish_reason"] for choice in choices if choice.get("finish_reason")] == ["tool_calls"]


def test_streams_of_other_endpoints(cases: dict[str, Any]) -> None:
    """Text of Anthropic's events and objects of the Responses API are told by their first event."""
    assert cases["messages"]["opened"]["stream_type"] == "chat.completion"
    assert cases["messages"]["chunks"][0]["response"]["usage"]["prompt_tokens"] == 3
    assert cases["responses"]["opened"]["stream_type"] == "responses"


def _texts(case: dict[str, Any]) -> list[str]:
    choices = [choice for chunk in case["chunks"] for choice in chunk["response"]["choices"]]
    return [choice["delta"].get("content") or "" for choice in choices]
