"""Recorded streams of real providers through `chunks` and `fold`: their usage, and the same one whatever is captured.

The recordings lie beside the checkout and are nobody's to commit; without them these tests are skipped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import Result

Invoke = Callable[..., Result]
Json = dict[str, Any]

ROOT: Final = Path(os.environ.get("STREAMLEDGER_RECORDINGS") or Path(__file__).parents[4] / "shared" / "recordings")
FORMATS: Final = {
    "anthropic": "anthropic-messages",
    "chat": "openai-chat",
    "responses": "openai-responses",
    "transcription": "openai-transcription",
}
PROVIDERS: Final = ("xai", "deepseek", "groq", "mistral", "perplexity", "azure")
SAME: Final = (
    *("status", "token_usage", "usage_source", "cost", "cost_details", "finish_reason", "latency"),
    *("time_to_first_token", "time_to_first_content", "inter_chunk_latency", "complete", "missing_indexes"),
    *("chunk_count", "payload_anomalies", "model", "provider", "error_details"),
)
NAMES: Final = sorted(f"{path.parent.name}/{path.name}" for path in ROOT.glob("*/*") if path.parent.name in FORMATS)
"""Recorded streams; STREAMLEDGER_RECORDINGS names another place."""

pytestmark = pytest.mark.skipif(not NAMES, reason=f"no recordings at {ROOT}")


def _lines(invoke: Invoke, name: str) -> str:
    """A recording as chunks, under the name of the provider that was recorded."""
    group, file = name.split("/")
    made = invoke("chunks", "--provider", FORMATS[group], "--request-id", "r", str(ROOT / name))
    provider = next((each for each in PROVIDERS if f"vercel-{each}--" in file), None)
    lines = [json.loads(line) for line in made.stdout.splitlines()]
    return "".join(json.dumps(each | ({"provider": provider} if provider else {})) + "\n" for each in lines)


def _record(invoke: Invoke, lines: str, **settings: str) -> Json:
    chosen = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    result = invoke("fold", *chosen, stdin=lines)
    assert (result.exit_code, result.stderr) == (0, "")
    found: Json = json.loads(result.stdout)
    return found


def _stated(name: str) -> Iterator[Json]:
    """Every usage that the recording has, as it is."""
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("data:").strip()
        event = json.loads(text) if text.startswith("{") else {}
        for holder in (event, event.get("response"), event.get("message")):
            if isinstance(holder, dict) and isinstance(holder.get("usage"), dict):
                yield holder["usage"]


@pytest.mark.parametrize("name", NAMES or ["none"])
def test_usage_is_what_the_provider_said_under_one_convention(invoke: Invoke, name: str) -> None:
    """The last usage it stated: its total is kept where it states one, and is input plus output in every case."""
    stated = list(_stated(name))
    usage = _record(invoke, _lines(invoke, name))["token_usage"]

    if not stated or not (stated[-1].get("total_tokens") or stated[-1].get("input_tokens")):
        return
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    if stated[-1].get("total_tokens"):
        assert usage["total_tokens"] == stated[-1]["total_tokens"]
    details = usage.get("completion_tokens_details") or {}
    assert (details.get("reasoning_tokens") or 0) <= usage["completion_tokens"]


@pytest.mark.parametrize("capture", ["metadata", "hash"])
@pytest.mark.parametrize("name", NAMES or ["none"])
def test_what_is_captured_changes_nothing_else(invoke: Invoke, name: str, capture: str) -> None:
    """G7 over real streams: tokens, cost, status, gaps and every time are those of the whole record."""
    lines = _lines(invoke, name)

    whole, without = _record(invoke, lines), _record(invoke, lines, capture=capture)

    assert {field: without[field] for field in SAME} == {field: whole[field] for field in SAME}
    assert without["content_omitted"] == "capture"


def test_reasoning_beside_the_output_is_added_to_it(invoke: Invoke) -> None:
    """Symptom 10: xAI says 1 token of output and 290 of reasoning; 291 are billed."""
    usage = _record(invoke, _lines(invoke, "chat/vercel-xai--xai-text.jsonl"))["token_usage"]

    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (12, 291, 303)
