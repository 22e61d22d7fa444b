"""Symptoms 15 and 17: tokens that somebody guesses, and tokens that nobody counts."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from typing import Any, Final

import pytest

from pipeline.testing.chunk import Document, cancelled, chat, usage
from tests.symptoms.command import chunks, record
from tests.symptoms.wire import BLOCK_START, counts, events, message_start, text_delta

COUNTING: Final = """
import sys
from pipeline.cli import main
from pipeline.pricing.tokens import Tokenizer
asked = []
count = Tokenizer.tokens
Tokenizer.tokens = lambda self, model, text: asked.append(len(text)) or count(self, model, text)
main(["fold", "--set", "estimate_usage=tokenizer"], standalone_mode=False)
print(*asked, file=sys.stderr)
"""
"""`fold`, and on its standard error how long the texts were that its tokenizer was asked for."""


def test_symptom_15_local_tokenizer_off_the_hot_path() -> None:
    """A tokenizer is asked once for a cut stream, never per chunk and never where the provider has counted.

    Threads: Helicone#733, PR#2279.
    """
    whole = [chat(index, "word ", request_id="whole") for index in range(200)]
    whole.append(chat(200, finish="stop", usage=counts(7, 9_999), is_final=True, request_id="whole"))
    cut = [chat(index, "word ", request_id="cut") for index in range(200)]
    lines = "".join(json.dumps(each) + "\n" for each in (*whole, *cut))
    ran = subprocess.run([sys.executable, "-c", COUNTING], input=lines, capture_output=True, text=True, check=True)

    assert ran.stderr.split() == ["1000"]
    told = {each["request_id"]: each for each in map(json.loads, ran.stdout.splitlines())}
    assert (told["whole"]["token_usage"], told["whole"]["usage_source"]) == (counts(7, 9_999), "provider")
    assert told["cut"]["usage_source"] == "estimated"


DELTAS: Final = 806
WORD: Final = "generated "


def anthropic_cut() -> list[Document]:
    """A stream of the Messages API that its caller gave up: 806 deltas, and the count of 1 that it begins with."""
    begin = message_start(input_tokens=35, output_tokens=1)
    stream = events(begin, BLOCK_START, *(text_delta(WORD) for _ in range(DELTAS)))
    return [*chunks("anthropic-messages", stream), cancelled(DELTAS + 1)]


def silent_cut() -> list[Document]:
    """A chat stream that its caller gave up, without any usage; its request is known."""
    request: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Write a long story."}]}
    words = [chat(index, WORD, provider="openai", model="gpt-4o") for index in range(DELTAS)]
    words[0]["raw_request"] = request
    return [*words, cancelled(DELTAS)]


@pytest.mark.parametrize("way", ["characters", "tokenizer"])
@pytest.mark.parametrize("cut", [anthropic_cut, silent_cut], ids=["counted 1 at its start", "counted by nobody"])
def test_symptom_17_cancelled_stream_billed_as_one_token(cut: Any, way: str) -> None:
    """With `estimate_usage` a stream cut after 806 deltas has an output of their size, marked `estimated`, not 1 token.

    Threads: bifrost PR#3709 (comment 2026-09).
    """
    found = record(cut(), "--set", f"estimate_usage={way}")

    tokens = found["token_usage"]["completion_tokens"]
    assert (found["status"], found["usage_source"]) == ("incomplete", "estimated")
    assert DELTAS <= tokens <= 3 * DELTAS
    assert found["token_usage"]["prompt_tokens"] > 0
    assert Decimal(found["cost_details"]["output"]) >= Decimal("0.00806")  # 806 tokens at 10 USD a million


def test_symptom_17_a_later_count_of_the_provider_stands() -> None:
    """What the provider counted after the last delta is never replaced by an estimate.

    Threads: bifrost PR#3709 (comment 2026-09).
    """
    sent = [chat(0, WORD), chat(1, WORD), usage(2, counts(35, 17)), cancelled(3)]
    found = record(sent, "--set", "estimate_usage=characters")

    assert (found["token_usage"], found["usage_source"]) == (counts(35, 17), "provider")


def test_symptom_17_without_estimates_the_record_does_not_claim_to_be_whole() -> None:
    """By default only what the provider counted is recorded, in a record that says `incomplete`.

    Threads: bifrost PR#3709 (comment 2026-09).
    """
    found = record(silent_cut())

    assert (found["status"], found["token_usage"], found["usage_source"]) == ("incomplete", None, None)
    assert found["cost"] is None
