"""The fields of a record (CONTRACT §2), from chunks to AccumulatedData through the working set."""

from typing import Any

import pytest

from pipeline.core.policy import Policy
from pipeline.testing.chunk import (
    AUDIO,
    CHAT,
    HOUR,
    IMAGE,
    RESPONSES,
    TEXT,
    USAGE,
    Document,
    cancelled,
    chat,
    chunk,
    error,
    event,
    image,
    marker,
    moment,
    speech,
    text,
    transcript,
    usage,
)
from schemas.identity import record_id
from schemas.record import RECORD_FIELDS
from tests.ledger import Ledger, fold

POLICY = Policy()
SENT_AT: dict[str, Any] = {"start_timestamp": moment(0)}


def times(record: Document) -> tuple[int, int, int | None]:
    """latency, time_to_first_token, time_to_first_content."""
    return record["latency"], record["time_to_first_token"], record["time_to_first_content"]


# ---- identity ----------------------------------------------------------------------------------------------------


def test_a_record_has_every_field_in_schema_order() -> None:
    """Nulls are written, so that readers need no defaults."""
    assert tuple(fold(chat(0, "a"))) == RECORD_FIELDS


def test_the_record_id_is_the_same_for_every_replay() -> None:
    """UUIDv5 of ledger, request and revision."""
    record = fold(chat(0, "a"), policy=Policy(ledger="staging"))

    assert record["record_id"] == record_id("staging", "r-1", 0)
    assert (record["revision"], record["supersedes"], record["delta"], record["stream"]) == (0, None, None, True)
    assert record["config_digest"] == Policy(ledger="staging").digest


@pytest.mark.parametrize(
    "document", [chat(0, "a"), text(0, "a"), speech(0, b"a"), image(0, 0, "YQ=="), transcript(0, "a"), event(0, "x")]
)
def test_every_stream_type_has_its_record(document: Document) -> None:
    """stream_type is that of the chunks."""
    assert fold(document)["stream_type"] == document["stream_type"]


def test_the_source_tells_where_to_replay_it_from() -> None:
    """Topic, partition, first and last offset of the request's chunks."""
    ledger = (
        Ledger()
        .send(chat(0, "x", request_id="other"))
        .send(chat(0, "a"), chat(1, "b"), chat(0, "y", request_id="last"))
    )

    record = next(each for each in ledger.end().records if each["request_id"] == "r-1")

    assert record["source"] == {"topic": "llm.chunks", "partition": 3, "first_offset": 1, "last_offset": 2}


# ---- times -------------------------------------------------------------------------------------------------------


def test_times_count_from_start_timestamp() -> None:
    """TTFT is the earliest chunk, latency the final one, first content the first text (S-TIME-1, S-TIME-2)."""
    record = fold(
        chat(0, sent=100, **SENT_AT), chat(1, "a", sent=250), chat(2, finish="stop", sent=900.9, is_final=True)
    )

    assert times(record) == (900, 100, 250)
    assert (record["start_timestamp"], record["end_timestamp"]) == (
        "2026-01-01T00:00:00.000000Z",
        "2026-01-01T00:00:00.900900Z",
    )


def test_the_earliest_start_wins() -> None:
    """Whichever chunk brings it (CONTRACT §1)."""
    chunks = [chat(0, "a", start_timestamp=moment(-5)), chat(1, "b", start_timestamp=moment(-50)), chat(2)]

    assert fold(*chunks)["start_timestamp"] == "2025-12-31T23:59:59.950000Z"


def test_without_a_start_the_earliest_chunk_is_it() -> None:
    """Not the first delivered one (S-TIME-1)."""
    record = fold(chat(1, "b", sent=300), chat(0, "a", sent=200), chat(2, sent=700, is_final=True))

    assert times(record) == (500, 0, 0)


def test_a_clock_that_runs_backwards_gives_0() -> None:
    """Never a negative time (S-TIME-3)."""
    assert times(fold(chat(0, "a", sent=-50, is_final=True, **SENT_AT))) == (0, 0, 0)


@pytest.mark.parametrize(
    ("chunks", "end"),
    [
        pytest.param([chat(0, sent=5), chat(2, sent=3), chat(1, sent=9)], 3, id="highest index"),
        pytest.param([chat(0, sent=5, is_final=True), chat(1, sent=9)], 5, id="final before highest"),
        pytest.param([chat(1, sent=7, is_final=True), chat(0, sent=5, is_final=True)], 7, id="highest final"),
        pytest.param([chat(0, sent=5), marker(1, sent=8)], 8, id="bare marker"),
        pytest.param([chat(0, sent=5), error(0, sent=6), chat(1, sent=9)], 6, id="error before highest"),
        pytest.param([chat(0, sent=5), error(1, sent=6), error(2, sent=8)], 8, id="highest error"),
        pytest.param(
            [chat(0, sent=5), chunk(1, {"error": {"message": "x"}}, sent=6), chat(2, sent=9)], 6, id="error in band"
        ),
        pytest.param(
            [event(0, "response.failed", sent=6), event(1, "x", sent=9)], 6, id="failed response"
        ),
        pytest.param([error(3, sent=4), chat(0, sent=7, attempt=1), chat(1, sent=9, attempt=1)], 9, id="highest"),
        pytest.param([chat(3, sent=4, is_final=True), chat(0, sent=7, attempt=1)], 4, id="final of any attempt"),
        pytest.param(
            [image(3, 0, "YQ==", sent=9), image(1, 1, "YQ==", sent=5)], 9, id="highest index of all images"
        ),
    ],
)  # fmt: skip
def test_the_end_is_final_else_error_else_the_highest_index(chunks: list[Document], end: int) -> None:
    """end_timestamp of CONTRACT §2; an error may be handed in or inside of a payload."""
    record = fold(*(each | SENT_AT for each in chunks))

    assert record["latency"] == end


def test_time_to_first_token_is_that_of_the_shown_attempt() -> None:
    """A failed attempt before it does not count (CONTRACT §2)."""
    record = fold(chat(0, "bad", sent=10, **SENT_AT), error(1, sent=20), chat(0, "good", sent=500, attempt=1))

    assert times(record) == (500, 500, 500)


def test_no_content_has_no_time_to_it() -> None:
    """Null, not 0; role-only and empty chunks are no content (SYMPTOMS 40)."""
    record = fold(chat(0, ""), chat(1), usage(2))

    assert (record["time_to_first_content"], record["inter_chunk_latency"]) == (None, None)


def test_inter_chunk_latency_is_between_content_chunks() -> None:
    """Nearest-rank percentiles; tokens per second from the shown attempt's usage."""
    record = fold(
        chat(0, sent=0), *(chat(i, "a", sent=at) for i, at in ((1, 100), (2, 110), (3, 600))), usage(4, sent=10_000)
    )

    assert record["inter_chunk_latency"] == {"p50": 10, "p95": 490, "max": 490, "tokens_per_second": 4.0}


# ---- status and end ----------------------------------------------------------------------------------------------


STATUS: list[tuple[str, list[Document], str, bool]] = [
    ("finish and final", [chat(0, finish="stop", is_final=True)], "success", True),
    ("finish without final", [chat(0, finish="stop")], "success", True),
    ("silence", [chat(0, "a")], "incomplete", False),
    ("final without finish: chat", [chat(0, "a", is_final=True)], "incomplete", True),
    ("final without finish: text", [text(0, "a", is_final=True)], "incomplete", True),
    ("final without end: responses", [event(0, "response.created", is_final=True)], "incomplete", True),
    ("final without end: speech", [speech(0, b"a", is_final=True)], "success", True),
    ("final without end: transcription", [transcript(0, "a", is_final=True)], "success", True),
    ("final without end: image", [image(0, 0, "YQ==", is_final=True)], "success", True),
    ("final with a terminal event", [event(0, "response.completed", is_final=True)], "success", True),
    ("a terminal event", [event(0, "response.completed")], "success", True),
    (
        "the provider cut it",
        [event(0, "response.incomplete", fields={"response": {"status": "incomplete"}})],
        "incomplete",
        True,
    ),
    ("the provider cancelled it", [event(0, "response.cancelled")], "incomplete", True),
    ("a truncated answer is a success", [chat(0, finish="length")], "success", True),
    ("a gap", [chat(0, "a"), chat(2, finish="stop")], "success", False),
    ("an error", [chat(0, "a"), error(1)], "error", True),
    ("an error alone", [error(0)], "error", True),
    ("an error after the finish", [chat(0, finish="stop"), error(1)], "error", True),
    ("an error inside", [chunk(0, {"error": {"message": "x"}})], "error", True),
    ("an error and a bare final marker", [error(0), marker(0)], "error", True),
    ("cancelled by the caller", [chat(0, "a"), cancelled(1)], "incomplete", True),
    ("an error and a gap", [chat(0, "a"), error(2)], "error", False),
    ("a marker alone", [marker(0)], "incomplete", True),
]


@pytest.mark.parametrize(("chunks", "status", "complete"), [pytest.param(*row, id=name) for name, *row in STATUS])
def test_status_and_complete(chunks: list[Document], status: str, complete: bool) -> None:
    """CONTRACT §2: no made-up finish, no hidden gap."""
    record = fold(*chunks)

    assert (record["status"], record["complete"]) == (status, complete)


def test_the_finish_reason_passes_unchanged() -> None:
    """Whatever word the provider has for it (S-FIN-1, SYMPTOMS 24)."""
    assert fold(chat(0, finish="a word of its own"))["finish_reason"] == "a word of its own"
    assert fold(chat(0, "a"))["finish_reason"] is None


def test_a_limit_is_incomplete_though_a_finish_was_seen() -> None:
    """Closed by its age in the grace after the finish."""
    ledger = Ledger(Policy(max_request_age=10_000, finish_grace=5_000))
    ledger.send(chat(0, "a")).send(chat(1, finish="stop"), at=9_000)

    record = ledger.until(10_000).record

    assert (record["closed_by"], record["status"], record["complete"]) == ("limit", "incomplete", True)


@pytest.mark.parametrize(
    ("chunks", "missing"),
    [
        pytest.param([chat(0), chat(1)], [], id="none"),
        pytest.param([chat(1), chat(2)], [], id="counted from 1"),
        pytest.param([chat(0), chat(4), chat(2)], [[1, 1], [3, 3]], id="gaps"),
        pytest.param([chat(0), chat(2**53 - 1)], [[1, 2**53 - 2]], id="huge index"),
        pytest.param([image(0, 0), image(2, 1)], [[1, 0, 1]], id="images by image"),
        pytest.param([chat(3, "a"), error(4), chat(0, attempt=1), chat(2, attempt=1)], [[0, 2]], id="shown attempt"),
    ],
)
def test_missing_indexes_are_those_of_the_output(chunks: list[Document], missing: list[list[int]]) -> None:
    """Of the attempt that is shown (CONTRACT §2)."""
    assert fold(*chunks)["missing_indexes"] == missing


# ---- evidence ----------------------------------------------------------------------------------------------------


def test_chunks_repeats_and_conflicts_are_counted() -> None:
    """Distinct chunks; dropped repeats; other content under one identity."""
    record = fold(chat(0, "a"), chat(1, "b"), chat(0, "a"), chat(1, "x"), chat(0, "a"))

    assert (record["chunk_count"], record["duplicate_count"], record["conflict_count"]) == (2, 2, 1)
    assert record["output_message"]["content"] == "ab"


def test_anomalies_of_envelope_payload_and_error_are_summed() -> None:
    """Odd leaves that the decoder, the fold and the usage had to drop."""
    odd = error(1)
    odd["error"]["status_code"] = "x"
    record = fold(chunk(0, {"choices": "odd"}), odd, chat(2, "a", usage={"total_tokens": 3, "prompt_tokens": "x"}))

    assert record["payload_anomalies"] == 3


def test_past_a_limit_the_record_says_truncated_and_keeps_the_bill() -> None:
    """Content is cut, the end and the money are not (CONTRACT §4 rule 5)."""
    chunks = [chat(0, "kept"), chat(1, "cut"), chat(2, finish="stop", usage=USAGE, cost=0.5, is_final=True)]

    record = fold(*chunks, policy=Policy(max_chunks=1))

    assert (record["truncated"], record["output_message"]["content"]) == (True, "kept")
    assert (record["token_usage"], record["cost"], record["finish_reason"], record["chunk_count"]) == (
        USAGE,
        0.5,
        "stop",
        3,
    )
    assert (record["status"], record["complete"], record["closed_by"]) == ("success", True, "final")


@pytest.mark.parametrize("capture", ["metadata", "hash"])
def test_without_capture_no_record_has_content(capture: Any) -> None:
    """Tokens, cost and indexes are right; no word of content is there (G7)."""
    chunks = [
        chat(0, "secret", raw_request={"prompt": "secret"}),
        chunk(1, {"choices": [{"delta": {"content": "secret"}}], "extra_fields": {"raw_response": "secret"}}),
        chunk(2, {"choices": [{"delta": {"content": "secret"}, "finish_reason": 5}]}),
        chat(3, finish="stop", usage=USAGE, cost=0.5, is_final=True),
    ]

    record = fold(*chunks, policy=Policy(capture=capture))

    assert "secret" not in str(record)
    assert (record["content_omitted"], record["truncated"]) == ("capture", False)
    assert (record["token_usage"], record["cost"], record["status"]) == (USAGE, 0.5, "success")


def test_an_oversized_record_sheds_content_but_no_money() -> None:
    """max_record_bytes (CONTRACT §2 content_omitted)."""
    record = fold(chat(0, "x" * 9_000, usage=USAGE, cost=0.5), policy=Policy(max_record_bytes=4_000))

    assert (record["content_omitted"], record["output_message"]) == ("content", None)
    assert (record["token_usage"], record["cost"]) == (USAGE, 0.5)


def test_half_characters_are_mended_in_every_field() -> None:
    """Envelope, payload, labels and errors alike (S-CHAT-9)."""
    half = '"\\ud83d"'
    value = (
        '{"request_id":"r-1","stream_type":"chat.completion","chunk_index":0,"timestamp":"2026-01-01T00:00:00Z",'
        f'"model":{half},"provider":{half},"labels":{{"k":{half}}},"raw_request":[{half}],"error":{{"error":{{"message":{half}}}}}}}'
    )

    record = Ledger().send(value.encode()).end().record

    assert (record["model"], record["provider"], record["labels"]) == ("\ufffd", "\ufffd", {"k": "\ufffd"})
    assert (record["raw_request"], record["error_details"]["error"]["message"]) == (["\ufffd"], "\ufffd")


# ---- revisions ---------------------------------------------------------------------------------------------------


def test_a_revision_supersedes_and_tells_the_change() -> None:
    """Null counts as 0; the cost is exact (CONTRACT §2 delta)."""
    ledger = Ledger().send(chat(0, "a", finish="stop", usage={"prompt_tokens": 5, "total_tokens": 5}, cost=0.1))
    ledger.until(2_000).send(
        usage(1, {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}, cost=0.3), at=3_000
    )

    first, second = ledger.until(HOUR).records

    assert (second["revision"], second["closed_by"], second["supersedes"]) == (1, "late", first["record_id"])
    assert second["record_id"] == record_id("main", "r-1", 1)
    assert second["delta"]["cost"] == 0.2
    assert second["delta"]["token_usage"] == {"prompt_tokens": 0, "completion_tokens": 2, "total_tokens": 2}


def test_a_revision_without_money_has_an_empty_change() -> None:
    """0 against 0, and no usage against none."""
    ledger = Ledger().send(chat(0, "a", finish="stop")).until(2_000).send(chat(1, "b"), at=3_000).until(HOUR)

    assert ledger.records[1]["delta"] == {"token_usage": None, "cost": 0.0}
    assert ledger.records[1]["output_message"]["content"] == "ab"


@pytest.mark.parametrize("stream_type", [CHAT, TEXT, AUDIO, IMAGE, RESPONSES])
def test_a_lone_marker_makes_a_record_of_any_type(stream_type: str) -> None:
    """The end of a request of which nothing else arrived."""
    record = fold(marker(0, stream_type=stream_type, cost=0.5))

    assert (record["chunk_count"], record["cost"], record["stream_type"]) == (1, 0.5, stream_type)
