"""Symptoms 16 and 18 to 26: streams that end badly, twice, early, or never."""

from __future__ import annotations

from typing import Any, Final

import pytest

from pipeline.testing.chunk import Document, cancelled, chat, chunk, error, marker, usage
from tests.symptoms.command import chunks, clock, fold, placed, record, streamed
from tests.symptoms.wire import call, counts, delta, events, output_text, response, sse, trailer

WINDOW: Final = 300_000
"""session_window."""


def content(found: Document) -> str | None:
    """The text of a record."""
    text: str | None = (found["output_message"] or {}).get("content")
    return text


def test_symptom_16_client_disconnect_before_final_chunk() -> None:
    """A stream that just stops is one record `incomplete` when its window is over, with the usage and text so far.

    Threads: litellm#14457, #35958, PR#30630, PR#37558; openai-openapi#539; vercel/ai#7628; openlit#1515.
    """
    sent = [chat(0, "Half a ", usage=counts(20, 2)), chat(1, "sentence", usage=counts(20, 3))]
    early = fold(placed((0, sent[0]), (900, sent[1]), clock(900 + WINDOW - 1)), "--keep-open")
    over = fold(placed((0, sent[0]), (900, sent[1]), clock(900 + WINDOW)))

    assert early.of() == []
    (found,) = over.of()
    assert (found["status"], found["closed_by"], found["complete"]) == ("incomplete", "expiry", False)
    assert (content(found), found["token_usage"], found["finish_reason"]) == ("Half a sentence", counts(20, 3), None)


@pytest.mark.parametrize(("policy", "reasons"), [("revise", []), ("dead_letter", ["late"])])
def test_symptom_18_upstream_goes_on_after_disconnect(policy: str, reasons: list[str]) -> None:
    """What the provider still sends is merged before the close; after it `late_policy` revises or refuses.

    Threads: bifrost#3164; litellm PR#36008.
    """
    sent = [chat(0, "one "), cancelled(1), chat(2, "two "), usage(3, counts(9, 40)), usage(4, counts(9, 55))]
    times = (0, 10, 30_000, 30_010, 200_000)
    folded = fold(placed(*zip(times, sent, strict=True), clock(260_000)), "--late-policy", policy)

    first, *later = folded.of()
    assert (content(first), first["token_usage"], first["status"]) == ("one two ", counts(9, 40), "incomplete")
    assert folded.reasons == reasons
    if policy == "revise":
        (second,) = later
        assert (second["token_usage"], second["supersedes"]) == (counts(9, 55), first["record_id"])
        assert second["delta"]["token_usage"] == {"prompt_tokens": 0, "completion_tokens": 15, "total_tokens": 15}


IN_BAND: Final = {"message": "upstream overloaded", "type": "overloaded_error", "code": 529}


@pytest.mark.parametrize(
    "last",
    [
        error(2, "read timeout", "timeout"),
        chunk(2, {"choices": [], "error": IN_BAND}),
        error(0, "read timeout", "timeout"),
    ],
    ids=["handed in", "in band", "with index 0"],
)
def test_symptom_19_error_in_mid_stream(last: Document) -> None:
    """An error in mid-stream is one record with status error, its words, and the usage and text so far.

    Threads: litellm#30667, PR#39589.
    """
    found = record([chat(0, "Half", usage=counts(20, 1)), chat(1, " a word", usage=counts(20, 3)), last])

    assert (found["status"], content(found), found["token_usage"]) == ("error", "Half a word", counts(20, 3))
    assert found["error_details"]["error"]["message"] in ("read timeout", "upstream overloaded")


def test_symptom_20_clean_end_without_finish_reason() -> None:
    """A stream whose connection ends cleanly before its finish is `incomplete`, and no `stop` is made up.

    Threads: litellm#40260.
    """
    cut = chunks("openai-chat", sse(delta("Half a "), delta("sentence"), done=False))
    told_so = [*cut, marker(2)]  # a gateway may call it final all the same
    assert not any(each["is_final"] for each in cut)
    for sent in (cut, told_so, chunks("openai-chat", sse(delta("Half a "), delta("sentence")))):
        found = record(sent)
        assert (found["status"], found["finish_reason"]) == ("incomplete", None)


def test_symptom_21_finish_on_content_then_null() -> None:
    """The last finish_reason that is not null stands, whatever empty chunk comes after it.

    Threads: bifrost#4963.
    """
    found = streamed("openai-chat", sse(delta("cut off he", finish="length"), delta(), trailer(counts(5, 9))))

    assert (found["finish_reason"], found["status"]) == ("length", "success")


def test_symptom_22_two_chunks_with_finish_reason() -> None:
    """Two chunks with a finish_reason are one record, whether the gateway names the end or not.

    Threads: litellm#1172, PR#27580; fms-guardrails-orchestrator#482.
    """
    sent = [chat(0, "Hi"), chat(1, finish="stop"), chat(2, finish="stop", usage=counts(5, 1))]
    named = [*sent[:2], sent[2] | {"is_final": True}]
    for times in ((0, 10, 20), (0, 10, 1_900)):
        (found,) = fold(placed(*zip(times, sent, strict=True), clock(60_000))).of()
        assert (found["token_usage"], found["chunk_count"], found["revision"]) == (counts(5, 1), 3, 0)
    (found,) = fold(placed(*zip((0, 10, 20), named, strict=True), clock(60_000))).of()
    assert found["closed_by"] == "final"


def test_symptom_23_finish_reason_on_every_chunk() -> None:
    """A finish_reason on each of eleven chunks, also on a tool call in their middle, closes nothing early.

    Threads: litellm#2195, PR#31634.
    """
    sent = [chat(index, f"w{index} ", finish="stop") for index in range(10)]
    tool = {"choices": [{"index": 0, "delta": {"tool_calls": [call(0, "c1", "f", "{}")]}, "finish_reason": "stop"}]}
    sent = [*sent[:5], chunk(5, tool), *(each | {"chunk_index": each["chunk_index"] + 1} for each in sent[5:])]
    (found,) = fold(placed(*((1_500 * each["chunk_index"], each) for each in sent), clock(60_000))).of()

    assert content(found) == "".join(f"w{index} " for index in range(10)), "closed at the first it is 'w0 '"
    assert [each["function"]["name"] for each in found["tool_calls"]] == ["f"]
    assert (found["closed_by"], found["complete"], found["chunk_count"]) == ("finish", True, 11)


@pytest.mark.parametrize("reason", ["incomplete", "eos", "MALFORMED_FUNCTION_CALL"])
def test_symptom_24_unknown_reason_is_no_error(reason: str) -> None:
    """A finish_reason that nobody knows is recorded as it came, and is no error.

    Threads: theopenco/llmgateway#1682; litellm PR#37710.
    """
    found = streamed("openai-chat", sse(delta("Hi"), delta(finish=reason), trailer(counts(5, 1))))

    assert (found["finish_reason"], found["status"], found["error_details"]) == (reason, "success", None)


def sentence(*indexes: int) -> list[Document]:
    """Some chunks of a stream of ten, of which the last is final."""
    return [chat(index, f"w{index} ", finish="stop" if index == 9 else None, is_final=index == 9) for index in indexes]


@pytest.mark.parametrize(
    ("seen", "missing", "status"),
    [
        ((0, 1, 2, 6, 7, 9), [[3, 5], [8, 8]], "success"),
        ((4, 5, 6, 7, 8, 9), [[0, 3]], "success"),
        ((0, 1, 2), [], "incomplete"),
    ],
    ids=["middle", "start", "end"],
)
def test_symptom_25_lost_chunks_are_listed(seen: tuple[int, ...], missing: list[Any], status: str) -> None:
    """A stream that lost its middle, its start or its end is not `complete`, and what is missing is listed.

    Threads: bifrost#597.
    """
    found = record(sentence(*seen))

    assert (found["complete"], found["missing_indexes"], found["status"]) == (False, missing, status)
    assert content(found) == "".join(f"w{index} " for index in seen)
    assert record(sentence(*range(10)))["complete"]


def test_symptom_26_finish_reason_beside_logprobs() -> None:
    """A finish_reason beside logprobs is kept, and so are the logprobs, token by token.

    Threads: litellm#10686.
    """

    def piece(token: str, finish: str | None = None) -> dict[str, Any]:
        whole = delta(token, finish=finish)
        listed = [{"token": token, "logprob": -0.25, "bytes": list(token.encode()), "top_logprobs": []}]
        whole["choices"][0]["logprobs"] = {"content": listed, "refusal": None}
        return whole

    found = streamed("openai-chat", sse(piece("Hel"), piece("lo"), piece("!", "stop"), trailer(counts(5, 3))))

    assert (found["finish_reason"], content(found)) == ("stop", "Hello!")
    assert [each["token"] for each in found["logprobs"]["content"]] == ["Hel", "lo", "!"]


def test_symptom_26_finish_of_a_response_with_logprobs() -> None:
    """Logprobs in the Responses API do not hide the terminal event either.

    Threads: litellm#10686.
    """
    piece = output_text("Hi") | {"logprobs": [{"token": "Hi", "logprob": -0.5, "top_logprobs": []}]}
    found = streamed("openai-responses", events(piece, response("response.completed", status="completed")))

    assert (found["status"], found["closed_by"]) == ("success", "final")
