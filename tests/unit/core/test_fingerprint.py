"""Records by digest: content gone, equal answers recognised, the rest as it was (CONTRACT §5 G7, capture=hash)."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest

from pipeline.core.fingerprint import fingerprint
from pipeline.core.policy import Policy
from pipeline.testing.chunk import (
    IMAGE,
    USAGE,
    Document,
    chat,
    chunk,
    event,
    image,
    moment,
    speech,
    transcript,
)
from tests.ledger import fold

HASH = Policy(capture="hash")
Json = dict[str, Any]


def digest(value: str | bytes) -> str:
    """As a record writes it."""
    return "sha256:" + sha256(value.encode() if isinstance(value, str) else value).hexdigest()


def hashed(*chunks: Document) -> Document:
    """The record of these chunks with capture=hash."""
    return fold(*chunks, policy=HASH)


def test_a_message_keeps_its_shape() -> None:
    """Texts become digests of their final value; role, ids and indexes stay; lists of short texts go."""
    deltas: list[Json] = [
        {"role": "assistant", "content": "se", "reasoning": "why"},
        {"content": "cret", "refusal": "no", "annotations": [{"url": "secret"}]},
        {
            "tool_calls": [
                {"index": 0, "id": "call", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
        {"audio": {"id": "s", "data": b64encode(b"snd").decode(), "transcript": "hi", "expires_at": 5}},
    ]
    record = hashed(*(chunk(i, {"choices": [{"index": 0, "delta": each}]}) for i, each in enumerate(deltas)))

    assert record["output_message"] == {
        "role": "assistant",
        "content": digest("secret"),
        "refusal": digest("no"),
        "audio": {"id": "s", "data": digest(b"snd"), "expires_at": 5, "transcript": digest("hi")},
        "reasoning": digest("why"),
        "reasoning_details": [{"index": 0, "type": "reasoning.text", "text": digest("why")}],
        "tool_calls": [
            {
                "index": 0,
                "type": "function",
                "id": "call",
                "function": {"name": digest("f"), "arguments": digest('{"a":1}')},
            }
        ],
    }
    assert record["tool_calls"] == record["output_message"]["tool_calls"]
    assert (record["content_omitted"], record["truncated"]) == ("capture", False)


def test_equal_answers_are_recognised_however_they_were_cut() -> None:
    """The digest is of the final value, so chunk borders leave no trace in it."""
    whole, cut = hashed(chat(0, "the same")), hashed(chat(0, "the "), chat(1, "same"))

    assert whole["output_message"] == cut["output_message"]
    assert whole["output_message"] != hashed(chat(0, "another"))["output_message"]


def test_every_choice_is_hashed_by_itself() -> None:
    """Index and finish_reason stay, log-probs go."""
    logprobs = {"content": [{"token": "secret", "logprob": -0.5}]}
    choices = [
        {"index": number, "delta": {"content": word}, "finish_reason": "stop", "logprobs": logprobs}
        for number, word in enumerate(("a", "b"))
    ]
    record = hashed(chunk(0, {"choices": choices}))

    assert record["choices"] == [
        {
            "index": number,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": digest(word)},
            "logprobs": None,
        }
        for number, word in enumerate(("a", "b"))
    ]
    assert record["logprobs"] is None
    assert "secret" not in json.dumps(record)


def test_items_keep_what_they_are() -> None:
    """Type, id, status, role and call_id stay, parts too; every other field of an item may be content."""
    items: list[Json] = [
        {
            "type": "message",
            "id": "m",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "secret", "annotations": [{"url": "secret"}]}, "secret"],
        },
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "secret"}], "content": None},
        {"type": "function_call", "id": "f", "call_id": "c", "name": "secret", "arguments": "secret"},
        {"type": "file_search_call", "id": {"odd": 1}, "results": [{"text": "secret"}], "queries": [], "note": ""},
        {"type": "message", "content": "secret"},
    ]

    record = hashed(event(0, "response.completed", fields={"response": {"output": items, "usage": None}}))

    secret = digest("secret")
    assert record["output_messages"] == [
        {**items[0], "content": [{"type": "output_text", "text": secret}, secret]},
        {**items[1], "summary": [{"type": "summary_text", "text": secret}]},
        {**items[2], "name": secret, "arguments": secret},
        {
            "type": "file_search_call",
            "id": digest('{"odd":1}'),
            "results": digest('[{"text":"secret"}]'),
            "queries": digest("[]"),
            "note": "",
        },
        {"type": "message", "content": secret},
    ]
    assert record["tool_calls"][0]["function"] == {"name": secret, "arguments": secret}


def test_sound_and_pictures_have_the_digest_of_their_file() -> None:
    """Over the decoded bytes, so that a file can be compared; what is no base64 is hashed as the text it is."""
    record = hashed(speech(0, b"so"), speech(1, b"und", usage=USAGE))
    assert record["audio_output"] == {"audio": digest(b"sound"), "usage": USAGE}

    silent = hashed(speech(0, type_="speech.audio.done"))
    assert silent["audio_output"] == {"audio": None, "usage": None}

    picture = {"type": "image_generation.completed", "url": "https://secret", "revised_prompt": "secret", "size": "1x1"}
    shown = hashed(
        image(0, 0, b64encode(b"png").decode(), done=True),
        chunk(0, picture, stream_type=IMAGE, image_index=1),
        image(0, 2, "no base64!", done=True),
    )
    assert shown["image_generation_output"] == {
        "data": [
            {"b64_json": digest(b"png"), "index": 0},
            {"url": digest("https://secret"), "revised_prompt": digest("secret"), "index": 1},
            {"b64_json": digest("no base64!"), "index": 2},
        ],
        "size": "1x1",
    }


def test_a_transcript_keeps_language_and_usage() -> None:
    """Segments, words and log-probs would give the text away piece by piece."""
    done = transcript(0, type_="transcript.text.done", whole="secret", usage={"type": "duration", "seconds": 3})
    done["response"] |= {"language": "en", "words": [{"word": "secret"}], "segments": [{"text": "secret"}]}

    assert hashed(done)["transcription_output"] == {
        "language": "en",
        "text": digest("secret"),
        "usage": {"type": "duration", "seconds": 3},
    }


def test_raws_are_hashed_too() -> None:
    """A request by its JSON with sorted keys: the same request is recognised however its keys were ordered."""
    raw = {"extra_fields": {"raw_response": "secret"}}
    record = hashed(chat(0, "a", raw_request={"b": 1, "a": "secret"}), chunk(1, {"choices": [], **raw}))

    assert record["raw_request"] == digest('{"a":"secret","b":1}')
    assert record["raw_response"] == digest("secret")
    assert hashed(chat(0, "a", raw_request={"a": "secret", "b": 1}))["raw_request"] == record["raw_request"]


def test_nothing_has_no_digest() -> None:
    """Null stays null and an empty text empty: that nothing was said is no secret."""
    record = hashed(chat(0, sent=0, start_timestamp=moment(0)))

    assert record["output_message"] == {"role": "assistant", "content": None}
    assert (record["raw_request"], record["raw_response"], record["choices"]) == (None, None, None)


@pytest.mark.parametrize("half", ["\ud83d", "a\ude00b"])
def test_half_a_character_has_a_digest(half: str) -> None:
    """A raw request may hold what UTF-8 can't; it is mended first, as everywhere (S-CHAT-9)."""
    record = dict.fromkeys(
        (
            *("output_message", "choices", "tool_calls", "output_messages", "audio_output", "transcription_output"),
            *("image_generation_output", "raw_response", "logprobs", "error_details"),
        )
    ) | {"raw_request": {half: half}}

    fingerprint(record)

    assert str(record["raw_request"]).startswith("sha256:")
