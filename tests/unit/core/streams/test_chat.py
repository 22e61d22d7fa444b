"""Chat and text completion streams as a whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.streams import CONTENT, FOLDS
from tests.unit.core.streams.build import Json, choice, chunk, chunks, fold, payload_of, times


def test_text_beside_a_delta_is_not_content() -> None:
    """S-CHAT-2: some gateways send the same text twice."""
    output = fold("chat.completion", choice({"content": "Hi"}, text="Hi"), choice({"content": "!"}, text="!"))

    assert output.output_message == {"role": "assistant", "content": "Hi!"}


def test_choices_are_kept_apart() -> None:
    """S-CHAT-7: by index, whatever their place in a chunk; the message is that of choice 0, all are listed."""
    output = fold(
        "chat.completion",
        choice({"role": "assistant", "content": ""}, index=1),
        choice({"content": "dog"}, index=1),
        choice({"content": "cat"}),
        {"choices": [{"index": 1, "delta": {"content": "gy"}}, {"index": 0, "delta": {"content": "ty"}}]},
        choice({}, index=1, finish="length", logprobs={"content": [{"token": "gy"}]}),
        choice({}, finish="stop"),
    )

    assert output.output_message == {"role": "assistant", "content": "catty"}
    assert output.finish_reason == "stop"
    assert output.logprobs is None
    assert output.choices == [
        {"index": 0, "message": output.output_message, "finish_reason": "stop", "logprobs": None},
        {
            "index": 1,
            "message": {"role": "assistant", "content": "doggy"},
            "finish_reason": "length",
            "logprobs": {"content": [{"token": "gy"}]},
        },
    ]
    assert times(output) == [1, 2, 3]


def test_without_a_choice_0_the_lowest_is_shown() -> None:
    """S-CHAT-7: choices are listed only when there was more than one; an absent index is 0."""
    alone = fold("chat.completion", choice({"content": "a"}, index=2))
    two = fold("chat.completion", choice({"content": "a"}, index=2), choice({"content": "b"}, index=1))
    absent = fold("chat.completion", choice({"content": "a"}, index=None), choice({"content": "b"}))

    assert [output.output_message for output in (alone, two, absent)] == [
        {"role": "assistant", "content": text} for text in ("a", "b", "ab")
    ]
    assert (alone.choices, absent.choices) == (None, None)
    assert [found["index"] for found in two.choices or []] == [1, 2]


def test_a_choice_that_only_opened_counts_as_seen() -> None:
    """S-CHAT-3: a role alone makes a message without content; chunks without choices make none."""
    assert fold("chat.completion", choice({"role": "assistant", "content": ""})).output_message == {
        "role": "assistant",
        "content": None,
    }
    assert fold("chat.completion", {"choices": []}, {"usage": {"total_tokens": 1}}, None).output_message is None


def test_finish_reasons_pass_through() -> None:
    """S-FIN-1, S-META-2: any word, the highest non-null one; an empty one says nothing."""
    output = fold(
        "chat.completion",
        choice({"content": "a"}, finish="tool_calls"),
        choice({}, finish="my_reason"),
        choice({}, finish=""),
        choice(None),
    )

    assert (output.finish_reason, output.terminal) == ("my_reason", True)
    assert not fold("chat.completion", choice({"content": "a"})).terminal


def test_a_finish_reason_on_a_chunk_without_delta_counts() -> None:
    """S-FIN-1: the delta may be null or absent."""
    assert fold("chat.completion", choice(None, finish="stop")).finish_reason == "stop"


def test_the_response_beside_an_error_is_not_folded() -> None:
    """CONTRACT §1: the error wins, the response is kept as raw."""
    cut = chunk("chat.completion", choice({"content": "b"}), 1, error={"message": "boom"})
    output = FOLDS["chat.completion"]([chunk("chat.completion", choice({"content": "a"})), cut])

    assert output.output_message == {"role": "assistant", "content": "a"}
    assert output.error is None


@pytest.mark.parametrize("stream_type", ["chat.completion", "text.completion"])
def test_an_error_in_band_is_told_and_content_is_kept(stream_type: str) -> None:
    """S-ERR-5: the last error object of the stream; an empty one is none."""
    said: Json = {"choices": [{"index": 0, "delta": {"content": "a"}, "text": "a"}]}
    output = fold(stream_type, said, {"error": {"message": "boom", "code": [1]}}, {"error": {}})

    assert output.error == {"is_bifrost_error": False, "error": {"message": "boom"}}
    assert output.anomalies == 1
    assert output.output_message == {"role": "assistant", "content": "a"}


def test_a_text_completion_takes_its_text_from_the_choices() -> None:
    """S-TEXT-1: as chat with choices[].text as content; the last log-probs win; a delta counts only without text."""
    output = fold(
        "text.completion",
        {"choices": [{"index": 0, "text": "Once ", "delta": {"content": "Once "}, "logprobs": {"tokens": ["Once "]}}]},
        {"choices": [{"index": 0, "text": "upon"}, {"index": 1, "text": "Two"}]},
        {"choices": [{"index": 0, "delta": {"content": "!"}, "logprobs": {"tokens": ["!"]}, "finish_reason": "stop"}]},
        {"choices": [{"index": 0, "text": ""}]},
        {"choices": [{"index": 0}]},
        {"choices": []},
        None,
    )

    assert output.output_message == {"role": "assistant", "content": "Once upon!"}
    assert output.logprobs == {"tokens": ["!"]}
    assert output.finish_reason == "stop"
    assert [found["message"]["content"] for found in output.choices or []] == ["Once upon!", "Two"]
    assert times(output) == [0, 1, 2]


SOURCES: Json = {
    "citations": ["https://a.example", "https://b.example"],
    "search_results": [{"title": "A", "url": "https://a.example", "snippet": "s", "date": "2026-01-01"}],
    "images": [{"image_url": "https://a.example/x.png", "origin_url": "https://a.example", "width": 8, "height": 8}],
    "videos": [{"url": "https://a.example/v"}],
    "provider": "Fireworks",
}


@pytest.mark.parametrize(("stream_type", "text"), [("chat.completion", "delta"), ("text.completion", "text")])
def test_sources_beside_the_choices_survive(stream_type: str, text: str) -> None:
    """WIRE §5: providers repeat them whole with every chunk, so the latest counts; a null takes nothing away."""
    said: Any = {"content": "a"} if text == "delta" else "a"
    output = fold(
        stream_type,
        {"choices": [{"index": 0, text: said}], "citations": ["https://old.example"], "search_results": []},
        {"choices": [{"index": 0, text: said}], **SOURCES},
        {"choices": [{"index": 0, text: said, "finish_reason": "stop"}], "citations": [], "search_results": None},
    )

    assert output.output_message == {
        "role": "assistant",
        "content": "aaa",
        "citations": SOURCES["citations"],
        "search_results": SOURCES["search_results"],
        "search_images": SOURCES["images"],
        "videos": SOURCES["videos"],
        "upstream_provider": "Fireworks",
    }


@pytest.mark.parametrize(
    ("name", "place"),
    [
        *((name, place) for name in ("citations", "search_results") for place in range(6)),
        *((name, place) for name in ("images", "videos", "provider") for place in (0, 2, 3, 4, 5)),
    ],
)
def test_a_source_that_comes_once_is_enough(name: str, place: int) -> None:
    """Beside any chunk; pictures, videos and who served it beside any but a plain delta in the middle."""
    payloads: list[Json] = [
        choice({"content": "a"}),
        choice({"content": "b"}),
        choice({"reasoning": "c"}),
        choice({}, finish="stop"),
        {"choices": []},
        choice({"content": "d"}),
    ]
    payloads[place][name] = SOURCES[name]
    output = fold("chat.completion", *payloads)

    shown = {"images": "search_images", "provider": "upstream_provider"}.get(name, name)
    assert (output.output_message or {}).get(shown) == SOURCES[name]


def test_the_last_word_on_a_source_counts() -> None:
    """Also where it stands beside a plain delta at an end; a chunk that is an error has no word."""
    plain = [
        choice(
            {"content": "a"},
        )
        | {"provider": name}
        for name in "abc"
    ]
    output = fold("chat.completion", *plain)
    later = fold("chat.completion", plain[0], choice({}, finish="stop") | {"provider": "z"}, choice({"content": "b"}))
    failed = [chunk("chat.completion", plain[0], 0, error={"message": "boom"}), chunk("chat.completion", plain[1], 1)]

    assert (output.output_message or {})["upstream_provider"] == "c"
    assert (later.output_message or {})["upstream_provider"] == "z"
    assert (FOLDS["chat.completion"](failed).output_message or {})["upstream_provider"] == "b"


def test_sources_belong_to_the_message_that_is_shown() -> None:
    """CONTRACT §2: output_message is choice 0; the others have none."""
    output = fold("chat.completion", {"choices": [{"index": 0}, {"index": 1}], "citations": ["https://a.example"]})

    assert [found["message"].get("citations") for found in output.choices or []] == [["https://a.example"], None]
    assert fold("chat.completion", {"choices": [], "citations": ["https://a.example"]}).output_message is None


@pytest.mark.parametrize("stream_type", ["chat.completion", "text.completion"])
def test_groq_reports_errors_in_a_place_of_its_own(stream_type: str) -> None:
    """S-ERR-5: in `x_groq`; what came before stays, and an id or usage there is no error."""
    said: Json = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
    broken = fold(
        stream_type, {**said, "x_groq": {"id": "req_1"}}, {**said, "x_groq": {"error": "over capacity"}}, said
    )
    fine = fold(stream_type, {**said, "x_groq": {"id": "req_1", "usage": {"total_tokens": 1}}})

    assert (broken.error or {})["error"]["message"] == "over capacity"
    assert (broken.output_message or {})["content"] == "aaa"
    assert fine.error is None


@pytest.mark.parametrize(
    ("delta", "carries"),
    [
        ({"content": "a"}, True),
        ({"refusal": "a"}, True),
        ({"reasoning": "a"}, True),
        ({"reasoning_details": [{"text": "a"}]}, True),
        ({"tool_calls": [{"id": "a"}]}, True),
        ({"audio": {"transcript": "a"}}, True),
        ({"role": "assistant", "content": ""}, False),
        ({"images": [{"type": "image_url"}]}, True),
        ({"annotations": [{}], "tool_calls": [], "audio": {"id": "a"}, "provider_items": [{}]}, False),
        (None, False),
    ],
)
def test_content_is_what_a_reader_gets(delta: Json | None, *, carries: bool) -> None:
    """CONTRACT §2, time_to_first_content: a role, an annotation or an empty delta is no content."""
    assert CONTENT["chat.completion"](payload_of("chat.completion", choice(delta))) is carries


def test_content_of_a_text_completion_is_its_text() -> None:
    """CONTRACT §2: payloads without choices carry nothing."""
    payloads: list[Json] = [{"choices": [{"text": "a"}]}, {"choices": [{"text": ""}]}, {"choices": []}, {}]

    assert [CONTENT["text.completion"](payload_of("text.completion", p)) for p in payloads] == [
        True,
        False,
        False,
        False,
    ]
    assert not CONTENT["chat.completion"](payload_of("chat.completion", {}))


_deltas: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["assistant", "", None]),
        "content": st.sampled_from(["", "a", None, [{"text": "b"}], [{"x": 1}]]),
        "refusal": st.sampled_from(["", "r", None]),
        "reasoning": st.sampled_from(["", "t", None]),
        "tool_calls": st.sampled_from([[], [{"index": 0}], [{"id": "a"}], None]),
        "audio": st.sampled_from([None, {}, {"data": "Ukk="}]),
        "annotations": st.sampled_from([[], [{"type": "x"}]]),
        "images": st.sampled_from([[], [{"type": "image_url"}]]),
        "provider_items": st.sampled_from([[], [{"type": "x"}]]),
        "extra_content": st.sampled_from([{}, {"google": {}}]),
    },
)
_payloads = st.lists(
    st.builds(
        choice, st.none() | _deltas, index=st.sampled_from([0, 0, 0, None, 1]), finish=st.sampled_from([None, "stop"])
    ),
    max_size=8,
)


@given(_payloads)
def test_the_plain_path_and_the_full_one_agree(payloads: list[Json]) -> None:
    """The hot loop is an optimisation: a chunk with an empty second list of the same choices gives the same output."""
    doubled = [{"choices": [*payload["choices"], {"index": 7}]} for payload in payloads]
    plain, full = fold("chat.completion", *payloads), fold("chat.completion", *doubled)
    shown = [found for found in full.choices or [] if found["index"] != 7]

    assert plain.content_times == full.content_times
    assert [found["message"] for found in plain.choices or []] in ([], [found["message"] for found in shown])
    if plain.output_message is not None:
        assert (plain.output_message, plain.finish_reason) == (full.output_message, full.finish_reason)


@given(_payloads)
def test_content_times_are_those_of_payloads_with_content(payloads: list[Json]) -> None:
    """CONTRACT §2: what one payload says about itself is what the fold counts."""
    found = chunks("chat.completion", payloads)
    stamps = [one.timestamp for one in found if CONTENT["chat.completion"](one.response)]

    assert FOLDS["chat.completion"](found).content_times == stamps
