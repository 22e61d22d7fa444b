"""gemini: responses to chunks, candidate by candidate, and when a stream is at its end."""

import json
from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.ingest import chunks_of
from pipeline.ingest.gemini import GeminiStream
from pipeline.ingest.leaf import Payload
from tests.unit.ingest.streams import feed, gemini, json_lines, only, response, responses, sse, translate

TOKENS = {"promptTokenCount": 7, "candidatesTokenCount": 2, "thoughtsTokenCount": 3, "totalTokenCount": 12}
STREAM = [
    gemini({"text": "Hm.", "thought": True}, index=0, modelVersion="gemini-x", responseId="r1"),
    gemini({"text": "Hal"}, index=0, usageMetadata={"promptTokenCount": 7, "totalTokenCount": 7}),
    gemini({"text": "lo"}, finish="STOP", index=0, usageMetadata=TOKENS, createTime="2026-01-01T00:00:01.5Z"),
]


def choice(payload: Payload) -> Payload:
    """The only choice a fresh stream makes of one response."""
    (made,) = response(feed(GeminiStream(), payload))["choices"]
    assert isinstance(made, dict)
    return made


def finish_of(*payloads: Payload) -> str | None:
    """finish_reason of the last choice."""
    reason = responses(feed(GeminiStream(), *payloads))[-1]["choices"][0]["finish_reason"]
    assert reason is None or isinstance(reason, str)
    return reason


def test_a_whole_stream_becomes_chunks_in_order() -> None:
    """One chunk for each response, the role on the first one, usage inclusive; the last one is final."""
    chunks = translate("gemini", *STREAM)

    assert [chunk["response"]["choices"][0] for chunk in chunks] == [
        {"index": 0, "delta": {"role": "assistant", "reasoning": "Hm."}, "finish_reason": None},
        {"index": 0, "delta": {"content": "Hal"}, "finish_reason": None},
        {"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"},
    ]
    assert [chunk["response"].get("usage") for chunk in chunks] == [
        None,
        {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7},
        {
            "prompt_tokens": 7,
            "completion_tokens": 5,
            "completion_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 12,
        },
    ]
    assert {(c["stream_type"], c["provider"], c["model"], c["response"]["id"]) for c in chunks} == {
        ("chat.completion", "gemini", "gemini-x", "r1")
    }
    assert chunks[-1]["response"]["created"] == 1_767_225_601
    assert [chunk["is_final"] for chunk in chunks] == [False, False, True]


@pytest.mark.parametrize("indent", [None, 2])
def test_sse_lines_and_arrays_are_the_same_stream(indent: int | None) -> None:
    """`alt=sse`, one object a line, and the array that comes without it."""
    read = [
        list(chunks_of(text, provider="gemini", request_id="r"))
        for text in (sse(*STREAM), json_lines(*STREAM), json.dumps(STREAM, indent=indent))
    ]

    assert read[0] == read[1] == read[2]


def test_a_cut_array_is_not_final() -> None:
    """What came whole is kept; half an object is none."""
    text = json.dumps(STREAM, indent=2)
    chunks = list(chunks_of(text[: text.index("lo") + 1], provider="gemini", request_id="r"))

    assert (len(chunks), chunks[-1]["is_final"]) == (2, False)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("SPII", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL"),
        ("UNEXPECTED_TOOL_CALL", "UNEXPECTED_TOOL_CALL"),
        ("OTHER", "OTHER"),
        ("SOMETHING_NEW", "SOMETHING_NEW"),
        ("FINISH_REASON_UNSPECIFIED", None),
        (7, None),
    ],
)
def test_reasons_that_openai_has_a_word_for_get_it(reason: Any, expected: str | None) -> None:
    """Any other passes through: it is never made a "stop" (symptoms 20, 24)."""
    assert finish_of(gemini({"text": "a"}, finish=reason)) == expected


def test_a_stop_behind_calls_is_tool_calls() -> None:
    """As Google's OpenAI endpoint says it; only calls of the same candidate, and no other reason is changed."""
    call = {"functionCall": {"name": "f", "args": {}}}

    assert finish_of(gemini(call, finish="STOP")) == "tool_calls"
    assert finish_of(gemini(call), gemini({"text": ""}, finish="STOP")) == "tool_calls"
    assert finish_of(gemini(call), gemini(finish="MAX_TOKENS")) == "length"
    assert finish_of(gemini(call, index=1), gemini({"text": "a"}, finish="STOP", index=0)) == "stop"


def test_why_it_stopped_is_told_in_geminis_words() -> None:
    """Beside reasons that need them; ratings and message are as they came."""
    words: Payload = {"finishMessage": "Malformed call: f(", "safetyRatings": [{"category": "C", "blocked": True}]}

    assert choice(gemini(finish="MALFORMED_FUNCTION_CALL", **words))["stop_details"] == {
        "finishReason": "MALFORMED_FUNCTION_CALL",
        **words,
    }
    assert "stop_details" not in choice(gemini(finish="STOP", **words))


def test_calls_get_rising_indexes() -> None:
    """Over all events of a candidate (S-TOOL-2)."""
    parts = feed(
        GeminiStream(),
        gemini({"functionCall": {"name": "f", "args": {"a": 1}}}, {"functionCall": {"id": "c", "name": "g"}}),
        gemini({"functionCall": {"name": "h", "willContinue": True}}),
        gemini({"functionCall": {}}, finish="STOP"),
    )
    calls = [call for payload in responses(parts) for call in payload["choices"][0]["delta"].get("tool_calls", [])]

    assert [(call["index"], call.get("id"), call["function"].get("name")) for call in calls] == [
        (0, None, "f"),
        (1, "c", "g"),
        (2, None, "h"),
        (2, None, None),
    ]


def test_candidates_are_choices() -> None:
    """By index, by place where there is none; the stream is at its end when each has finished (S-CHAT-7)."""
    two = {"candidates": [{"content": {"parts": [{"text": text}]}} for text in "ab"]}
    stream = GeminiStream()
    first, second, _ = responses(
        feed(stream, two, gemini({"text": "B"}, index=1, finish="STOP"), gemini(index=1, finish="STOP"))
    )

    assert [(made["index"], made["delta"]["content"]) for made in first["choices"]] == [(0, "a"), (1, "b")]
    assert [(made["index"], made["delta"]) for made in second["choices"]] == [(1, {"content": "B"})]
    assert not stream.ended

    feed(stream, gemini({"text": ""}, index=0, finish="MAX_TOKENS"))
    assert stream.ended


def test_a_candidate_that_goes_on_has_not_finished() -> None:
    """Recorded with code execution: STOP, then the result and more text; cut there, the stream is not at its end."""
    code = gemini({"executableCode": {"code": "1"}}, finish="STOP")
    result = gemini({"codeExecutionResult": {"output": "1"}})
    more = gemini({"text": "It is 1."}, finish="STOP")

    assert translate("gemini", code)[-1]["is_final"]
    assert not translate("gemini", code, result)[-1]["is_final"]
    assert translate("gemini", code, result, more, gemini(), {"usageMetadata": TOKENS})[-1]["is_final"]


def test_a_blocked_prompt_has_a_finish_but_no_answer() -> None:
    """It is billed, and it is at its end."""
    (chunk,) = translate(
        "gemini",
        {
            "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": []},
            "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9, "serviceTier": "standard"},
            "modelVersion": "gemini-x",
        },
    )

    assert chunk["is_final"]
    assert chunk["response"]["choices"] == [
        {
            "index": 0,
            "delta": {"role": "assistant"},
            "finish_reason": "content_filter",
            "stop_details": {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": []},
        }
    ]
    assert chunk["response"]["usage"] == {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}
    assert chunk["response"]["service_tier"] == "standard"


def test_usage_alone_is_a_chunk_without_choices() -> None:
    """As OpenAI's dialect sends it; a response that says nothing is no chunk."""
    assert response(feed(GeminiStream(), {"usageMetadata": TOKENS}))["choices"] == []
    assert (
        response(feed(GeminiStream(), {"usageMetadata": {"trafficType": "ON_DEMAND_FLEX"}}))["service_tier"] == "flex"
    )
    assert feed(GeminiStream(), {}, {"responseId": "r"}, {"promptFeedback": {}}, {"candidates": []}) == []


def test_an_error_in_the_stream_is_known_by_google_s_form() -> None:
    """Its status is a word and its code the HTTP status; it ends the stream (S-ERR-5)."""
    error = {"code": 503, "message": "overloaded", "status": "UNAVAILABLE", "details": [{"reason": "R"}]}
    stream = GeminiStream()
    part = only(feed(stream, {"error": error}))

    assert part.failed
    assert (part.response or {})["error"] == {**error, "type": "UNAVAILABLE", "status_code": 503}
    assert stream.ended
    assert [chunk["is_final"] for chunk in translate("gemini", STREAM[0], {"error": error})] == [False, True]
    assert (only(feed(GeminiStream(), {"error": {"code": 7}})).response or {})["error"] == {
        "code": 7,
        "message": "an error without a message",
    }


def test_sources_come_with_the_finish() -> None:
    """Metadata may come early and grow; annotations count in the answer, results stand beside the choices."""
    grounding: Payload = {
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}],
        "groundingSupports": [{"segment": {"endIndex": 5, "text": "Köln"}, "groundingChunkIndices": [0]}],
        "webSearchQueries": ["q"],
    }
    early, late = responses(
        feed(
            GeminiStream(),
            gemini({"text": "Kö"}, groundingMetadata=grounding, usageMetadata=TOKENS),
            gemini({"text": "ln"}, {"executableCode": {"code": "1"}}, finish="STOP", usageMetadata=TOKENS),
        )
    )
    delta = late["choices"][0]["delta"]

    assert early["choices"][0]["delta"] == {"role": "assistant", "content": "Kö"}
    assert [note["url_citation"]["end_index"] for note in delta["annotations"]] == [4]
    assert delta["provider_items"] == [
        {"executableCode": {"code": "1"}},
        {"groundingMetadata": {"webSearchQueries": ["q"]}},
    ]
    assert [found["url"] for found in late["search_results"]] == ["https://a.example"]
    assert late["usage"]["completion_tokens_details"]["num_search_queries"] == 1


def test_search_results_are_those_of_all_candidates() -> None:
    """Beside the choices the latest counts, so each time all are there."""
    found = [{"groundingChunks": [{"web": {"uri": url}}]} for url in "ab"]
    made = responses(
        feed(
            GeminiStream(),
            gemini(finish="STOP", index=0, groundingMetadata=found[0]),
            gemini(finish="STOP", index=1, groundingMetadata=found[1]),
            gemini(finish="STOP", index=1, groundingMetadata=found[1]),
        )
    )

    assert [[result["url"] for result in payload.get("search_results", [])] for payload in made] == [
        ["a"],
        ["a", "b"],
        [],
    ]


def test_what_a_cut_stream_holds_back_is_given_out() -> None:
    """An open call and sources that wait for the finish; then the last chunk is not final."""
    grounding: Payload = {"groundingChunks": [{"web": {"uri": "https://a.example"}}]}
    *_, last = translate(
        "gemini", gemini({"functionCall": {"name": "f", "willContinue": True}}, groundingMetadata=grounding)
    )

    assert last["response"]["choices"][0]["delta"]["tool_calls"] == [{"index": 0, "function": {"arguments": "{}"}}]
    assert [found["url"] for found in last["response"]["search_results"]] == ["https://a.example"]
    assert not last["is_final"]
    assert GeminiStream().rest() == []


def test_sources_alone_need_no_choice() -> None:
    """Search results that wait for a finish which never comes."""
    stream = GeminiStream()
    feed(stream, gemini({"text": "a"}, groundingMetadata={"groundingChunks": [{"web": {"uri": "https://a.example"}}]}))

    assert response(stream.rest())["choices"] == []
    assert stream.rest() == []


def test_log_probs_are_those_of_the_chosen_tokens() -> None:
    """With the alternatives of each step, where there are any (WIRE §5)."""
    steps = [{"token": "a", "tokenId": 1, "logProbability": -0.5}, {"token": "b", "logProbability": -1}]
    others = [{"candidates": [steps[0], {"token": "x", "logProbability": -2}]}]

    assert choice(gemini({"text": "ab"}, logprobsResult={"chosenCandidates": steps, "topCandidates": others}))[
        "logprobs"
    ] == {
        "content": [
            {
                "token": "a",
                "logprob": -0.5,
                "top_logprobs": [{"token": "a", "logprob": -0.5}, {"token": "x", "logprob": -2}],
            },
            {"token": "b", "logprob": -1, "top_logprobs": []},
        ]
    }


@pytest.mark.parametrize("moment", [None, 7, "", "2026-01-01", "2026-01-01T00:00:00", "yesterday"])
def test_a_time_without_a_zone_is_none(moment: object) -> None:
    """What it is could only be guessed."""
    assert "created" not in response(feed(GeminiStream(), gemini({"text": "a"}, createTime=moment)))


def test_another_format_is_no_stream_of_gemini() -> None:
    """Chunks of OpenAI's dialect hold nothing that Gemini sends."""
    with pytest.raises(UsageError, match="no event of a stream"):
        list(chunks_of(sse({"choices": [{"delta": {"content": "a"}}]}), provider="gemini", request_id="r"))
