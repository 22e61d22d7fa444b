"""Which chunk gave which value: each kind of origin, and that the chunks named are really the cause."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.core.policy import Policy
from pipeline.ops.demo.streams import Stream, streams
from pipeline.ops.explain.document import explanation
from pipeline.ops.explain.numbers import UNSURE
from pipeline.testing.chunk import (
    USAGE,
    Document,
    chat,
    chunk,
    encoded,
    error,
    event,
    image,
    marker,
    moment,
    speech,
    transcript,
    usage,
)
from tests.unit.ops.explain.telling import gather, given, number, of, records

OTHER = {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70}


def test_usage_on_a_trailing_chunk() -> None:
    """The chunk after the finish gave it, not the finish."""
    document = of(chat(0, "a"), chat(1, None, finish="stop"), usage(2))

    assert given(document, "token_usage.prompt_tokens") == [3]
    assert given(document, "finish_reason") == [2]


def test_usage_on_several_chunks_is_that_of_the_highest_index() -> None:
    """Not of the last one delivered, and never summed (S-META-1)."""
    document = of(chat(0, "a", usage=OTHER), usage(5), chat(3, "b", usage=OTHER), marker(6))

    assert given(document, "token_usage.total_tokens") == [2]
    assert number(document, "token_usage.total_tokens")["value"] == USAGE["total_tokens"]


def test_usage_with_a_total_of_zero_gave_nothing() -> None:
    """S-META-3: the fold does not take it, so neither is it named."""
    zeros = dict.fromkeys(USAGE, 0)

    assert given(of(chat(0, "a", usage=USAGE), usage(1, zeros), marker(2)), "token_usage.total_tokens") == [1]


def test_without_usage_nobody_is_named() -> None:
    """Null is null, and says so."""
    found = number(of(chat(0, "a", finish="stop")), "token_usage")

    assert (found["value"], found["chunks"], found["note"]) == (None, [], "no chunk has a usage")


def test_the_usage_is_also_shown_as_it_was_sent() -> None:
    """Aliases and the computed total can be told from what the provider said."""
    document = of(usage(0, {"input_tokens": 5, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 3}}))

    (sent,) = document["usage_as_sent"]
    assert sent["usage"] == {"input_tokens": 5, "output_tokens": 2, "input_tokens_details.cached_tokens": 3}
    assert number(document, "token_usage.total_tokens")["value"] == 7


def test_usage_that_an_error_says_was_billed() -> None:
    """A failed stream may have cost something all the same (WIRE §3)."""
    billed = {"error": {"message": "no"}, "extra_fields": {"billed_usage": USAGE}}
    document = of(chat(0, "a"), chunk(1, error=billed))

    assert given(document, "token_usage.total_tokens") == [2]
    assert document["usage_as_sent"][0]["usage"] == USAGE


def test_the_gateways_cost_is_of_the_highest_chunk_that_has_it() -> None:
    """A marker may carry it."""
    document = of(chat(0, "a", cost=0.5), usage(1, cost=0.25), marker(2, cost=0.125))
    found = number(document, "cost")

    assert (found["value"], found["rule"]) == (0.125, "CONTRACT §2, S-META-4")
    assert given(document, "cost") == [3]
    assert document["cost"]["source"] == "gateway"


def test_a_cost_of_zero_is_a_statement() -> None:
    """Of a request that used nothing; it is named like any other."""
    document = of(chat(0, "a"), marker(1, cost=0))

    assert (number(document, "cost")["value"], given(document, "cost")) == (0.0, [2])
    assert document["timeline"][1]["brings"]["cost"] == 0


def test_the_providers_cost_is_that_of_the_usage() -> None:
    """Where the gateway says nothing (S-META-5)."""
    document = of(chat(0, "a"), usage(1, USAGE | {"cost": 0.001}), marker(2))

    assert given(document, "cost") == [2]
    assert number(document, "cost")["rule"] == "CONTRACT §2, S-META-5"


def test_a_null_cost_names_the_usage_without_a_price_and_the_reason() -> None:
    """What is missing is a price for these tokens."""
    document = of(chat(0, "a"), usage(1), marker(2))
    found = number(document, "cost")

    assert found["value"] is None
    assert found["note"] == document["cost"]["reason"] != ""
    assert given(document, "cost") == [2]


def test_a_finish_reason_stays_when_null_follows() -> None:
    """S-META-2: the highest chunk that has it."""
    document = of(chat(0, "a", finish="length"), chat(1, "b"), chat(2, None), marker(3))

    assert given(document, "finish_reason") == [1]


def test_a_finish_reason_on_every_chunk_is_that_of_the_last() -> None:
    """Some providers send it all the time."""
    assert given(of(*(chat(index, "a", finish="stop") for index in range(3))), "finish_reason") == [3]


def test_of_several_choices_the_finish_is_that_of_the_one_shown() -> None:
    """The other choice ended later, with another reason."""
    chunks = [chat(0, "a"), chat(1, "b", choice=1), chat(2, finish="stop"), chat(3, choice=1, finish="length")]
    document = of(*chunks)

    assert number(document, "finish_reason")["value"] == "stop"
    assert given(document, "finish_reason") == [3]


def test_an_error_gives_the_finish_reason_error() -> None:
    """S-ERR-2, and the error itself is named."""
    document = of(chat(0, "a"), error(1, type_="overloaded"))

    assert (number(document, "finish_reason")["value"], given(document, "finish_reason")) == ("error", [2])
    assert (number(document, "error_details")["value"], given(document, "error_details")) == ("overloaded 503", [2])
    assert number(document, "finish_reason")["rule"] == "S-ERR-2"


def test_an_error_inside_of_a_payload_is_named_too() -> None:
    """S-ERR-5; the provider's finish_reason stays beside it."""
    document = of(chat(0, "a"), chunk(1, {"choices": [], "error": {"message": "no", "code": "x"}}))

    assert (number(document, "error_details")["value"], given(document, "error_details")) == ("x", [2])


def test_the_terminal_event_gives_usage_and_finish_of_a_responses_stream() -> None:
    """Both lie inside of its `response`."""
    ended = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "usage": USAGE}
    chunks = [
        event(0, "response.output_text.delta", fields={"delta": "a"}),
        event(1, "response.incomplete", fields={"response": ended}),
    ]
    document = of(*chunks)

    assert given(document, "finish_reason") == given(document, "token_usage.total_tokens") == [2]
    assert number(document, "finish_reason")["value"] == "max_output_tokens"


def test_every_image_gives_the_finish_of_an_image_stream() -> None:
    """It is completed when the last of them is."""
    document = of(image(0, 0, "QQ==", done=True), image(0, 1, "QQ==", done=True, usage=USAGE))

    assert given(document, "finish_reason") == [1, 2]
    assert given(document, "time_to_first_content") == [1, 1]


def test_a_transcript_counts_its_closing_event_only_where_nothing_came_before() -> None:
    """The text of the closing event is a repetition (S-TR-2)."""
    done = {"type_": "transcript.text.done", "whole": "a b"}
    with_deltas = of(transcript(0, "a"), transcript(1, " b"), transcript(2, **done))
    alone = of(transcript(0, None), transcript(1, **done))

    assert given(with_deltas, "inter_chunk_latency.max") == [1, 2]
    assert given(alone, "time_to_first_content")[0] == 2


def test_speech_has_no_finish_reason_but_an_end() -> None:
    """The terminal event is told as what it is."""
    document = of(speech(0, b"abc"), speech(1, type_="speech.audio.done", usage=USAGE))

    assert number(document, "finish_reason")["value"] is None
    assert document["timeline"][0]["brings"]["bytes"] == {"audio": 3}
    assert document["timeline"][1]["brings"]["terminal"] is True


def test_times_name_the_chunks_that_they_lie_between() -> None:
    """Start is the earliest start_timestamp, whoever brings it; the first token is the earliest chunk, of any kind."""
    document = of(
        chat(0, ""),
        chat(1, "a", start_timestamp=moment(-40)),
        chat(2, "b", start_timestamp=moment(-50)),
        marker(3, start_timestamp=moment(-10)),
    )

    assert given(document, "start_timestamp") == [3]
    assert given(document, "time_to_first_token") == [1, 3]
    assert given(document, "time_to_first_content") == [2, 3]
    assert given(document, "latency") == [4, 3]


def test_the_end_is_the_final_chunk_else_the_error_else_the_highest() -> None:
    """CONTRACT §2, by the core's own function."""
    assert given(of(chat(0, "a"), marker(1), chat(2, "b")), "end_timestamp") == [2]
    assert given(of(chat(0, "a"), error(1), chat(2, "b")), "end_timestamp") == [2]
    assert given(of(chat(0, "a"), chat(2, "b"), chat(1, "c")), "end_timestamp") == [2]


def test_attribution_is_of_the_highest_and_labels_are_of_the_lowest() -> None:
    """Each label by itself."""
    document = of(
        chat(1, "a", provider="p1", model="m1", labels={"team": "late", "key": "k"}),
        chat(0, "b", provider="p0", labels={"team": "early"}, raw_request={"q": 1}),
        marker(2, model="m2"),
    )

    assert [given(document, name) for name in ("provider", "model")] == [[1], [3]]
    assert [given(document, f"labels.{key}") for key in ("team", "key")] == [[2], [1]]
    assert given(document, "raw_request") == [2]


def test_tier_and_cache_debug_name_their_chunks() -> None:
    """Both come from inside of the payload."""
    payload = {"choices": [], "service_tier": "flex", "extra_fields": {"cache_debug": {"cache_hit": True}}}
    document = of(chat(0, "a"), chunk(1, payload), marker(2))

    assert given(document, "service_tier") == given(document, "cache_debug") == [2]


def test_sums_over_attempts_name_a_chunk_of_each() -> None:
    """Usage and cost are sums; output and finish are those of the attempt shown."""
    document = of(
        chat(0, "a", usage=OTHER, cost=0.5),
        error(1),
        chat(0, "b", attempt=1, usage=USAGE, cost=0.25),
        marker(1, attempt=1),
    )

    assert given(document, "token_usage.total_tokens") == given(document, "cost") == [1, 3]
    assert number(document, "token_usage.total_tokens")["value"] == 77
    assert [(each["number"], each["shown"], each["chunks"]) for each in document["attempts"]] == [
        (0, False, 2),
        (1, True, 2),
    ]


def test_odd_leaves_name_their_chunks() -> None:
    """They were ignored, the raw payload is kept."""
    document = of(chat(0, "a"), chunk(1, {"choices": [{"index": "one"}]}), marker(2))

    assert (number(document, "payload_anomalies")["value"], given(document, "payload_anomalies")) == (1, [2])


def test_content_that_was_not_kept_is_told_as_the_record_tells_it() -> None:
    """With capture=metadata; whoever has a time names its chunk, and what nobody knows names none."""
    document = of(chat(0, ""), chat(1, "a"), usage(2), policy=Policy(capture="metadata"))
    first = number(document, "time_to_first_content")

    assert given(document, "time_to_first_content") == ([] if first["value"] is None else [2, 1])
    assert given(document, "token_usage.total_tokens") == [3]


# ---- all provider formats ------------------------------------------------------------------------------------------


def _without(name: str) -> Callable[[Any], Any]:
    """Leave a key out of a JSON value, wherever it is."""

    def leave_out(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: leave_out(each) for key, each in value.items() if key != name}
        return [leave_out(each) for each in value] if isinstance(value, list) else value

    return leave_out


STREAMS = streams()


@pytest.mark.parametrize("stream", STREAMS, ids=[stream.request_id for stream in STREAMS])
def test_the_explained_record_is_the_folds_and_no_origin_is_unsure(stream: Stream) -> None:
    """For every stream of the demo, of six types and all formats; each number but a count names its chunk."""
    lines = list(stream.chunks)
    gathered = gather(lines, stream.request_id)
    document = explanation(gathered, content=False)

    assert [closing.record for closing in gathered.watch.closings] == records(lines)
    for found in document["numbers"]:
        assert UNSURE not in found["note"]
        assert found["chunks"] or found["value"] in (None, 0) or found["field"] == "chunk_count", found["field"]


@pytest.mark.parametrize("field", ["usage", "cost", "finish_reason"])
def test_the_chunks_named_are_the_cause(field: str) -> None:
    """Without the field in the chunks named the record says something else; without it in any other, the same."""
    name, judged = {"usage": "token_usage.total_tokens"}.get(field, field), 0
    for stream in STREAMS:
        document = explanation(gather(stream.chunks, stream.request_id), content=False)
        named = {place["offset"] for each in document["numbers"] if each["field"] == name for place in each["chunks"]}
        if not named or (stream.expected["stream_type"] == "image.generation" and field == "finish_reason"):
            continue
        value = _value(records(list(stream.chunks))[0], field)
        if value is None:
            continue
        lines = [json.loads(line) for line in stream.chunks]
        cut = [_without(field)(line) if at in named else line for at, line in enumerate(lines, 1)]
        rest = [line if at in named else _without(field)(line) for at, line in enumerate(lines, 1)]
        if cut != lines:  # a Responses stream finishes by its terminal event, not by a field
            assert _value(_one(cut), field) != value
            judged += 1
        assert _value(_one(rest), field) == value

    assert judged > 5


def _one(documents: list[Document]) -> Document:
    (record,) = records([encoded(document) for document in documents])
    return record


def _value(record: Document, field: str) -> Any:
    return record["token_usage" if field == "usage" else field]
