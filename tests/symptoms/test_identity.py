"""Symptoms 27 to 34: chunks and requests that are taken for others, or for several."""

from __future__ import annotations

import random
from typing import Any, Final

import pytest

from pipeline.testing.chunk import Document, chat, chunk, error, event, marker, usage
from tests.symptoms.command import fold, placed, record
from tests.symptoms.wire import counts, response

NAME: Final = "\u00e9t\u00e9 "


def stream(request_id: str = "r-1", **envelope: Any) -> list[Document]:
    """A stream of twelve chunks with all that a stream may have."""
    words = [chat(index, f"w{index} {NAME}", request_id=request_id, **envelope) for index in range(9)]
    tool = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}}
    calls = {"choices": [{"index": 0, "delta": {"tool_calls": [tool]}, "finish_reason": None}]}
    end = [
        chunk(9, calls, request_id=request_id, **envelope),
        chat(10, finish="tool_calls", request_id=request_id, **envelope),
        usage(11, counts(40, 12), request_id=request_id, is_final=True, **envelope),
    ]
    return [*words, *end]


def test_symptom_27_same_chunk_by_several_plugins() -> None:
    """Any chunk delivered any number of times changes nothing but the count of repeats.

    Threads: bifrost PR#1257.
    """
    once = record(stream())
    draw = random.Random(27)
    for _ in range(10):
        *before, last = stream()
        copies = [each for each in before for _ in range(draw.randint(1, 4))]
        again = record([*draw.sample(copies, len(copies)), last, last, last])
        assert (again["digest"], again["chunk_count"]) == (once["digest"], 12)
        assert again["duplicate_count"] == len(copies) - 11  # those of the last come after the close


def test_symptom_28_out_of_order_arrival() -> None:
    """Any order of arrival gives the same record, byte for byte but for the counts of what arrived.

    Threads: bifrost PR#238.
    """
    once = record(stream())
    draw = random.Random(28)
    for _ in range(25):
        assert record(draw.sample(stream(), 12))["digest"] == once["digest"]
    assert record(stream()[::-1])["digest"] == once["digest"]


def test_symptom_29_usage_on_an_index_that_content_has() -> None:
    """Usage, an error and an end marker on the index of a content chunk are kept beside it.

    Threads: bifrost PR#6547 (2.0.0 notes).
    """
    sent = [chat(0, "a "), chat(1, "b", finish="stop"), usage(1, counts(5, 2)), marker(1)]
    found = record(sent)
    failed = record([chat(0, "a "), error(0, "cut"), usage(0, counts(5, 1))])

    assert (found["output_message"]["content"], found["token_usage"]) == ("a b", counts(5, 2))
    assert (found["finish_reason"], found["complete"], found["conflict_count"]) == ("stop", True, 0)
    assert (failed["status"], failed["token_usage"]) == ("error", counts(5, 1))


def test_symptom_29_numbers_used_twice_or_left_out() -> None:
    """Other content on a number that was used, and a chunk without a number, become dead letters, the stream goes on.

    Threads: bifrost PR#6547 (2.0.0 notes).
    """
    bare = chat(7, "no number")
    del bare["chunk_index"]
    folded = fold([chat(0, "a "), chat(0, "OTHER"), bare, chat(1, "b", finish="stop", is_final=True)])

    (found,) = folded.of()
    assert sorted(folded.reasons) == ["conflict", "invalid"]
    assert (found["output_message"]["content"], found["conflict_count"]) == ("a b", 1)


def test_symptom_30_success_logged_twice() -> None:
    """A request told twice, the second time a minute later, is one record with one id, the same for every replay.

    Threads: litellm#5118, #14340, PR#21355, #15740.
    """
    sent = placed(*((at, piece) for at in (0, 60_000) for piece in stream()))
    first, second = fold(sent), fold(sent)

    assert len(first.of()) == 1
    assert first.records == second.records
    assert record(stream("r-2"))["record_id"] != first.of()[0]["record_id"]


@pytest.mark.parametrize("ids", [["a", "b", "c"], ["", "", ""], [None, "x", ""]], ids=["other", "empty", "mixed"])
def test_symptom_31_chunk_id_differs_or_is_empty(ids: list[str | None]) -> None:
    """The provider's chunk id, different on each chunk or empty, neither parts a request nor joins two.

    Threads: litellm#1571, #6633, PR#39507; microsoft/foundry-local#144.
    """
    sent = []
    for request_id in ("r-1", "r-2"):
        for index, id_ in enumerate(ids):
            piece = chat(index, f"{request_id}w{index} ", finish="stop" if index == 2 else None, request_id=request_id)
            piece["response"] |= {} if id_ is None else {"id": id_}
            sent.append(piece | {"is_final": index == 2})
    folded = fold(sent)

    assert folded.dead == []
    texts = [each["output_message"]["content"] for each in folded.records]
    assert texts == ["r-1w0 r-1w1 r-1w2 ", "r-2w0 r-2w1 r-2w2 "]


@pytest.mark.parametrize("key", ["", None, 7], ids=["empty", "null", "a number"])
def test_symptom_31_without_a_request_id_it_is_a_dead_letter(key: Any) -> None:
    """A chunk without a request id is never filed under an empty one: it is a dead letter.

    Threads: litellm#1571, #6633, PR#39507; microsoft/foundry-local#144.
    """
    folded = fold([chat(0, "a", request_id=key), *stream()])

    assert folded.reasons == ["invalid"]
    assert [each["request_id"] for each in folded.records] == ["r-1"]


def answer(kind: str) -> list[Document]:
    """A stored response, with the usage of the request that made it."""
    whole = response("response.completed", id="resp_68f1", status="completed")
    whole["response"]["usage"] = {"input_tokens": 121, "output_tokens": 400, "total_tokens": 521}
    fields = whole | {"extra_fields": {"request_type": f"responses{kind}_stream"}}
    sold: Document = {"provider": "openai", "model": "gpt-4o", "is_final": True}
    return [event(0, "response.completed", fields=fields, **sold)]


@pytest.mark.parametrize("stated", [None, 0], ids=["no cost", "gateway says 0"])
def test_symptom_32_stored_response_read_again(stated: int | None) -> None:
    """A stored response read again is told by `origin` (call, provider's id), and the price list bills it once.

    Threads: litellm#17814.
    """
    made, *again = (
        record(each | {"request_id": f"r-{number}", "cost": stated} for each in answer("_retrieve" if number else ""))
        for number in range(3)
    )

    assert made["origin"] == {"call": "responses_stream", "response_id": "resp_68f1"}
    assert made["cost"] == 0.0043025  # 121 at 2.50 and 400 at 10 USD a million
    for each in again:
        assert each["origin"] == {"call": "responses_retrieve_stream", "response_id": "resp_68f1"}
        assert (each["cost"], each["cost_details"]["reason"]) == ((None, "retrieved") if stated is None else (0, None))


def attempts() -> list[Document]:
    """A request whose first provider breaks off in mid-stream, and whose second one answers."""
    first: Document = {"attempt": 0, "provider": "anthropic", "model": "claude-sonnet-4-5"}
    second: Document = {"attempt": 1, "provider": "openai", "model": "gpt-4o"}
    broken = [chat(0, "The first ", usage=counts(100, 40), cost=0.0009, **first), error(1, "overloaded", **first)]
    whole = [chat(0, "The second.", **second), chat(1, finish="stop", usage=counts(90, 60), cost=0.0008, **second)]
    return [*broken, *whole, marker(2, attempt=1)]


def test_symptom_33_fallback_in_mid_stream() -> None:
    """A request that fell back lists both attempts with their usage and cost, and its own are the sums.

    Threads: litellm#33273, #39462.
    """
    found = record(attempts())

    listed = [(each["model"], each["status"], each["token_usage"], each["cost"]) for each in found["attempts"]]
    assert listed == [
        ("claude-sonnet-4-5", "error", counts(100, 40), 0.0009),
        ("gpt-4o", "success", counts(90, 60), 0.0008),
    ]
    assert (found["token_usage"], found["cost"]) == (counts(190, 100), 0.0017)
    assert (found["output_message"]["content"], found["status"]) == ("The second.", "success")


def test_symptom_34_retries_inflate_request_counts() -> None:
    """Two requests, one of which was tried three times, are two records; the tries are counted inside.

    Threads: litellm#39462 (cites #39455).
    """
    tries = [error(0, f"try {number}", attempt=number) for number in range(2)]
    whole = [chat(0, "At last.", finish="stop", attempt=2), marker(1, attempt=2)]
    folded = fold([*tries, *whole, *stream("r-2")])

    assert [each["request_id"] for each in folded.records] == ["r-1", "r-2"]
    (found,) = folded.of()
    assert [each["status"] for each in found["attempts"]] == ["error", "error", "success"]
    assert folded.of("r-2")[0]["attempts"] is None
