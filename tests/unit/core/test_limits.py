"""The limits of a request (CONTRACT §4 rule 5), sentence by sentence, through the working set."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.policy import Policy
from pipeline.testing.chunk import USAGE, Document, chat, chunk, encoded, error, event, marker, moment, usage
from tests.ledger import Ledger, fold

AGE = 86_400_000
SESSION = 300_000
SENT: dict[str, Any] = {"start_timestamp": moment(0)}
STREAM = [
    chat(0, "one ", raw_request={"n": 1}, labels={"team": "a"}, **SENT),
    chat(1, "two "),
    chat(2, "three "),
    chat(3, finish="stop", model="m", provider="p"),
    chunk(
        4, {"choices": [], "usage": USAGE, "service_tier": "flex", "extra_fields": {"cache_debug": {"cache_hit": True}}}
    ),
    marker(5, cost=0.5),
]
"""Three words, then all that comes after content."""

CONTENT = {"output_message", "raw_request", "truncated", "config_digest", "digest"}


def said(record: Document) -> str | None:
    """Content of the message."""
    content: str | None = record["output_message"]["content"]
    return content


@pytest.mark.parametrize(
    ("policy", "content"),
    [
        pytest.param(Policy(max_chunks=2), "one two ", id="max_chunks"),
        pytest.param(Policy(max_bytes=sum(len(encoded(each)) for each in STREAM[:2])), "one two ", id="max_bytes"),
        pytest.param(Policy(max_chunks=3), "one two three ", id="the last content fits"),
    ],
)
def test_past_a_limit_content_is_no_longer_stored(policy: Policy, content: str) -> None:
    """What came before stays; `truncated` says that something is missing, and only then."""
    record = fold(*STREAM, policy=policy)

    assert said(record) == content
    assert record["truncated"] is (content != "one two three ")


@pytest.mark.parametrize("most", range(7))
def test_all_but_content_goes_on_and_the_request_closes_normally(most: int) -> None:
    """Usage, cost, finish, timing, indexes, labels, tier and cache facts: a limit never loses the bill."""
    whole, cut = fold(*STREAM), fold(*STREAM, policy=Policy(max_chunks=most))

    kept = whole.keys() - CONTENT
    assert {name: cut[name] for name in kept} == {name: whole[name] for name in kept}
    assert (cut["closed_by"], cut["status"], cut["complete"]) == ("final", "success", True)
    assert (cut["token_usage"], cut["cost"], cut["finish_reason"]) == (USAGE, 0.5, "stop")
    assert (cut["time_to_first_content"], cut["inter_chunk_latency"]["max"]) == (0, 100)


def test_a_limit_is_remembered_over_a_crash() -> None:
    """The count and the bytes are in the checkpoint, and so is that content was lost."""
    policy = Policy(max_chunks=2)
    straight = Ledger(policy).send(*STREAM)
    crashed = Ledger(policy)
    for place, each in enumerate(STREAM):
        crashed.send(each)
        if place % 2:
            crashed.checkpoint().restart()

    assert crashed.record == straight.record
    assert straight.record["truncated"]


def test_indexes_go_on_past_a_limit() -> None:
    """A gap among chunks without content is a gap, and a repeat is a repeat."""
    ledger = Ledger(Policy(max_chunks=1))
    ledger.send(chat(0, "a"), chat(1, "b"), chat(4, "c"), chat(4, "c"), chat(5, "d", finish="stop")).end()

    record = ledger.record
    assert (record["missing_indexes"], record["complete"]) == ([[2, 3]], False)
    assert (record["chunk_count"], record["duplicate_count"], record["conflict_count"]) == (4, 1, 0)


def test_other_content_of_another_length_is_still_a_conflict() -> None:
    """Of what was not stored the length is known: the first delivery stays, the other is refused."""
    ledger = Ledger(Policy(max_chunks=1))
    ledger.send(chat(0, "a"), chat(1, "b"), chat(1, "longer"), marker(2)).end()

    assert [reason for reason, _ in ledger.reasons] == ["conflict"]
    assert ledger.record["conflict_count"] == 1


def test_an_error_past_a_limit_is_told_whole() -> None:
    """It is no content, and the caller has to know."""
    record = fold(chat(0, "a"), error(1, "quota"), policy=Policy(max_chunks=1))

    assert (record["status"], record["error_details"]["error"]["message"], record["truncated"]) == (
        "error",
        "quota",
        False,
    )


def test_responses_close_by_their_terminal_event_past_a_limit() -> None:
    """Usage is nested in it (symptom 5); its output is content and is cut."""
    whole = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ab"}]}
    response = {"output": [whole], "usage": {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}}
    events = [
        event(0, "response.output_text.delta", fields={"delta": "a", "output_index": 0}),
        event(1, "response.output_text.delta", fields={"delta": "b", "output_index": 0}),
        event(2, "response.completed", fields={"response": response}),
    ]

    record = fold(*events, policy=Policy(max_chunks=1))

    assert record["output_messages"][0]["content"] == [{"type": "output_text", "text": "a"}]
    assert (record["closed_by"], record["token_usage"]["total_tokens"]) == ("finish", 4)
    assert record["inter_chunk_latency"]["max"] == 100


@pytest.mark.parametrize("offset", [0, 50_000])
def test_age_closes_what_never_falls_silent(offset: int) -> None:
    """First append + max_request_age, whatever comes; the bill until then is there, the status says that it was cut."""
    ledger = Ledger()
    index = 0
    while index * 200_000 < AGE:
        ledger.send(
            chat(index, "a", usage={"prompt_tokens": 5, "completion_tokens": index + 1}), at=offset + index * 200_000
        )
        index += 1

    assert ledger.records == []
    ledger.until(offset + AGE - 1)
    assert ledger.records == []
    ledger.until(offset + AGE)

    record = ledger.record
    assert (record["closed_by"], record["status"], record["finish_reason"]) == ("limit", "incomplete", None)
    assert record["token_usage"]["completion_tokens"] == index
    assert ledger.closings == [("limit", offset + AGE)]


def test_age_counts_from_the_first_append_over_a_restart() -> None:
    """The deadline is in the checkpoint; what was sent upstream long before does not shorten it."""
    ledger = Ledger(Policy(max_request_age=400_000))
    ledger.send(chat(0, "a", **SENT), at=1_000).checkpoint().restart()
    ledger.send(chat(1, "b"), at=250_000).checkpoint().restart().until(400_999)
    assert ledger.records == []

    ledger.until(401_000)

    assert ledger.closings == [("limit", 401_000)]


def test_a_chunk_after_the_age_is_late() -> None:
    """Its request is closed as of the deadline before the chunk is looked at, and the chunk makes a revision."""
    ledger = Ledger(Policy(max_request_age=400_000))
    ledger.send(chat(0, "a")).send(chat(1, "b"), at=200_000).send(usage(2), at=400_000).until(403_000)

    first, second = ledger.records
    assert (first["closed_by"], first["token_usage"]) == ("limit", None)
    assert (second["closed_by"], second["revision"], second["token_usage"]) == ("late", 1, USAGE)
    assert ledger.closings[0] == ("limit", 400_000)


def test_silence_closes_before_age_does() -> None:
    """The earlier of the two deadlines counts (rule 4 before rule 5)."""
    ledger = Ledger().send(chat(0, "a")).until(SESSION)

    assert ledger.closings == [("expiry", SESSION)]
