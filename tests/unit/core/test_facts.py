"""What the chunks of an attempt say beside their output: each field of the highest chunk that has it."""

import random
from typing import Any

import pytest

from pipeline.core.facts import Attempt, attempt_of, labels, raw_request, raw_responses
from pipeline.testing.chunk import (
    CHAT,
    IMAGE,
    RESPONSES,
    TRANSCRIPTION,
    Document,
    chat,
    chunk,
    encoded,
    error,
    event,
    image,
    marker,
    speech,
    usage,
)
from schemas.decode import decode


def attempt(*chunks: Document, number: int = 0) -> Attempt:
    """The attempt of these chunks, delivered in this order."""
    return attempt_of(number, [decode(encoded(document)) for document in chunks], chunks[0]["stream_type"])


def counts(total: int) -> dict[str, int]:
    """A usage."""
    return {"prompt_tokens": 1, "completion_tokens": total - 1, "total_tokens": total}


def test_an_attempt_is_folded_in_index_order() -> None:
    """Whatever the order of delivery (S-ORD-1)."""
    chunks = [chat(index, letter) for index, letter in enumerate("abcdef")]

    for seed in range(5):
        found = attempt(*random.Random(seed).sample(chunks, len(chunks)))
        assert found.output.output_message == {"role": "assistant", "content": "abcdef"}


@pytest.mark.parametrize("name", ["provider", "model", "cost"])
def test_the_highest_non_null_value_counts(name: str) -> None:
    """Not the last delivered one, and null is no value (S-META-1, S-META-2)."""
    values: tuple[Any, Any] = (1.5, 0.0) if name == "cost" else ("low", "high")
    low, high = values

    found = attempt(chat(5), chat(3, **{name: high}), chat(1, **{name: low}))

    assert getattr(found, name) == high


def test_facts_of_images_come_from_the_highest_chunk_index_too() -> None:
    """Images fold one by one, but their facts are of the stream: highest (chunk_index, image_index) (CONTRACT §1)."""
    found = attempt(
        image(0, 0, "YQ==", model="oldest"),
        image(3, 0, "YQ==", done=True, model="newest", cost=0.3, usage=counts(30)),
        image(1, 1, "Yg==", done=True, model="older", cost=0.1, usage=counts(10)),
    )

    assert (found.model, found.cost, found.token_usage) == ("newest", 0.3, counts(30))


def test_equal_indexes_of_images_are_ordered_by_image() -> None:
    """Of two chunks with one chunk_index, that of the higher image is the higher one (CONTRACT §1)."""
    found = attempt(image(1, 1, "Yg==", done=True, cost=0.2), image(1, 0, "YQ==", done=True, cost=0.1))

    assert found.cost == 0.2


def test_usage_is_that_of_the_highest_chunk_and_never_a_sum() -> None:
    """Running usage on every chunk: the last one is the bill (S-META-1, SYMPTOMS 6)."""
    found = attempt(*(chat(index, "a", usage=counts(10 + index)) for index in (2, 0, 1)))

    assert found.token_usage == counts(12)


def test_usage_without_a_bill_is_passed_over() -> None:
    """A total of 0 at the end does not erase what was said before (S-META-3)."""
    assert attempt(chat(0, usage=counts(9)), chat(1, usage={"total_tokens": 0})).token_usage == counts(9)


@pytest.mark.parametrize("choices", [[], [{"index": 0, "delta": {}, "finish_reason": "stop"}]])
def test_groq_states_usage_in_a_place_of_its_own(choices: list[Any]) -> None:
    """In `x_groq`, beside a choice or alone; what stands in the usual place as well counts first (symptom 3)."""
    own = chunk(1, {"choices": choices, "x_groq": {"id": "req_1", "usage": counts(7)}})
    both = chunk(2, {"choices": choices, "usage": counts(8), "x_groq": {"usage": counts(7)}})

    assert attempt(chat(0, "a"), own, chat(2, "b")).token_usage == counts(7)
    assert attempt(chat(0, "a"), own, both).token_usage == counts(8)
    assert attempt(chunk(0, {"choices": choices, "x_groq": {"id": "req_1"}})).token_usage is None


def test_odd_leaves_of_the_usage_are_counted() -> None:
    """They are dropped, and the record says how many."""
    assert attempt(chat(0, usage={**counts(9), "prompt_tokens": "9"})).anomalies == 1


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        pytest.param({"billed_usage": counts(9)}, counts(9), id="billed"),
        pytest.param({"billed_usage": None}, counts(3), id="null"),
        pytest.param({"billed_usage": "nine"}, counts(3), id="odd"),
        pytest.param({}, counts(3), id="not billed"),
    ],
)
@pytest.mark.parametrize("stream_type", [CHAT, TRANSCRIPTION])
def test_a_failed_stream_may_state_what_it_was_billed(stream_type: str, failed: Any, expected: Any) -> None:
    """billed_usage of the error is the usage of a stream that was cut (WIRE §3)."""
    before = chunk(0, {"usage": counts(3)}, stream_type=stream_type)
    cut = error(1, stream_type=stream_type)
    cut["error"]["extra_fields"] = failed

    assert attempt(before, cut).token_usage == expected


def test_a_payload_beside_an_error_states_no_usage() -> None:
    """The error wins, the response is kept as raw (CONTRACT §1)."""
    assert attempt(chat(0, usage=counts(3)), error(1, response={"usage": counts(9)})).token_usage == counts(3)


def test_cache_facts_come_from_the_highest_payload_that_has_them() -> None:
    """extra_fields of any chunk (S-META-4)."""
    facts = [chunk(i, {"choices": [], "extra_fields": {"cache_debug": {"cache_hit": bool(i)}}}) for i in (0, 1)]

    assert attempt(*reversed(facts), chat(2), marker(3)).cache_debug == {"cache_hit": True}


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param([chunk(0, {"model": "payload"}), chat(1)], ("payload", None), id="payload"),
        pytest.param(
            [chunk(0, {"model": "payload"}), chat(1, model="envelope")], ("envelope", None), id="envelope first"
        ),
        pytest.param([chat(0, model="named"), chat(1, model="")], ("named", None), id="an empty name is none"),
        pytest.param(
            [chunk(0, {"service_tier": "flex"}), chunk(1, {"service_tier": "default"})], (None, "default"), id="tier"
        ),
        pytest.param(
            [event(0, "response.created", fields={"response": {"model": "m", "service_tier": "auto"}}), event(1, "x")],
            ("m", "auto"),
            id="responses",
        ),
        pytest.param(
            [event(0, "response.created", fields={"response": {"model": 5, "service_tier": None}})],
            (None, None),
            id="odd leaves",
        ),
        pytest.param([speech(0, b"a")], (None, None), id="speech says neither"),
    ],
)
def test_model_and_tier_may_stand_in_the_payload(chunks: list[Document], expected: tuple[Any, Any]) -> None:
    """The envelope's model wins; the served tier is what the payload says (S-META-6, SYMPTOMS 12)."""
    found = attempt(*chunks)

    assert (found.model, found.service_tier) == expected


@pytest.mark.parametrize(
    ("chunks", "message", "finish"),
    [
        pytest.param([chat(0, finish="stop")], None, "stop", id="none"),
        pytest.param([chat(0, "a"), error(1, "cut")], "cut", "error", id="error"),
        pytest.param([chat(0, "a"), error(0, "cut")], "cut", "error", id="index zero"),
        pytest.param(
            [error(0, "first"), error(2, "last"), error(1, "between")], "last", "error", id="the highest error"
        ),
        pytest.param([chat(0, finish="stop"), error(1, "cut")], "cut", "error", id="error above the finish"),
        pytest.param([chat(0), chat(1, finish="stop"), error(0, "cut")], "cut", "stop", id="index zero after a finish"),
        pytest.param([chunk(0, {"error": {"message": "inside"}})], "inside", None, id="inside a payload"),
        pytest.param(
            [chunk(1, {"error": {"message": "inside"}}), error(0, "outside")], "outside", "error", id="outside first"
        ),
    ],
)
def test_errors_and_finish_reasons(chunks: list[Document], message: str | None, finish: str | None) -> None:
    """An error handed in comes before one inside; the finish reason too, unless a finish came after (S-ERR-1, 2, 4)."""
    found = attempt(*chunks)

    assert (found.error["error"]["message"] if found.error else None, found.finish_reason) == (message, finish)


def test_odd_leaves_of_an_error_are_counted() -> None:
    """They are dropped, and the record says how many."""
    odd = error(0)
    odd["error"]["status_code"] = "503"

    assert attempt(odd).anomalies == 1


def raw(value: Any) -> Document:
    """A payload that brings its raw form."""
    return {"choices": [], "extra_fields": {"raw_response": value}}


def test_raw_responses_are_joined_in_index_order() -> None:
    """Non-null ones, over all attempts, joined by a blank line; objects as JSON (S-RAW-1)."""
    first = attempt(chunk(2, raw({"b": 1, "a": "é"})), chunk(0, raw("one")), chunk(1, raw(None)), marker(3))
    second = attempt(chunk(0, raw("two")), number=1)

    assert raw_responses([first, second]) == 'one\n\n{"b":1,"a":"é"}\n\ntwo'


def test_raw_responses_of_images_follow_their_fold() -> None:
    """Image by image (S-ORD-2)."""
    chunks = [chunk(i, raw(f"{p}.{i}"), stream_type=IMAGE, image_index=p) for i, p in ((0, 0), (0, 1), (1, 0), (1, 1))]

    assert raw_responses([attempt(*chunks)]) == "0.0\n\n0.1\n\n1.0\n\n1.1"


def test_without_raws_there_is_no_raw_response() -> None:
    """Null, not an empty text."""
    assert raw_responses([attempt(chat(0, "a"), chunk(1, {"extra_fields": {"latency": 5}}))]) is None


def test_an_odd_payload_is_kept_as_raw() -> None:
    """What was dropped of it can be read there, unless it brings its raw form itself (CONTRACT §1)."""
    odd = {"choices": [{"delta": {"content": "a"}, "finish_reason": 5}]}

    assert raw_responses([attempt(chunk(0, odd))]) == '{"choices":[{"delta":{"content":"a"},"finish_reason":5}]}'
    assert raw_responses([attempt(chunk(0, odd | raw("own")))]) == "own"


def test_a_payload_beside_an_error_is_kept_as_raw() -> None:
    """The error wins, and nothing is lost (CONTRACT §1)."""
    beside = error(0, response={"choices": [{"delta": {"content": "a"}}]})

    assert raw_responses([attempt(beside)]) == '{"choices":[{"delta":{"content":"a"}}]}'
    assert raw_responses([attempt(error(0, response=raw("own")))]) == "own"


def test_half_a_character_beside_an_error_is_kept_as_raw() -> None:
    """A payload that cannot be encoded is still kept (S-CHAT-9)."""
    value = encoded(error(0, response={"choices": [{"delta": {"content": "x"}}]})).replace(b'"x"', b'"x\\ud83d"')

    found = raw_responses([attempt_of(0, [decode(value)], CHAT)])

    assert found is not None
    assert found.startswith('{"choices":[{"delta":{"content":"x')


def test_the_raw_request_is_that_of_the_lowest_chunk() -> None:
    """Of the envelope before that of extra_fields, of the lowest index that has either."""
    inside = chunk(1, {"extra_fields": {"raw_request": "inside"}})
    chunks = [
        decode(encoded(each))
        for each in (marker(0), error(0), chunk(0, {"choices": []}), inside, chat(2, raw_request=[1]))
    ]

    assert raw_request(chunks) == "inside"
    assert raw_request(chunks[4:]) == [1]
    assert raw_request(chunks[:3]) is None


def test_labels_are_those_of_the_lowest_chunk_by_key() -> None:
    """Sorted by key, so that records are equal whatever the order (CONTRACT §1)."""
    chunks = [chat(0, labels={"tenant": "a"}), chat(1), chat(2, labels={"tenant": "b", "key": "k"})]

    found = labels([decode(encoded(each)) for each in chunks])

    assert list(found.items()) == [("key", "k"), ("tenant", "a")]


def test_every_chunk_of_an_attempt_is_in_order_of_its_index() -> None:
    """Usage and markers tie with data behind it (CONTRACT §1)."""
    found = attempt(marker(1), usage(1), chat(1, "b"), chat(0, "a"))

    assert [(each.chunk_index, each.is_final) for each in found.chunks] == [
        (0, False),
        (1, False),
        (1, False),
        (1, True),
    ]


def test_images_keep_the_lowest_index_first() -> None:
    """For labels and the raw request the lowest (chunk_index, image_index) counts, not the first image."""
    found = attempt(image(4, 0, "YQ==", labels={"k": "high"}), image(1, 1, "Yg==", labels={"k": "low"}))

    assert labels(found.chunks) == {"k": "low"}
    assert found.chunks[0].stream_type == IMAGE


def test_responses_in_order_are_not_sorted_again() -> None:
    """The common case costs one comparison a chunk; the result is that of any order."""
    events = [event(i, "response.output_text.delta", fields={"delta": letter}) for i, letter in enumerate("abc")]

    straight, turned = attempt(*events), attempt(*reversed(events))

    assert straight.output == turned.output
    assert straight.chunks[0].stream_type == RESPONSES


# ---- usage that comes in pieces, and from elsewhere --------------------------------------------------------------


def piece(index: int, **counts: Any) -> Document:
    """A chunk with a usage of the Messages API as it is."""
    return usage(index, counts, provider="anthropic")


def test_events_of_one_message_state_its_usage_field_by_field() -> None:
    """Symptom 7: what the last event has wins, what it leaves out is that of the first; nothing is counted twice."""
    found = attempt(
        piece(0, input_tokens=812, cache_read_input_tokens=0, output_tokens=None),
        chat(1, "a"),
        piece(2, output_tokens=3),
        piece(3, cache_read_input_tokens=800, output_tokens=20),
    )
    whole = attempt(
        piece(0, input_tokens=812), piece(1, input_tokens=12, cache_read_input_tokens=800, output_tokens=20)
    )

    assert found.token_usage == {
        "prompt_tokens": 1612,
        "prompt_tokens_details": {"cached_read_tokens": 800},
        "completion_tokens": 20,
        "total_tokens": 1632,
    }
    assert whole.token_usage is not None
    assert (whole.token_usage["prompt_tokens"], whole.token_usage["total_tokens"]) == (812, 832)


def test_a_message_cut_after_its_start_has_its_input() -> None:
    """The output is not known then, and neither is a total."""
    assert attempt(piece(0, input_tokens=10)).token_usage == {"prompt_tokens": 10}
    assert attempt(piece(0, input_tokens=10), usage(1, {"odd": "x"})).token_usage == {"prompt_tokens": 10}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"choices": [], "x_groq": {"id": "r", "usage": counts(9)}}, counts(9)),
        ({"choices": [], "usage": counts(7), "x_groq": {"usage": counts(9)}}, counts(7)),
        ({"choices": [], "x_groq": {"id": "r"}}, None),
    ],
)
def test_groq_states_its_usage_aside(payload: Any, expected: Any) -> None:
    """In x_groq of the last chunk, and in the usual place when it was asked for."""
    assert attempt(chunk(0, payload, provider="groq")).token_usage == expected


def test_whose_usage_it_is_decides_what_it_includes() -> None:
    """Symptom 10: the provider named anywhere in the attempt, also for what an error says was billed."""
    thought = {
        "prompt_tokens": 12,
        "completion_tokens": 1,
        "completion_tokens_details": {"reasoning_tokens": 290},
    }
    failed = error(1)
    failed["error"]["extra_fields"] = {"billed_usage": thought}

    for document in (usage(1, thought), failed):
        found = attempt(chat(0, "a", provider="xai"), document).token_usage
        assert found is not None
        assert (found["completion_tokens"], found["total_tokens"]) == (291, 303)


@pytest.mark.parametrize("seed", range(5))
def test_repeated_snapshots_change_nothing(seed: int) -> None:
    """Symptoms 3 and 6: any number of running usages, in any order: the highest one is the bill."""
    running = [usage(index, counts(index + 1)) for index in range(6)]
    again = [running[place] | {"chunk_index": 6 + extra} for extra, place in enumerate((5, 5))]
    delivered = [*running, *again]
    random.Random(seed).shuffle(delivered)

    assert attempt(*delivered).token_usage == counts(6)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([chunk(0, {"id": ""}), chunk(1, {"id": "a"}), chunk(2, {"id": "b"})], (None, "a")),
        (
            [chunk(0, {"id": "a", "extra_fields": {"request_type": "a_stream"}})],
            ("a_stream", "a"),
        ),
        ([chunk(0, {"extra_fields": {"request_type": ""}}), marker(1)], (None, None)),
        ([event(0, "response.created", fields={"response": {"id": "resp_1"}, "item_id": "msg_1"})], (None, "resp_1")),
        ([event(0, "response.created", fields={"response": {"id": 7}}), event(1, "response.ping")], (None, None)),
        ([speech(0, b"x")], (None, None)),
    ],
)
def test_a_response_is_known_by_its_first_id(chunks: list[Document], expected: tuple[Any, Any]) -> None:
    """Symptoms 31 and 32: later chunks may have others or none; the request_type is that of the gateway."""
    found = attempt(*chunks)

    assert (found.call, found.response_id) == expected
