"""What each content part of Gemini is to a message."""

from base64 import b64encode

import pytest

from pipeline.ingest.gemini_parts import Parts
from pipeline.ingest.leaf import Payload


def delta(*parts: Payload, last: bool = False) -> Payload:
    """The delta of one event with these parts."""
    return Parts().delta(list(parts), last=last)


def media(type_: str, data: object) -> Payload:
    """A part with bytes."""
    return {"inlineData": {"mimeType": type_, "data": data}}


def test_texts_and_thoughts_are_joined_apart() -> None:
    """`thought: true` makes reasoning of a text; details are made of it by whoever folds (S-CHAT-6)."""
    parts: list[Payload] = [
        {"text": "a"},
        {"text": "T", "thought": True},
        {"text": "b", "thought": False},
        {"text": "t", "thought": True},
    ]

    assert delta(*parts) == {"content": "ab", "reasoning": "Tt"}
    assert delta({"text": ""}) == {}


def test_signatures_are_reasoning_details_of_their_own() -> None:
    """They have to be sent back unchanged; those of a stream keep apart, and the text of a thought is detail 0."""
    parts = Parts()
    first = parts.delta([{"text": "T", "thought": True, "thoughtSignature": "s1"}], last=False)
    second = parts.delta([{"text": "", "thoughtSignature": "s2"}, {"thoughtSignature": "s3"}], last=True)

    assert first == {
        "reasoning": "T",
        "reasoning_details": [
            {"index": 0, "type": "reasoning.text", "text": "T"},
            {"index": 1, "type": "reasoning.encrypted", "data": "s1"},
        ],
    }
    assert second == {
        "reasoning_details": [
            {"index": 2, "type": "reasoning.encrypted", "data": "s2"},
            {"index": 3, "type": "reasoning.encrypted", "data": "s3"},
        ]
    }


def test_pictures_are_images() -> None:
    """As data URLs in the form of content parts, which those who read OpenAI's dialect show."""
    assert delta({"text": "See: "}, {**media("image/png", "AAAA"), "thoughtSignature": "s"}) == {
        "content": "See: ",
        "reasoning_details": [{"index": 1, "type": "reasoning.encrypted", "data": "s"}],
        "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
    }


def test_sound_is_audio() -> None:
    """Pieces are padded one by one, so bytes are joined; how to play them stands beside them (S-CHAT-12)."""
    pieces = [b"a", b"bc"]

    assert delta(*(media("audio/L16;rate=24000", b64encode(piece).decode()) for piece in pieces)) == {
        "audio": {"data": b64encode(b"abc").decode(), "mime_type": "audio/L16;rate=24000"}
    }


@pytest.mark.parametrize(
    "part",
    [
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}, "thoughtSignature": "s"},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
        {"executableCode": {"code": "print(1)"}, "thought": True},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "https://a.example/v"}},
        {"toolCall": {"toolType": "FILE_SEARCH", "id": "1"}},
        {"functionCall": "odd"},
        media("application/pdf", "AAAA"),
        media("audio/mp3", "no base64"),
        media("image/png", None),
        {**media("image/png", "AAAA"), "thought": True},
        {"somethingNew": 1},
    ],
)
def test_what_has_no_place_of_its_own_is_an_item(part: Payload) -> None:
    """Kept whole and as it came: code that Gemini ran, its result, files, drafts of pictures, parts nobody knows."""
    assert delta(part) == {"provider_items": [part]}


def test_a_part_that_says_nothing_is_none() -> None:
    """Marks alone are no item."""
    assert delta({}, {"thought": True}) == {}


def test_content_ends_a_call_whose_end_is_missing() -> None:
    """Recorded on Vertex: the empty part may be left out, and an empty text is no content."""
    parts = Parts()
    opened = parts.delta([{"functionCall": {"name": "f", "willContinue": True}}], last=False)
    waiting = parts.delta([{"text": ""}], last=False)
    ended = parts.delta([{"text": "a"}], last=False)

    assert opened["tool_calls"][0]["function"] == {"name": "f", "arguments": ""}
    assert waiting == {}
    assert ended == {"content": "a", "tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}


def test_the_last_event_ends_an_open_call() -> None:
    """A finishReason without the part that ends it."""
    assert delta({"functionCall": {"name": "f", "willContinue": True}}, last=True)["tool_calls"] == [
        {"index": 0, "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": "{}"}},
    ]
