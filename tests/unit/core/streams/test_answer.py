"""What one choice says, delta by delta."""

from __future__ import annotations

from base64 import b64decode, b64encode
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.streams.build import Json, choice, fold, message


def test_the_role_is_the_last_one_said() -> None:
    """S-CHAT-1: the last non-null role, `assistant` by default."""
    assert message({"role": "assistant"}, {"role": None}, {"role": "tool"}, {"role": ""})["role"] == "tool"
    assert message({"content": "a"})["role"] == "assistant"


def test_content_is_the_concatenation_of_texts() -> None:
    """S-CHAT-2: in chunk order, white space kept."""
    assert message({"content": " "}, {"content": ""}, {"content": "\n"}, {"content": "a"})["content"] == " \na"


def test_nothing_said_is_null() -> None:
    """S-CHAT-3: null fields are no-ops and content is null, not empty; unsaid fields are left out."""
    empty = dict.fromkeys(
        ("content", "refusal", "reasoning", "tool_calls", "audio", "annotations", "reasoning_details")
    )

    assert message({"content": ""}, empty, {}) == {"role": "assistant", "content": None}


def test_refusals_are_kept_apart() -> None:
    """S-CHAT-4: a refusal is not content."""
    assert message({"refusal": "I "}, {"refusal": "can't", "content": "x"}) == {
        "role": "assistant",
        "content": "x",
        "refusal": "I can't",
    }


def test_reasoning_in_both_spellings_counts_once() -> None:
    """S-CHAT-5: reasoning_content is an alias of reasoning."""
    found = message(
        {"reasoning": "a", "reasoning_content": "a"},
        {"reasoning_content": "b"},
        {"reasoning": "", "reasoning_content": "c"},
    )

    assert found["reasoning"] == "abc"
    assert found["reasoning_details"] == [{"index": 0, "type": "reasoning.text", "text": "abc"}]


def test_details_beside_reasoning_are_not_doubled() -> None:
    """S-CHAT-6: a delta that brings its own details synthesises none."""
    found = message({"reasoning": "a", "reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "a"}]})

    assert found["reasoning"] == "a"
    assert found["reasoning_details"] == [{"index": 0, "type": "reasoning.text", "text": "a"}]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.lists(st.integers(0, 20)))
def test_any_cut_gives_the_same_text(text: str, cuts: list[int]) -> None:
    """S-CHAT-8: code points pass through whatever the chunk borders are, in every field that grows."""
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    parts = [text[start:end] for start, end in pairwise(places)]
    found = message(*({"content": p, "refusal": p, "reasoning": p} for p in parts), {})

    assert [found.get(name) for name in ("content", "refusal", "reasoning")] == [text or None] * 3


def test_a_character_cut_in_halves_is_joined() -> None:
    """S-CHAT-9: halves in neighbouring chunks give the character; a lone one never breaks the record."""
    assert message({"content": "x\ud83d"}, {"content": "\ude00y"})["content"] == "x😀y"
    assert message({"content": "ab\ud83d"}, {"content": "cd"})["content"] == "ab\ufffdcd"


def test_annotations_are_appended_whole() -> None:
    """S-CHAT-10: in order, untouched."""
    notes: list[Json] = [{"type": "url_citation", "url_citation": {"url": url}} for url in "abc"]

    assert message({"annotations": notes[:1]}, {"annotations": notes[1:]})["annotations"] == notes


def test_log_probs_of_all_chunks_are_joined() -> None:
    """S-CHAT-11: content and refusal lists in index order; a list that is none is odd."""
    output = fold(
        "chat.completion",
        choice({"content": "a"}, logprobs={"content": [{"token": "a"}], "refusal": None}),
        choice({"content": "b"}, logprobs={"content": [{"token": "b"}], "refusal": [{"token": "r"}]}),
        choice(None, logprobs={"content": "odd"}),
    )

    assert output.logprobs == {"content": [{"token": "a"}, {"token": "b"}], "refusal": [{"token": "r"}]}
    assert output.anomalies == 1


def test_audio_bytes_are_joined_before_they_are_encoded() -> None:
    """S-CHAT-12: fragments are padded one by one; id and expiry are the last non-empty, the transcript is joined."""
    found = message(
        {"audio": {"id": "audio_1", "data": "Ukk=", "transcript": "He", "expires_at": 0}},
        {"audio": {"id": "", "data": "RkYh", "transcript": "y", "expires_at": 0}},
        {"audio": {"id": "", "data": "eA==", "transcript": "", "expires_at": 17}},
    )

    assert found["audio"] == {"id": "audio_1", "data": "UklGRiF4", "expires_at": 17, "transcript": "Hey"}
    assert "audio" not in message({"audio": {"data": ""}})


@given(st.lists(st.binary(max_size=7), min_size=1))
def test_any_cut_gives_the_same_audio(parts: list[bytes]) -> None:
    """S-CHAT-12: the decoded audio is the concatenation of the decoded fragments."""
    found = message(*({"audio": {"id": "a", "data": b64encode(part).decode()}} for part in parts))

    assert b64decode(found["audio"].get("data", "")) == b"".join(parts)


def test_tool_calls_are_those_of_the_message() -> None:
    """S-TOOL-1: they are given beside the message too."""
    output = fold(
        "chat.completion",
        choice({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]}),
        choice({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}, {"index": 1, "id": "d"}]}),
    )

    assert output.tool_calls == [
        {"index": 0, "type": "function", "id": "c", "function": {"name": "f", "arguments": "{}"}},
        {"index": 1, "type": "function", "id": "d", "function": {"name": None, "arguments": ""}},
    ]
    assert (output.output_message or {})["tool_calls"] == output.tool_calls


def test_content_may_come_in_blocks() -> None:
    """S-CHAT-2: text blocks are content, thinking blocks reasoning, references annotations; nothing is lost."""
    reference = {"type": "reference", "reference_ids": [1]}
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    output = fold(
        "chat.completion",
        choice({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Th"}, 7, {"text": None}]}]}),
        choice({"content": [{"type": "thinking", "thinking": "ink"}, {"type": "text", "text": "4"}]}),
        choice({"content": [{"type": "text", "text": "2"}, reference]}),
        choice({"content": [{"type": "text", "text": ""}, {"type": "thinking", "thinking": ""}, {"type": "x"}]}),
        choice({"content": [picture]}),
    )

    assert output.output_message == {
        "role": "assistant",
        "content": "42",
        "reasoning": "Think",
        "reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "Think"}],
        "annotations": [reference],
        "images": [picture],
        "provider_items": [{"type": "x"}],
    }
    assert output.anomalies == 2
    assert len(output.content_times) == 4


def test_what_a_provider_adds_is_kept_in_order() -> None:
    """Pictures are content; items that the provider ran by itself are kept whole, extra content is merged."""
    pictures: list[Json] = [{"type": "image_url", "image_url": {"url": url}} for url in "ab"]
    items: list[Json] = [{"type": "server_tool_use", "id": id_} for id_ in "ab"]
    output = fold(
        "chat.completion",
        choice({"content": "x", "images": pictures[:1], "provider_items": items[:1]}),
        choice({"images": pictures[1:], "extra_content": {"google": {"thought": True, "n": 1}, "a": 1}}),
        choice({"content": "y", "provider_items": items[1:]}),
        choice({"content": "z", "extra_content": {"google": {"thought_signature": "s", "n": 2}, "a": {"b": 2}}}),
        choice({"provider_items": items[:1]}),
    )

    assert output.output_message == {
        "role": "assistant",
        "content": "xyz",
        "images": pictures,
        "provider_items": [*items, items[0]],
        "extra_content": {"google": {"thought": True, "n": 2, "thought_signature": "s"}, "a": {"b": 2}},
    }
    assert len(output.content_times) == 4


def test_why_it_stopped_is_kept_in_the_providers_words() -> None:
    """The last word counts, as that of finish_reason (S-FIN-1); without a finish_reason it is none."""
    output = fold(
        "chat.completion",
        choice({"content": "a"}, stop_details={"stop_sequence": "ignored"}),
        choice({"content": "b"}, finish="stop", stop_details={"stop_sequence": "END"}),
        choice({}, finish="content_filter"),
        choice({}, index=1, finish="length", stop_details={"x": 1}),
    )

    assert output.finish_reason == "content_filter"
    assert [found["message"].get("stop_details") for found in output.choices or []] == [
        {"stop_sequence": "END"},
        {"x": 1},
    ]


def test_audio_says_what_its_bytes_are() -> None:
    """S-CHAT-12: raw samples can't be played without their rate, which a provider may choose by itself."""
    found = message({"audio": {"data": "AAA=", "mime_type": "audio/L16;rate=24000"}}, {"audio": {"data": "AAA="}})

    assert found["audio"] == {"data": "AAAAAA==", "mime_type": "audio/L16;rate=24000"}


@pytest.mark.parametrize("odd", [{"content": 5}, {"tool_calls": {}}, {"audio": {"data": "?"}}])
def test_an_odd_leaf_costs_only_itself(odd: Json) -> None:
    """CONTRACT §1: the decoder drops it, the fold goes on."""
    assert message({"content": "a"}, {**odd, "role": "tool"}) == {"role": "tool", "content": "a"}
