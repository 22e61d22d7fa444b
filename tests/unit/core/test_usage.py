"""Usage of every stream type under one set of names, and sums and differences of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.usage import add_usage, llm_usage, stated_usage, subtract_usage
from tests.unit.core.streams.build import payload_of

Json = dict[str, Any]


def usage_of(raw: Any, stream_type: str = "chat.completion") -> tuple[Json | None, int]:
    """The normalised usage of a payload that carries this one."""
    carried = (
        {"type": "response.completed", "response": {"usage": raw}} if stream_type == "responses" else {"usage": raw}
    )
    return llm_usage(stream_type, stated_usage(stream_type, payload_of(stream_type, carried)))


def test_a_payload_without_usage_has_none() -> None:
    """Null usage is null, never zeros (CONTRACT §2)."""
    assert usage_of(None) == (None, 0)
    assert stated_usage("responses", payload_of("responses", {"type": "response.ping"})) is None
    assert usage_of(None, "responses") == (None, 0)


def test_chat_usage_keeps_what_it_has_in_the_order_of_the_wire() -> None:
    """WIRE §4: known names first, unknown numbers and flags behind them, nothing made up, words left out."""
    raw = {
        "total_tokens": 14,
        "queue_time": 0.25,
        "search_context_size": "low",
        "is_byok": False,
        "cost_details": {"upstream_inference_cost": 0.5, "note": "x"},
        "notes": {"only": "words"},
        "completion_tokens_details": {"reasoning_tokens": 2, "text_tokens": 0, "cached_tokens": 1},
        "prompt_tokens_details": {"audio_tokens": None, "image_tokens": 1, "text_tokens": 9},
        "completion_tokens": 4,
        "prompt_tokens": 10,
    }

    found, odd = usage_of(raw)

    assert odd == 0
    assert list(found or {}) == [
        *("prompt_tokens", "prompt_tokens_details", "completion_tokens", "completion_tokens_details"),
        *("total_tokens", "cost_details", "is_byok", "queue_time"),
    ]
    assert found == {
        "prompt_tokens": 10,
        "prompt_tokens_details": {"text_tokens": 9, "image_tokens": 1},
        "completion_tokens": 4,
        "completion_tokens_details": {"text_tokens": 0, "reasoning_tokens": 2, "cached_tokens": 1},
        "total_tokens": 14,
        "cost_details": {"upstream_inference_cost": 0.5},
        "is_byok": False,
        "queue_time": 0.25,
    }


def test_a_missing_total_is_computed_from_known_parts() -> None:
    """With both parts known the total is their sum, else it stays unknown."""
    assert usage_of({"prompt_tokens": 3, "completion_tokens": 4}) == (
        {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        0,
    )
    assert usage_of({"completion_tokens": 4}) == ({"completion_tokens": 4}, 0)


@pytest.mark.parametrize("stream_type", ["chat.completion", "text.completion"])
def test_chat_usage_with_a_total_of_zero_is_none(stream_type: str) -> None:
    """S-META-3: a provider's placeholder of zeros is not a usage; nor is an empty object."""
    zeros: tuple[Json, ...] = (
        {"prompt_tokens": 5, "total_tokens": 0},
        {"prompt_tokens": 0, "completion_tokens": 0},
        {},
    )

    assert [usage_of(raw, stream_type) for raw in zeros] == [(None, 0)] * 3


def test_a_lone_count_of_zero_is_a_value() -> None:
    """Without a total there is no placeholder: a provider that says zero output tokens is believed."""
    assert usage_of({"completion_tokens": 0}) == ({"completion_tokens": 0}, 0)


def test_zero_is_a_value_elsewhere() -> None:
    """S-META-3 speaks of chat and text only."""
    zeros = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    expected = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}

    assert [usage_of(zeros, name) for name in ("responses", "audio.speech")] == [(expected, 0)] * 2


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"cached_tokens": 5}, {"cached_read_tokens": 5}),
        ({"cached_tokens": 5, "cached_read_tokens": 0}, {"cached_read_tokens": 5}),
        ({"cached_tokens": 5, "cached_read_tokens": 3}, {"cached_read_tokens": 3}),
        ({"cached_tokens": 5, "cached_write_tokens": 2}, {"cached_write_tokens": 2}),
        ({"cached_tokens": 0, "cache_write_tokens": 0}, {"cached_read_tokens": 0, "cached_write_tokens": 0}),
        ({"cached_tokens": 5, "cache_write_tokens": 3}, {"cached_read_tokens": 5, "cached_write_tokens": 3}),
        ({"cache_write_tokens": 3, "cached_write_tokens": 2}, {"cached_write_tokens": 2}),
        (
            {"cached_write_token_details": {"cached_write_tokens_1h": 2, "cached_write_tokens_5m": 1, "x": 3}},
            {"cached_write_token_details": {"cached_write_tokens_5m": 1, "cached_write_tokens_1h": 2, "x": 3}},
        ),
    ],
)
def test_cached_tokens_are_read_under_their_aliases(details: Json, expected: Json) -> None:
    """S-META-5: cached_tokens is cached_read_tokens when neither count of the cache is given otherwise."""
    assert usage_of({"total_tokens": 9, "prompt_tokens_details": details}) == (
        {"prompt_tokens_details": expected, "total_tokens": 9},
        0,
    )


def test_details_that_were_left_outside_are_put_inside() -> None:
    """Some providers state cached, reasoning, citation tokens and searches beside the totals; the inner one wins."""
    raw = {
        "total_tokens": 9,
        "cached_tokens": 1,
        "reasoning_tokens": 2,
        "citation_tokens": 3,
        "num_search_queries": 4,
        "completion_tokens_details": {"reasoning_tokens": 7},
    }

    assert usage_of(raw) == (
        {
            "prompt_tokens_details": {"cached_read_tokens": 1},
            "completion_tokens_details": {"citation_tokens": 3, "num_search_queries": 4, "reasoning_tokens": 7},
            "total_tokens": 9,
        },
        0,
    )


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        pytest.param(0.0021, {"total_cost": 0.0021}, id="bare number"),
        pytest.param(0, {"total_cost": 0}, id="zero is a value (S-META-4)"),
        pytest.param(
            {
                "total_cost": 3,
                "input_cost": 1,
                "output_cost": 2,
                "input_cost_details": {"text_cost": 1, "x": None},
                "n": 1,
            },
            {"input_cost": 1, "input_cost_details": {"text_cost": 1}, "output_cost": 2, "total_cost": 3, "n": 1},
            id="nested",
        ),
        pytest.param(
            {"input_tokens_cost": 0.1, "request_cost": 0.2, "output_tokens_cost": 0.5, "reasoning_tokens_cost": None},
            {
                "input_cost": 0.3,
                "input_cost_details": {"text_cost": 0.1, "request_cost": 0.2},
                "output_cost": 0.5,
                "output_cost_details": {"text_cost": 0.5},
            },
            id="flat",
        ),
        pytest.param(
            {"input_tokens_cost": 0.3, "cache_read_tokens_cost": 0.1, "total_cost": 0.3},
            {
                "input_cost": 0.3,
                "input_cost_details": {"text_cost": 0.2, "cached_read_cost": 0.1},
                "total_cost": 0.3,
            },
            id="flat with cache",
        ),
        pytest.param(
            {"cache_read_tokens_cost": 0.1}, {"input_cost_details": {"cached_read_cost": 0.1}}, id="flat, cache alone"
        ),
    ],
)
def test_cost_is_read_in_every_form(cost: object, expected: Json) -> None:
    """S-META-5: an object, the old flat object or a bare number that is the total."""
    assert usage_of({"total_tokens": 9, "cost": cost}) == ({"total_tokens": 9, "cost": expected}, 0)


def test_ticks_are_a_cost_where_none_is_stated() -> None:
    """WIRE §4: 10^10 ticks are one dollar; a stated cost wins."""
    alone, _ = usage_of({"total_tokens": 9, "cost_in_usd_ticks": 123})
    beside, _ = usage_of({"total_tokens": 9, "cost_in_usd_ticks": 123, "cost": 1})

    assert alone == {"total_tokens": 9, "cost": {"total_cost": 1.23e-8}, "cost_in_usd_ticks": 123}
    assert beside == {"total_tokens": 9, "cost": {"total_cost": 1}, "cost_in_usd_ticks": 123}


def test_responses_usage_is_that_of_the_response() -> None:
    """S-RESP-10: input and output become prompt and completion, details field by field."""
    raw = {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 27,
    }

    assert usage_of(raw, "responses") == (
        {
            "prompt_tokens": 20,
            "prompt_tokens_details": {"cached_read_tokens": 5, "cached_write_tokens": 0},
            "completion_tokens": 7,
            "completion_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 27,
        },
        0,
    )


def test_speech_usage_is_mapped() -> None:
    """S-AUDIO-3: input to prompt, output to completion; characters and seconds stay as they are."""
    raw = {"input_tokens": 12, "output_tokens": 34, "total_tokens": 46, "input_chars": 50, "audio_seconds": 1.5}

    assert usage_of(raw, "audio.speech") == (
        {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46, "audio_seconds": 1.5, "input_chars": 50},
        0,
    )


def test_transcription_tokens_are_mapped_and_a_duration_is_no_token_usage() -> None:
    """S-TR-5: seconds stay in the transcription's own usage."""
    raw = {"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 0, "audio_tokens": 14}}

    assert usage_of(raw, "audio.transcription") == (
        {"prompt_tokens": 14, "prompt_tokens_details": {"text_tokens": 0, "audio_tokens": 14}},
        0,
    )
    assert usage_of({"type": "duration", "seconds": 27}, "audio.transcription") == (None, 0)


def test_image_usage_is_mapped() -> None:
    """S-IMG-7: image input counts, the output is the completion."""
    raw = {
        "input_tokens": 50,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        "output_tokens": 100,
        "output_tokens_details": {"image_tokens": 100},
        "total_tokens": 150,
    }

    assert usage_of(raw, "image.generation") == (
        {
            "prompt_tokens": 50,
            "prompt_tokens_details": {"text_tokens": 10, "image_tokens": 40},
            "completion_tokens": 100,
            "completion_tokens_details": {"image_tokens": 100},
            "total_tokens": 150,
        },
        0,
    )


@pytest.mark.parametrize(
    "odd",
    [
        {"prompt_tokens": "5"},
        {"prompt_tokens": -1},
        {"prompt_tokens": 1.5},
        {"prompt_tokens": True},
        {"prompt_tokens": 1e300},
        {"prompt_tokens_details": [1]},
        {"prompt_tokens_details": {"cached_tokens": "x"}},
        {"cost": "free"},
        {"cost": -1},
        {"cost": {"total_cost": "1"}},
        {"cost": {"input_cost_details": {"text_cost": -1}}},
    ],
)
def test_odd_leaves_are_dropped_and_counted(odd: Json) -> None:
    """CONTRACT §1: a leaf of unexpected shape is ignored, the rest of the usage counts."""
    assert usage_of({"total_tokens": 9, **odd}) == ({"total_tokens": 9}, 1)


def test_whole_floats_are_counts() -> None:
    """JSON writers that know floats only send 5.0 for 5."""
    assert usage_of({"total_tokens": 5.0}) == ({"total_tokens": 5}, 0)


def test_usage_that_is_no_object_is_odd() -> None:
    """Inside a response that is kept whole, usage may be anything."""
    assert usage_of("much", "responses") == (None, 1)


def test_sums_go_into_the_details() -> None:
    """CONTRACT §2: attempts add up, money without the dust of binary fractions, in the order of the wire."""
    first = {"prompt_tokens": 1, "total_tokens": 3, "cost": {"total_cost": 0.1}, "flag": True}
    second = {
        "prompt_tokens": 2,
        "prompt_tokens_details": {"cached_read_tokens": 1},
        "total_tokens": 4,
        "cost": {"total_cost": 0.2},
    }

    total = add_usage(first, second)

    assert total == {
        "prompt_tokens": 3,
        "prompt_tokens_details": {"cached_read_tokens": 1},
        "total_tokens": 7,
        "cost": {"total_cost": 0.3},
        "flag": True,
    }
    assert list(total) == ["prompt_tokens", "prompt_tokens_details", "total_tokens", "cost", "flag"]
    assert add_usage(None, None) is None
    assert add_usage(first, None) == add_usage(None, first) == first


@pytest.mark.parametrize(
    ("stated", "expected"),
    [("us", "us"), ("US", "us"), ("global", None), ("not_available", None), ("", None), (5, None)],
)
def test_a_place_is_kept_where_one_was_asked_for(stated: object, expected: str | None) -> None:
    """Claude API, Data residency: its tokens cost more; words say where, sums and differences keep them."""
    raw = {"input_tokens": 5, "output_tokens": 2, "inference_geo": stated}

    found, odd = usage_of(raw)
    assert found is not None
    assert (found.get("inference_geo"), odd) == (expected, 0)
    total = add_usage(found, found)
    assert total is not None
    assert (total["prompt_tokens"], total.get("inference_geo")) == (10, expected)
    payload = payload_of("chat.completion", {"usage": {"prompt_tokens": 5}, "inference_geo": "us"})
    assert stated_usage("chat.completion", payload) == {"inference_geo": "us", "prompt_tokens": 5}
    assert usage_of({"inference_geo": "us", "compaction": {"x": 1}, "advisors": 5}) == (None, 0)


def test_differences_count_null_as_zero() -> None:
    """CONTRACT §4: a revision's delta; what only the earlier record had is negative."""
    usage = {"prompt_tokens": 3, "cost": {"total_cost": 0.3}, "flag": False}

    assert subtract_usage(usage, None) == usage
    assert subtract_usage(None, {"prompt_tokens": 3}) == {"prompt_tokens": -3}
    assert subtract_usage(usage, {"prompt_tokens": 1, "cost": {"total_cost": 0.1}, "flag": True}) == {
        "prompt_tokens": 2,
        "cost": {"total_cost": 0.2},
        "flag": False,
    }
    assert subtract_usage(None, None) is None


def test_a_number_and_a_table_of_one_name_do_not_add_up() -> None:
    """Unknown names may hold anything; the table wins, nothing raises."""
    assert add_usage({"x": 1}, {"x": {"y": 2}}) == {"x": {"y": 2}}


_counts = st.dictionaries(
    st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens", "x"]), st.integers(0, 2**53)
)


@given(_counts, _counts, _counts)
def test_sums_do_not_depend_on_order_and_differences_undo_them(first: Json, second: Json, third: Json) -> None:
    """Addition is commutative and associative; a + b - b is a, absent counting as 0."""
    left, right = add_usage(add_usage(first, second), third), add_usage(first, add_usage(third, second))
    back = subtract_usage(add_usage(first, second), second) or {}

    assert left == right
    assert {name: count for name, count in back.items() if count} == {name: n for name, n in first.items() if n}


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=2), st.lists, max_leaves=3),
    )
)
def test_any_usage_is_read(raw: Json) -> None:
    """No usage raises, whatever a provider puts into it."""
    found, odd = usage_of(raw)

    assert odd >= 0
    assert found is None or found
