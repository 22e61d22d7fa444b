"""Symptoms 1 to 7 and 10 to 12: usage that gets lost, counted twice, or counted as something else."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline.testing.chunk import Document, chat, chunk
from tests.symptoms.command import chunks, clock, fold, placed, prices, record, streamed
from tests.symptoms.wire import (
    BLOCK_START,
    BLOCK_STOP,
    MESSAGE_STOP,
    Payload,
    counts,
    delta,
    events,
    message_delta,
    message_start,
    output_text,
    response,
    sse,
    text_delta,
    trailer,
)

USAGE: Final = counts(1_200, 34)


def test_symptom_01_usage_only_chunk_after_finish() -> None:
    """Usage in a chunk without choices, 1.9 s after the finish, is in the one record.

    Threads: bifrost#191, #7065, #7143; litellm PR#21592.
    """
    recording = sse(delta("", role="assistant"), delta("Hello"), delta(finish="stop"), trailer(USAGE))
    sent = [each | {"is_final": False} for each in chunks("openai-chat", recording)]
    folded = fold(placed((0, sent[0]), (10, sent[1]), (20, sent[2]), (1_920, sent[3]), clock(10_000)))
    at_the_finish = record(sent[:3])  # what is written by whoever closes there

    (found,) = folded.of()
    assert (found["token_usage"], found["closed_by"], found["revision"]) == (USAGE, "finish", 0)
    assert streamed("openai-chat", recording)["token_usage"] == USAGE
    assert at_the_finish["token_usage"] is None


def test_symptom_02_usage_on_a_chunk_with_choices(tmp_path: Path) -> None:
    """Usage counts the same wherever it sits, cached tokens too: 0.0046 USD, not 0.0208.

    Threads: litellm#36168.
    """
    usage = counts(10_000, 100, prompt_tokens_details={"cached_tokens": 9_000})
    places = (
        sse(delta("Hello"), delta(finish="stop", usage=usage)),
        sse(delta("Hello"), delta(finish="stop"), delta("", usage=usage)),
        sse(delta("Hello"), delta(finish="stop"), trailer(usage)),
        sse(delta("Hello", usage=usage), delta(finish="stop")),
    )
    own = prices(tmp_path, '[models."openai/gpt-4o"]\ninput = 2\ncache_read = 0.2\noutput = 8\n')
    found = [streamed("openai-chat", place, *own) for place in places]

    cost = 1_000 * Decimal(2) + 9_000 * Decimal("0.2") + 100 * Decimal(8)
    assert {str(cost / 1_000_000)} == {each["cost_details"]["total"] for each in found} == {"0.0046"}
    assert {9_000} == {each["token_usage"]["prompt_tokens_details"]["cached_read_tokens"] for each in found}


def test_symptom_03_two_identical_usage_payloads() -> None:
    """Usage that comes with the finish and again in a trailing chunk counts once, not twice.

    Threads: bifrost#191.
    """
    found = streamed("openai-chat", sse(delta("Hi"), delta(finish="stop", usage=USAGE), trailer(USAGE)))

    assert found["token_usage"] == USAGE
    assert 2 * USAGE["total_tokens"] != found["token_usage"]["total_tokens"]


@pytest.mark.parametrize("placeholder", [None, counts(0, 0)], ids=["null", "zeros"])
def test_symptom_04_no_usage_at_all(placeholder: Payload | None) -> None:
    """Usage that nobody states is null, and so is its cost: never 0, also where zeros stand for it.

    Threads: langfuse#2521, #3265; Kong#14535; ferro-labs/ai-gateway#281; Portkey-AI/gateway#1259.
    """
    chat_stream = sse(delta("Hi") | {"usage": placeholder}, delta(finish="stop") | {"usage": placeholder})
    answer = response("response.completed", status="completed", usage=None)
    for found in (
        streamed("openai-chat", chat_stream),
        streamed("openai-responses", events(output_text("Hi"), answer)),
    ):
        assert (found["status"], found["complete"]) == ("success", True)
        assert [found[name] for name in ("token_usage", "usage_source", "cost")] == [None, None, None]


@pytest.mark.parametrize(
    ("last", "status", "finish"),
    [
        (response("response.completed", status="completed"), "success", None),
        (
            response("response.incomplete", status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            "incomplete",
            "max_output_tokens",
        ),
    ],
    ids=["completed", "incomplete"],
)
def test_symptom_05_usage_nested_in_the_terminal_event(last: Document, status: str, finish: str | None) -> None:
    """Usage inside `response` is read from response.completed and response.incomplete alike.

    Threads: Kong#14768; bifrost#4846; theam/facility#232.
    """
    details = {"input_tokens_details": {"cached_tokens": 64}, "output_tokens_details": {"reasoning_tokens": 320}}
    last["response"]["usage"] = {"input_tokens": 121, "output_tokens": 400, "total_tokens": 521} | details
    found = streamed("openai-responses", events(response("response.created"), output_text("Half a sen"), last))

    usage = found["token_usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (121, 400, 521)
    assert usage["prompt_tokens_details"]["cached_read_tokens"] == 64
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 320
    assert (status, "provider") == (found["status"], found["usage_source"])
    if finish is not None:
        assert finish == found["finish_reason"]


def test_symptom_06_cumulative_usage_on_every_chunk() -> None:
    """Running counts on every chunk are replaced, never summed, and a snapshot sent twice changes nothing.

    Threads: langchainjs PR#10164; agno PR#6624; open-webui#29064; deer-flow PR#4537.
    """
    snapshots = [delta(f"w{done} ", usage=counts(50, done)) for done in range(1, 13)]
    snapshots.append(delta(finish="stop", usage=counts(50, 12)))
    twice = [
        [*snapshots[: place + 1], trailer(snapshots[place]["usage"]), *snapshots[place + 1 :]] for place in range(13)
    ]
    sent = [
        piece
        for number, stream in enumerate([snapshots, *twice])
        for piece in chunks("openai-chat", sse(*stream), request_id=f"r-{number}")
    ]
    found = fold(sent).records

    summed = sum(each["usage"]["total_tokens"] for each in snapshots)
    assert len(found) == 14
    assert [counts(50, 12)] * 14 == [each["token_usage"] for each in found], (
        f"summed it is {summed}, 11.8 times as much"
    )


CACHED: Final = {"cache_read_input_tokens": 15_000, "cache_creation_input_tokens": 300}


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ({"input_tokens": 12, "output_tokens": 1} | CACHED, {"output_tokens": 57}),
        ({"input_tokens": 12, "output_tokens": 1} | CACHED, {"input_tokens": 12, "output_tokens": 57} | CACHED),
        ({"input_tokens": 10, "output_tokens": 1}, {"input_tokens": 12, "output_tokens": 57} | CACHED),
    ],
    ids=["output in delta", "all in delta", "delta corrects"],
)
def test_symptom_07_anthropic_split_of_start_and_delta(begin: Payload, end: Payload) -> None:
    """What message_delta says wins field by field, the rest is that of message_start: cache reads count once.

    Threads: bifrost#5354.
    """
    stream = events(
        message_start(**begin),
        BLOCK_START,
        text_delta("Hello"),
        BLOCK_STOP,
        message_delta("end_turn", **end),
        MESSAGE_STOP,
    )
    usage = streamed("anthropic-messages", stream)["token_usage"]
    summed = sum(each.get("cache_read_input_tokens", 0) for each in (begin, end))

    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (15_312, 57, 15_369)
    assert usage["prompt_tokens_details"]["cached_read_tokens"] == 15_000, f"summed it may be {summed}"
    assert usage["prompt_tokens_details"]["cached_write_tokens"] == 300


def test_symptom_07_anthropic_usage_passed_through_as_it_is() -> None:
    """The same where a gateway passes both events' usage on under Anthropic's own names.

    Threads: bifrost#5354.
    """
    start = {"input_tokens": 12, "output_tokens": 1} | CACHED
    sent = [
        chunk(0, {"choices": [{"index": 0, "delta": {"role": "assistant"}}], "usage": start}, provider="anthropic"),
        chat(1, "Hello", provider="anthropic"),
        chat(2, finish="stop", usage={"output_tokens": 57}, provider="anthropic", is_final=True),
    ]
    usage = record(sent)["token_usage"]

    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (15_312, 57)
    assert usage["prompt_tokens_details"]["cached_read_tokens"] == 15_000


def details(reasoning: int) -> dict[str, Any]:
    """Reasoning tokens as OpenAI's dialect has them."""
    return {"completion_tokens_details": {"reasoning_tokens": reasoning}}


@pytest.mark.parametrize(
    ("vendor", "usage", "expected"),
    [
        ("openai", counts(100, 500) | details(320), (100, 500, 320)),
        ("deepseek", counts(14, 219) | details(205), (14, 219, 205)),
        ("xai", counts(12, 1) | details(290) | {"total_tokens": 303}, (12, 291, 290)),
    ],
    ids=["inside", "inside at DeepSeek", "beside at xAI"],
)
def test_symptom_10_reasoning_tokens_by_provider(vendor: str, usage: Payload, expected: tuple[int, int, int]) -> None:
    """Reasoning is part of the output once, whether its provider counts it inside or beside.

    Threads: litellm#10554, PR#39850; LibreChat#13006.
    """
    found = record(
        [chat(0, "Hi", provider=vendor), chat(1, finish="stop", usage=usage, provider=vendor, is_final=True)]
    )["token_usage"]

    inner = found["completion_tokens_details"]["reasoning_tokens"]
    assert expected == (found["prompt_tokens"], found["completion_tokens"], inner)
    assert found["total_tokens"] == expected[0] + expected[1]


def test_symptom_10_gemini_thoughts_beside_candidates() -> None:
    """Gemini's thoughts, which its candidates leave out, are part of the output.

    Threads: LibreChat#13006.
    """
    thinking = {"text": "Let me see", "thought": True}
    metadata = {"promptTokenCount": 20, "candidatesTokenCount": 198, "thoughtsTokenCount": 405, "totalTokenCount": 623}
    payloads = (
        {"candidates": [{"index": 0, "content": {"role": "model", "parts": [thinking]}}]},
        {
            "candidates": [{"index": 0, "content": {"parts": [{"text": "Yes."}]}, "finishReason": "STOP"}],
            "usageMetadata": metadata,
            "modelVersion": "gemini-2.5-flash",
        },
    )
    found = streamed("gemini", sse(*payloads, done=False))

    usage = found["token_usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (20, 198 + 405, 623)
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 405
    assert (found["output_message"]["content"], found["output_message"]["reasoning"]) == ("Yes.", "Let me see")


def test_symptom_11_audio_tokens_have_their_own_price(tmp_path: Path) -> None:
    """Audio tokens stay apart, parts sum to totals, each has its own price: 0.01795 USD, at the price of text 0.0023.

    Threads: litellm PR#38457, #6302.
    """
    usage = counts(
        120,
        200,
        prompt_tokens_details={"text_tokens": 20, "audio_tokens": 100},
        completion_tokens_details={"text_tokens": 30, "audio_tokens": 170},
    )
    own = prices(
        tmp_path,
        '[models."openai/gpt-4o"]\ninput = 2.5\noutput = 10\ninput_audio = 40\noutput_audio = 80\n',
    )
    stream = sse(delta("Hi", audio={"id": "a", "transcript": "Hi"}), delta(finish="stop"), trailer(usage))
    found = streamed("openai-chat", stream, *own)

    by_modality = 20 * Decimal("2.5") + 100 * 40 + 30 * 10 + 170 * 80
    as_text = 120 * Decimal("2.5") + 200 * 10
    assert f"{by_modality / 1_000_000}".rstrip("0") == found["cost_details"]["total"], f"as text it is {as_text}"
    for side, whole in (("prompt", 120), ("completion", 200)):
        buckets = found["token_usage"][f"{side}_tokens_details"]
        assert whole == buckets["text_tokens"] + buckets["audio_tokens"] == found["token_usage"][f"{side}_tokens"]


@pytest.mark.parametrize(
    ("asked", "served", "total"),
    [("priority", "default", "0.012"), ("auto", "flex", "0.006"), ("flex", "priority", "0.024")],
)
def test_symptom_12_served_tier_wins(tmp_path: Path, asked: str, served: str, total: str) -> None:
    """The tier that served the request is recorded and priced, not the one that was asked for.

    Threads: litellm#38247, #31837, PR#38458.
    """
    own = prices(
        tmp_path,
        """
[models."openai/gpt-5"]
input = 2
output = 10
[models."openai/gpt-5".tiers.flex]
input = 1
output = 5
[models."openai/gpt-5".tiers.priority]
input = 4
output = 20
""",
    )
    request = {"model": "gpt-5", "service_tier": asked}
    stream = sse(
        delta("Hi") | {"service_tier": "auto"},
        delta(finish="stop"),
        trailer(counts(1_000, 1_000)) | {"service_tier": served},
    )
    sent = chunks("openai-chat", stream, "--model", "gpt-5")
    sent[0]["raw_request"] = request
    found = record(sent, *own)

    assert (served, total) == (found["service_tier"], found["cost_details"]["total"])
    assert request == found["raw_request"]
