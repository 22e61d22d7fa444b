"""Usage of cut streams, estimated: which attempts, what of the output, what of the request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.estimate import Characters
from pipeline.core.policy import Policy
from pipeline.core.valuation import Valuation
from pipeline.testing.chunk import (
    USAGE,
    Document,
    cancelled,
    chat,
    chunk,
    error,
    event,
    image,
    marker,
    speech,
    text,
    transcript,
    usage,
)
from tests.ledger import Ledger, fold

ON = Policy(estimate_usage="characters")
Json = dict[str, Any]


class Words:
    """A tokenizer that splits at blanks, and remembers who asked."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    def tokens(self, model: str | None, text: str) -> int:
        """One for each word."""
        self.asked.append(model)
        return len(text.split())


def estimated(*chunks: Document, policy: Policy = ON) -> tuple[Any, str | None]:
    """Usage and its source of the record of a request that falls silent."""
    record = fold(*chunks, policy=policy)
    return record["token_usage"], record["usage_source"]


def asked(request: Any) -> int | None:
    """Estimated tokens of a request's input."""
    found, source = estimated(chat(0, "abcd", raw_request=request))
    assert (found["completion_tokens"], source) == (1, "estimated")
    prompt: int | None = found.get("prompt_tokens")
    assert found.get("total_tokens") == (None if prompt is None else prompt + 1)
    return prompt


def test_it_is_off_by_default() -> None:
    """An estimate is no bill: nobody gets one unasked (symptom 4)."""
    assert estimated(chat(0, "abcd"), policy=Policy()) == (None, None)


def test_a_stream_that_was_cut_is_estimated_and_marked() -> None:
    """Symptoms 16 and 17: four characters a token, rounded up; the input is unknown, so there is no total either."""
    assert estimated(chat(0, "abcd"), chat(1, "e")) == ({"completion_tokens": 2}, "estimated")


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([chat(0, "abcd"), cancelled(1)], id="the caller gave up"),
        pytest.param([chat(0, "abcd"), marker(1)], id="an end without a finish"),
        pytest.param([chat(0, "abcd")], id="silence"),
        pytest.param([text(0, "abcd")], id="text completion"),
        pytest.param([event(0, "response.output_text.delta", fields={"delta": "abcd"})], id="responses"),
        pytest.param(
            [
                event(0, "response.output_text.delta", fields={"delta": "abcd"}),
                event(1, "response.incomplete", fields={"response": {"incomplete_details": {"reason": "x"}}}),
            ],
            id="cut by the provider",
        ),
        pytest.param([chat(0, "abcd"), usage(1, {"total_tokens": 0})], id="a placeholder is no usage"),
    ],
)
def test_every_way_to_be_cut_is_estimated(chunks: list[Document]) -> None:
    """Status incomplete and no usage: expiry, disconnect, cancellation, the provider's own end."""
    record = fold(*chunks, policy=ON)

    assert (record["status"], record["token_usage"], record["usage_source"]) == (
        "incomplete",
        {"completion_tokens": 1},
        "estimated",
    )


def test_a_request_that_is_cut_by_its_age_is_estimated() -> None:
    """max_request_age (CONTRACT §4 rule 5): what came until then was delivered."""
    ledger = Ledger(Policy(estimate_usage="characters", max_request_age=400_000))
    ledger.send(chat(0, "abcd"), at=0).send(chat(1, "efgh"), at=200_000).until(400_000)

    record = ledger.record
    assert (record["closed_by"], record["status"]) == ("limit", "incomplete")
    assert (record["token_usage"], record["usage_source"]) == ({"completion_tokens": 2}, "estimated")


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([chat(0, "abcd", finish="stop")], id="finished"),
        pytest.param([chat(0, "abcd"), error(1)], id="an error"),
        pytest.param([speech(0, b"sound")], id="speech"),
        pytest.param([image(0, 0, "YQ==")], id="an image"),
        pytest.param([transcript(0, "heard")], id="a transcript"),
        pytest.param([chat(0)], id="nothing delivered"),
        pytest.param([chat(0, raw_request={"messages": [{"role": "user", "content": "hi"}]})], id="only a request"),
    ],
)
def test_what_was_not_cut_or_has_no_words_is_not_estimated(chunks: list[Document]) -> None:
    """Absent is not 0: nobody knows, and nothing was delivered by which to guess."""
    assert estimated(*chunks) == (None, None)


@pytest.mark.parametrize("counts", [USAGE, {"completion_tokens": 1}, {"prompt_tokens": 9, "completion_tokens": 1}])
def test_a_stated_usage_is_never_replaced(counts: Json) -> None:
    """Symptom 17: 806 deltas and a usage of 1 token: the provider's word is kept, on a cut stream too."""
    deltas = [chat(index, "word ") for index in range(806)]

    found, source = estimated(*deltas, usage(806, counts))

    assert found["completion_tokens"] == counts["completion_tokens"]
    assert source == "provider"


BEGUN: Json = {"prompt_tokens": 35, "prompt_tokens_details": {"cached_read_tokens": 9}, "completion_tokens": 1}
"""What Anthropic begins a stream with."""


@pytest.mark.parametrize("capture", ["full", "metadata"])
@pytest.mark.parametrize(
    "last", [cancelled(3), usage(3, {"total_tokens": 0}), chat(3), marker(3)], ids=["error", "zeros", "empty", "marker"]
)
def test_an_output_that_was_counted_before_it_came_is_raised(capture: Any, last: Document) -> None:
    """Symptom 17: content after the chunk with the usage was not counted in it; what else it says stays."""
    policy = Policy(estimate_usage="characters", capture=capture)

    found, source = estimated(usage(0, BEGUN), chat(1, "abcd" * 5), chat(2, "abcd" * 5), last, policy=policy)

    assert found == BEGUN | {"completion_tokens": 10, "total_tokens": 45}
    assert source == "estimated"


def test_a_raised_output_without_an_input_has_no_total() -> None:
    """Absent is not 0."""
    found, source = estimated(usage(0, {"completion_tokens": 1}), chat(1, "abcdefgh"))

    assert (found, source) == ({"completion_tokens": 2}, "estimated")


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([usage(0, BEGUN), chat(1, "abcd")], id="no more than was counted"),
        pytest.param([usage(0, BEGUN | {"cost": 0.5}), chat(1, "abcdefgh")], id="the provider stated a cost"),
        pytest.param([usage(0, BEGUN), chat(1, "abcdefgh", cost=0.5)], id="the gateway stated a cost"),
        pytest.param(
            [chat(0, "abcdefgh"), chat(1, "abcdefgh", usage=BEGUN), chat(2, "")], id="usage with the last word"
        ),
        pytest.param([usage(0, BEGUN), cancelled(1)], id="nothing was delivered"),
        pytest.param([chat(0, "abcdefgh", usage=BEGUN), error(1, "gone", "request_cancelled")], id="one chunk"),
        pytest.param(
            [
                chat(0, "abcdefgh"),
                chunk(
                    1,
                    error={
                        "error": {"type": "request_cancelled", "message": ""},
                        "extra_fields": {"billed_usage": BEGUN},
                    },
                ),
            ],
            id="billed by the error",
        ),
    ],
)
def test_a_count_that_nothing_overtook_stands(chunks: list[Document]) -> None:
    """Never less than was stated, and nothing in the place of what was stated last, or with a cost."""
    found, source = estimated(*chunks)

    assert (found["completion_tokens"], source) == (1, "provider")


def test_all_that_the_model_wrote_counts() -> None:
    """Content, refusal, reasoning, names and arguments of tools, of every choice."""
    call = {"index": 0, "id": "c", "function": {"name": "ffff", "arguments": "{}{}"}}
    delta = {"content": "aaaa", "refusal": "bbbb", "reasoning": "cccc", "tool_calls": [call]}
    words = Words()

    record = fold(
        chunk(0, {"choices": [{"index": 0, "delta": delta}, {"index": 1, "delta": {"content": "dddd"}}]}, model="m"),
        policy=Policy(estimate_usage="tokenizer"),
        valuation=Valuation(estimator=words),
    )

    assert record["token_usage"] == {"completion_tokens": 6}
    assert words.asked == ["m"]


def test_each_attempt_that_was_cut_is_estimated_by_itself() -> None:
    """A sum of which any part is an estimate is one; an attempt that failed is none that was cut."""
    cut = [chat(0, "abcd"), cancelled(1)]
    second = [chat(0, "efgh", attempt=1, finish="stop", usage=USAGE)]

    record = fold(*cut, *second, policy=ON)

    assert record["usage_source"] == "estimated"
    assert [each["token_usage"] for each in record["attempts"]] == [{"completion_tokens": 1}, USAGE]
    assert record["token_usage"]["completion_tokens"] == 1 + USAGE["completion_tokens"]
    failed = fold(chat(0, "abcd"), error(1), *second, policy=ON)
    assert (failed["usage_source"], failed["attempts"][0]["token_usage"]) == ("provider", None)


def test_a_usage_that_comes_late_takes_the_place_of_the_estimate() -> None:
    """The revision is the provider's, and its delta is what the estimate was wrong by."""
    ledger = Ledger(ON)
    ledger.send(chat(0, "abcdefgh")).until(300_000).send(usage(1), at=300_001).until(303_000)

    first, second = ledger.records

    assert (first["usage_source"], first["token_usage"]) == ("estimated", {"completion_tokens": 2})
    assert (second["usage_source"], second["token_usage"]) == ("provider", USAGE)
    assert second["delta"]["token_usage"] == {"prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 7}


@pytest.mark.parametrize("capture", ["full", "hash", "metadata"])
def test_capture_does_not_change_an_estimate_by_characters(capture: Any) -> None:
    """G7: without content its length is known; the request is not, where it was not kept."""
    request = {"messages": [{"role": "user", "content": "x" * 40}]}
    chunks = [chat(0, "abcd", raw_request=request), chat(1, "efg")]

    found, source = estimated(*chunks, policy=Policy(estimate_usage="characters", capture=capture))

    assert (found["completion_tokens"], source) == (2, "estimated")
    assert found.get("prompt_tokens") == (None if capture == "metadata" else 14)


def test_content_past_a_limit_is_estimated_by_its_length() -> None:
    """A limit never loses the bill: what is stored goes to the tokenizer, the rest is four characters a token."""
    policy = Policy(estimate_usage="tokenizer", max_chunks=1)

    record = fold(chat(0, "a b c"), chat(1, "x" * 8), policy=policy, valuation=Valuation(estimator=Words()))

    assert (record["token_usage"], record["truncated"]) == ({"completion_tokens": 5}, True)


HI: Json = {"role": "user", "content": "abcd"}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param({"messages": [HI]}, 1 + 4, id="a message has a frame"),
        pytest.param({"messages": [HI, HI]}, 3 + 8, id="two"),
        pytest.param(json.dumps({"messages": [HI]}), 1 + 4, id="as text"),
        pytest.param({"messages": [{"role": "user", "content": [{"type": "text", "text": "abcd"}]}]}, 5, id="parts"),
        pytest.param({"messages": [{"role": "user", "content": [{"text": "abcd"}]}]}, 5, id="parts without a type"),
        pytest.param({"system": "abcd", "messages": [HI]}, 3 + 4, id="system"),
        pytest.param({"prompt": "abcdefgh"}, 2, id="a prompt"),
        pytest.param({"prompt": ["abcd", "efgh"]}, 3, id="prompts"),
        pytest.param({"input": "abcd", "instructions": "ef"}, 2, id="input and instructions"),
        pytest.param({"input": [{"role": "user", "content": [{"type": "input_text", "text": "abcd"}]}]}, 5, id="items"),
        pytest.param({"messages": [HI], "tools": [{"f": 1}]}, 4 + 4, id="tools as JSON"),
        pytest.param(
            {"messages": [{"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "ffff"}}]}]},
            5,
            id="calls made earlier",
        ),
        pytest.param({"input": [{"type": "function_call_output", "output": "abcd"}]}, 5, id="answers to calls"),
        pytest.param({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, None, id="an image"),
        pytest.param({"messages": [{"role": "user", "content": [{"inlineData": {}}]}]}, None, id="who knows what"),
        pytest.param({"messages": [{"role": "user", "content": [{"type": ["x"]}]}]}, None, id="an odd type"),
        pytest.param({"messages": []}, None, id="no message"),
        pytest.param({"contents": [], "tools": [{"f": 1}]}, None, id="another API"),
        pytest.param({"n": 1}, None, id="nothing of the input"),
        pytest.param("no JSON", None, id="a text"),
        pytest.param([1], None, id="a list"),
        pytest.param(json.dumps({"messages": [HI], "tools": [[[]]]}), 3 + 4, id="as text, with tools"),
    ],
)
def test_the_input_is_that_of_the_raw_request(request_: Any, expected: int | None) -> None:
    """Where it was kept and is text alone; an unknown input is null, never 0."""
    assert asked(request_) == expected


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["messages", "input", "prompt", "content", "text", "role", "type", "tool_calls", "function"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["messages", "input", "prompt", "tools", "system"]), _json, max_size=3))
def test_no_request_stops_a_record(request_: Json) -> None:
    """A raw request is the producer's own: whatever it holds, there is a record, and no made-up input."""
    prompt = asked(request_)

    assert prompt is None or prompt > 0


def test_a_request_too_deep_to_read_has_no_estimate() -> None:
    """Nested beyond what an interpreter bears: it is text to us, and the record comes all the same."""
    assert asked('{"messages": ["a"], "tools": ' + "[" * 20_000 + "]" * 20_000 + "}") is None


def test_characters_count_without_a_model() -> None:
    """The same for every model; nothing is nothing."""
    assert [Characters().tokens(None, "x" * count) for count in (0, 1, 4, 5)] == [0, 1, 1, 2]
