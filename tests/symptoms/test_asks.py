"""What users of Bifrost ask for, fifteen things: what is given today, and what is still to come."""

from __future__ import annotations

import json
from base64 import b64encode
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from pipeline.testing.chunk import Document, cancelled, chat, chunk, error, event, marker, text, usage
from tests.symptoms.command import chunks, clock, fold, placed, prices, record, run, streamed
from tests.symptoms.wire import (
    BLOCK_START,
    BLOCK_STOP,
    MESSAGE_STOP,
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

SOUND: Final = b64encode(b"sound").decode()
FLAT: Final = {"input_tokens": 70, "output_tokens": 30, "total_tokens": 100}
"""A usage as all but chat write it."""

STREAMS: Final = {
    "openai-chat": sse(delta("Hi"), delta(finish="stop"), trailer(counts(70, 30))),
    "openai-completions": sse(
        {"object": "text_completion", "choices": [{"index": 0, "text": "Hi", "finish_reason": "stop"}]},
        {"object": "text_completion", "choices": [], "usage": counts(70, 30)},
    ),
    "openai-responses": events(output_text("Hi"), response("response.completed", status="completed", usage=FLAT)),
    "openai-speech": events(
        {"type": "speech.audio.delta", "audio": SOUND}, {"type": "speech.audio.done", "usage": FLAT}
    ),
    "openai-transcription": events(
        {"type": "transcript.text.delta", "delta": "Hi"},
        {"type": "transcript.text.done", "text": "Hi", "usage": FLAT | {"type": "tokens"}},
    ),
    "openai-images": events(
        {"type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": SOUND},
        {"type": "image_generation.completed", "b64_json": SOUND, "usage": FLAT},
    ),
}


@pytest.mark.parametrize("provider", list(STREAMS))
def test_ask_01_usage_of_every_stream_type(provider: str) -> None:
    """What a stream of any of the six types says of usage is what its record says, and who said it.

    Threads: bifrost#4484, #4846.
    """
    found = streamed(provider, STREAMS[provider])

    assert (found["token_usage"], found["usage_source"], found["status"]) == (counts(70, 30), "provider", "success")


def test_ask_02_usage_from_any_late_chunk() -> None:
    """Usage and cost are taken from a chunk that is not the last, and one that comes after the close makes a revision.

    Threads: bifrost#520.
    """
    words = [chat(0, "Hi"), chat(1, finish="stop")]
    middle = record([*words, usage(2, counts(70, 30), cost=0.25), chunk(3, {"choices": []}), marker(4)])
    late = placed((0, words[0]), (10, words[1]), (60_000, usage(2, counts(70, 30), cost=0.25)), clock(90_000))
    first, second = fold(late).of()

    assert (middle["token_usage"], middle["cost"]) == (counts(70, 30), 0.25)
    assert (first["token_usage"], first["cost"]) == (None, None)
    assert (second["token_usage"], second["cost"], second["supersedes"]) == (counts(70, 30), 0.25, first["record_id"])
    assert second["delta"] == {"token_usage": counts(70, 30), "cost": 0.25}


SOLD: Final[Document] = {"provider": "openai", "model": "gpt-4o"}


def test_ask_03_cancelled_and_timed_out_streams_are_billed() -> None:
    """A bill over finished, cancelled, failed and vanished streams adds up: 0.06 USD, where successes alone are 0.015.

    Threads: bifrost#3357 (PR#4575).
    """
    half = counts(2_000, 1_000)  # 2.50 and 10 USD a million: 0.015
    ends = {
        "finished": marker(2),
        "cancelled": cancelled(2),
        "failed": error(2, "timeout", "timeout", is_final=True),
        "vanished": None,
    }
    sent = [
        each | {"request_id": name, **SOLD}
        for name, end in ends.items()
        for each in (chat(0, "word", usage=half), chat(1, finish="stop" if name == "finished" else None), end)
        if each is not None
    ]
    billed = {each["request_id"]: each for each in fold(sent).records}

    statuses = {name: each["status"] for name, each in billed.items()}
    assert statuses == dict(zip(ends, ("success", "incomplete", "error", "incomplete"), strict=True))
    assert sum(Decimal(each["cost_details"]["total"]) for each in billed.values()) == Decimal("0.06")


@pytest.mark.parametrize("capture", ["full", "metadata"])
def test_ask_04_output_of_a_cancelled_stream(capture: str) -> None:
    """A stream cancelled after 806 deltas gets an output of their size, marked `estimated`, also where no text is kept.

    Threads: bifrost PR#3709 (comment 2026-09-20).
    """
    words = [chat(index, "word ", **SOLD) for index in range(806)]
    found = record([*words, cancelled(806)], "--set", "estimate_usage=characters", "--capture", capture)

    assert (found["usage_source"], found["status"]) == ("estimated", "incomplete")
    assert 806 <= found["token_usage"]["completion_tokens"] <= 1_612
    assert ("word" in json.dumps(found)) == (capture == "full")


def test_ask_05_cache_writes_counted_twice(tmp_path: Path) -> None:
    """Text, cache reads and cache writes sum to the input, and each is charged once: 1.062 USD, twice over 1.812.

    Threads: bifrost#3451.
    """
    own = prices(
        tmp_path,
        '[models."anthropic/claude-sonnet-4-5"]\ninput = 3\ncache_read = 0.3\ncache_write = 3.75\noutput = 15\n',
    )
    parts = {"input_tokens": 2_000, "cache_read_input_tokens": 1_000_000, "cache_creation_input_tokens": 200_000}
    stream = events(
        message_start(**parts, output_tokens=1), BLOCK_START, text_delta("Hi"), BLOCK_STOP,
        message_delta("end_turn", output_tokens=400), MESSAGE_STOP,
    )  # fmt: skip
    found = streamed("anthropic-messages", stream, *own)

    said = found["token_usage"]
    inner = said["prompt_tokens_details"]
    assert said["prompt_tokens"] == 2_000 + inner["cached_read_tokens"] + inner["cached_write_tokens"] == 1_202_000
    right = 2_000 * 3 + 1_000_000 * Decimal("0.3") + 200_000 * Decimal("3.75") + 400 * 15
    assert Decimal(found["cost_details"]["total"]) == right / 1_000_000 == Decimal("1.062")


BILLS: Final = [
    # provider, model, usage, USD: prices per million tokens of 2026-01-01 are written out
    ("openai", "gpt-4o", counts(10_000, 100), 10_000 * Decimal("2.5") + 100 * 10),
    (
        "openai",
        "gpt-4o",
        counts(10_000, 100, prompt_tokens_details={"cached_tokens": 9_984}),
        16 * Decimal("2.5") + 9_984 * Decimal("1.25") + 100 * 10,
    ),
    (
        "anthropic",
        "claude-sonnet-4-5",
        {
            "input_tokens": 16,
            "cache_read_input_tokens": 9_000,
            "cache_creation_input_tokens": 984,
            "output_tokens": 100,
        },
        16 * 3 + 9_000 * Decimal("0.3") + 984 * Decimal("3.75") + 100 * 15,
    ),
    (
        "gemini",
        "gemini-2.5-flash",
        counts(10_000, 100, prompt_tokens_details={"cached_tokens": 9_984}),
        16 * Decimal("0.3") + 9_984 * Decimal("0.03") + 100 * Decimal("2.5"),
    ),
    ("xai", "grok-4-0709", counts(1_000, 100), Decimal(1_000 * 3 + 100 * 15)),
]


@pytest.mark.parametrize(("provider", "model", "used", "millionths"), BILLS)
def test_ask_06_cached_tokens_charged_as_input(provider: str, model: str, used: Document, millionths: Decimal) -> None:
    """Golden bills: five usages of four providers cost to the last digit what their prices, written out, make of them.

    Threads: bifrost#904.
    """
    found = record([chat(0, "Hi", finish="stop", usage=used, provider=provider, model=model, is_final=True)])

    assert Decimal(found["cost_details"]["total"]) == millionths / 1_000_000
    assert found["cost_details"]["source"] == "catalog"


def test_ask_07_usage_summed_over_chunks_and_requests() -> None:
    """Three responses that run at once, with a usage in each of their events, have each its own last one.

    Threads: bifrost#2438.
    """
    streams = []
    for number in range(1, 4):
        said = [
            {"input_tokens": 10 * number, "output_tokens": done, "total_tokens": 10 * number + done}
            for done in (0, 5, 9)
        ]
        kinds = ("response.created", "response.in_progress", "response.completed")
        whole = [response(kind, status="completed", usage=used) for kind, used in zip(kinds, said, strict=True)]
        stream = events(whole[0], whole[1], output_text("Hi"), whole[2])
        streams.append(chunks("openai-responses", stream, request_id=f"r-{number}"))
    folded = fold([each for at_once in zip(*streams, strict=True) for each in at_once])

    assert [each["token_usage"] for each in folded.records] == [counts(10 * number, 9) for number in range(1, 4)]


FAILED: Final = {
    "chat": [chat(0, "Half"), chunk(1, {"error": {"message": "overloaded", "code": 529}}, is_final=True)],
    "text": [text(0, "Half"), text(1) | {"error": {"error": {"message": "overloaded"}}, "is_final": True}],
    "responses error": [event(0, "error", fields={"code": "server_error", "message": "overloaded"}, is_final=True)],
    "responses failed": [
        event(0, "response.failed", fields=response("response.failed", error={"message": "overloaded"}), is_final=True)
    ],
    "image": [
        chunk(0, {"type": "error", "error": {"message": "overloaded"}}, stream_type="image.generation", is_final=True)
    ],
}


@pytest.mark.parametrize("kind", list(FAILED))
def test_ask_08_failed_streams_logged_as_success(kind: str) -> None:
    """A stream that answers with HTTP 200 and fails in its middle has status error and the provider's words.

    Threads: bifrost#3043.
    """
    found = record(FAILED[kind])

    assert (found["status"], found["error_details"]["error"]["message"]) == ("error", "overloaded")


def test_ask_09_recalculation_from_the_record_alone(tmp_path: Path) -> None:
    """A record keeps its whole usage, model, tier and time, so new prices give from it what they give from its chunks.

    Threads: bifrost#836, PR#1082, PR#5669, PR#6343.
    """
    full = counts(
        10_000,
        900,
        prompt_tokens_details={"cached_read_tokens": 6_000, "cached_write_tokens": 1_000, "audio_tokens": 0},
        completion_tokens_details={"reasoning_tokens": 300},
        search_units=2,
    )
    sent = [chat(0, "Hi", finish="stop", usage=full, is_final=True, provider="openai", model="gpt-4o")]
    sheet = '[models."openai/gpt-4o"]\ninput = 5\ncache_read = 1\ncache_write = 6\noutput = 20\n'
    before, after = record(sent), record(sent, *prices(tmp_path, sheet))
    kept = before["token_usage"]
    again = [
        chat(0, finish="stop", usage=kept, is_final=True, **{name: before[name] for name in ("provider", "model")})
    ]

    assert record(again, *prices(tmp_path, sheet))["cost_details"] == after["cost_details"] != before["cost_details"]
    right = 3_000 * 5 + 6_000 * 1 + 1_000 * 6 + 900 * 20
    told = {name: Decimal(after["cost_details"][name]) for name in ("input", "output", "total")}
    assert told["input"] + told["output"] == told["total"] == Decimal(right) / 1_000_000
    assert kept["search_units"] == 2


def test_ask_10_own_prices_and_their_unit(tmp_path: Path) -> None:
    """Negotiated prices are read per million tokens and go before the list; one that was written per token is refused.

    Threads: bifrost#5243, #6246, #1270, #3559.
    """
    sent = [chat(0, "Hi", finish="stop", usage=counts(1_000, 100), is_final=True, **SOLD)]
    own = record(sent, *prices(tmp_path, '[models."openai/gpt-4o"]\ninput = 2.00\noutput = 8.00\n'))
    refused = run("fold", *prices(tmp_path, '[models."openai/gpt-4o"]\ninput = 0.000002\noutput = 8.00\n'), stdin="")

    assert (own["cost_details"]["total"], own["cost_details"]["source"]) == ("0.0028", "overlay")
    assert record(sent)["cost_details"]["total"] == "0.0035"
    assert refused.exit_code == 2
    assert "prices are per million: input = 2" in refused.stderr


def test_ask_11_missing_model_price() -> None:
    """A model without a price leaves cost null, says why, and does not write a line for each request.

    Threads: bifrost#1659, #565.
    """
    ended: Document = {"is_final": True, "provider": "openai", "model": "acme-1-preview"}
    folded = fold([chat(0, "Hi", finish="stop", usage=counts(9, 9), request_id=f"r-{n}", **ended) for n in range(50)])

    assert {(each["cost"], each["cost_details"]["reason"]) for each in folded.records} == {(None, "unknown_model")}
    assert folded.dead == []  # nor anything else on standard error


def test_ask_12_spend_per_key_team_and_customer() -> None:
    """Labels of the first chunk that has them stand in the record, so that spend is summed by any of them.

    Threads: bifrost#2317, #6482, #664. Still to come: charts by label.
    """
    spend: dict[str, float] = {"vk-1": 0.25, "vk-2": 0.5}
    sent = [
        each
        for number in range(6)
        for key, cost in [list(spend.items())[number % 2]]
        for each in (
            chat(0, "Hi", request_id=f"r-{number}", labels={"virtual_key": key, "team": "search"}),
            chat(1, finish="stop", request_id=f"r-{number}", cost=cost, labels={"virtual_key": "other"}, is_final=True),
        )
    ]
    found = fold(sent).records

    summed: dict[str, float] = {}
    for each in found:
        key = each["labels"]["virtual_key"]
        summed[key] = summed.get(key, 0) + each["cost"]
        assert each["labels"]["team"] == "search"
    assert summed == {"vk-1": 0.75, "vk-2": 1.5}


def test_ask_13_ttft_and_speed_are_columns() -> None:
    """Time to first token, to first content, between chunks, and tokens per second are numbers of the record itself.

    Threads: bifrost#5159, #1992, PR#2129.
    """
    sent = [chat(index, "word ", sent=1_000 + 100 * index) for index in range(11)]
    sent.append(chat(11, finish="stop", usage=counts(9, 50), is_final=True, sent=2_100))
    sent[0]["start_timestamp"] = "2026-01-01T00:00:00Z"
    for capture in ("full", "metadata"):
        found = record(sent, "--capture", capture)
        assert (found["time_to_first_token"], found["time_to_first_content"], found["latency"]) == (1_000, 1_000, 2_100)
        assert found["inter_chunk_latency"] == {"p50": 100, "p95": 100, "max": 100, "tokens_per_second": 50.0}


def test_ask_14_log_store_too_big() -> None:
    """With `capture=metadata` a record of 20,000 words has 2 KB and the same usage, cost and times.

    Threads: bifrost#2172, #1665, #5053, #2286. Still to come: a retention for content that sinks keep.
    """
    request = {"messages": [{"role": "user", "content": "secret " * 5_000}]}
    sent = [chat(index, "secret " * 100, **SOLD) for index in range(200)]
    sent.append(chat(200, finish="stop", usage=counts(5_000, 20_000), is_final=True, **SOLD))
    sent[0]["raw_request"] = request
    whole, small = (record(sent, "--capture", capture) for capture in ("full", "metadata"))

    sizes = [len(json.dumps(each)) for each in (whole, small)]
    assert sizes[0] > 150_000
    assert sizes[1] < 2_500
    assert "secret" not in json.dumps(small)
    for name in (
        "token_usage",
        "cost",
        "cost_details",
        "latency",
        "time_to_first_content",
        "finish_reason",
        "chunk_count",
    ):
        assert small[name] == whole[name]


def test_ask_15_billing_meter_per_virtual_key() -> None:
    """A record has what a meter needs: an id that repeats alike, a customer, a time, and differences for corrections.

    Threads: bifrost#428, #3547, PR#7366.
    """
    sent = [chat(0, "Hi", labels={"virtual_key": "vk-1"}), chat(1, finish="stop")]
    late = placed((0, sent[0]), (10, sent[1]), (60_000, usage(2, counts(70, 30), cost=0.25)), clock(90_000))
    first, second = fold(late).of()
    again = fold(late).of()

    assert [each["record_id"] for each in again] == [first["record_id"], second["record_id"]]
    assert first["record_id"] != second["record_id"]  # a meter drops what repeats, so a correction needs its own id
    assert second["delta"] == {"token_usage": counts(70, 30), "cost": 0.25}
    assert {each["labels"]["virtual_key"] for each in again} == {"vk-1"}
    assert second["end_timestamp"] == "2026-01-01T00:00:00.200000Z"
