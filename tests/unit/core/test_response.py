"""Records turned back into responses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.core.response import to_response

Json = dict[str, Any]
STARTED = 1767225600


def record(stream_type: str, **fields: Any) -> Json:
    """A record with the fields that every one has."""
    return {
        "request_id": "req-1",
        "stream_type": stream_type,
        "model": "m",
        "provider": "p",
        "status": "success",
        "latency": 500,
        "start_timestamp": "2026-01-01T00:00:00.900000Z",
        "raw_request": None,
        **fields,
    }


def extra(request_type: str, **fields: Any) -> Json:
    """The extra_fields of a record's response."""
    return {"request_type": request_type, "provider": "p", "model_requested": "m", "latency": 500, **fields}


def test_a_chat_record_is_a_chat_completion() -> None:
    """WIRE §11: id is the request's, created its start second; usage also under the name that OpenAI clients read."""
    message = {"role": "assistant", "content": "Hi"}
    usage = {"prompt_tokens": 3, "prompt_tokens_details": {"cached_read_tokens": 2}, "total_tokens": 4}

    assert to_response(
        record(
            "chat.completion",
            output_message=message,
            finish_reason="stop",
            logprobs={"content": []},
            token_usage=usage,
            service_tier="flex",
            raw_response="raw",
            cache_debug={"cache_hit": True},
        )
    ) == {
        "id": "req-1",
        "object": "chat.completion",
        "created": STARTED,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": {"content": []}, "message": message}],
        "service_tier": "flex",
        "usage": {**usage, "prompt_tokens_details": {"cached_read_tokens": 2, "cached_tokens": 2}},
        "extra_fields": extra("chat_completion", raw_response="raw", cache_debug={"cache_hit": True}),
    }


def test_sources_stand_beside_the_choices_again() -> None:
    """WIRE §5: where a provider puts them; an empty list is none."""
    sources: Json = {"citations": ["https://a.example"], "search_results": [{"url": "https://a.example"}]}
    found = to_response(record("chat.completion", output_message={"role": "assistant", **sources, "videos": []}))

    assert {name: found[name] for name in sources} == sources
    assert "videos" not in found


def test_all_choices_come_back() -> None:
    """S-CHAT-7: where upstream gives choice 0 only, every choice is given."""
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", "logprobs": None}
        for index, text in enumerate("ab")
    ]

    response = to_response(record("chat.completion", output_message=choices[0]["message"], choices=choices))

    assert response["choices"] == choices
    assert response["usage"] is None


def test_a_record_without_output_has_no_choices() -> None:
    """S-ERR-1: an error may come before any content; usage without cached tokens stays as it is."""
    usage = {"prompt_tokens_details": {"text_tokens": 1}, "total_tokens": 4}
    response = to_response(record("chat.completion", status="error", token_usage=usage))

    assert (response["choices"], response["usage"]) == ([], usage)


def test_a_text_record_is_a_text_completion() -> None:
    """S-TEXT-1: content is the choice's text."""
    response = to_response(
        record("text.completion", output_message={"role": "assistant", "content": "Once"}, finish_reason="length")
    )
    silent = to_response(record("text.completion", output_message={"role": "assistant", "content": None}))

    assert response == {
        "id": "req-1",
        "object": "text_completion",
        "created": STARTED,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "length", "logprobs": None, "text": "Once"}],
        "usage": None,
        "extra_fields": extra("text_completion"),
    }
    assert silent["choices"][0]["text"] == ""


def test_a_speech_record_is_its_audio() -> None:
    """WIRE §7: audio and usage; null where nothing came."""
    audio = {"audio": "Ug==", "usage": {"total_tokens": 3}}

    assert to_response(record("audio.speech", audio_output=audio)) == {**audio, "extra_fields": extra("speech")}
    assert to_response(record("audio.speech", audio_output=None))["audio"] is None


def test_a_transcription_record_is_its_transcript() -> None:
    """WIRE §8: text is always there."""
    output = {"text": "Hi", "language": "en"}

    assert to_response(record("audio.transcription", transcription_output=output)) == {
        **output,
        "extra_fields": extra("transcription"),
    }
    assert to_response(record("audio.transcription"))["text"] == ""


def test_an_image_record_has_data_even_without_images() -> None:
    """WIRE §11: image data is never null; what the provider named wins over the request's own names."""
    data = [{"index": 0, "url": "u"}]
    output = {"id": "img", "data": data, "size": "1x1"}

    assert to_response(record("image.generation", image_generation_output=output)) == {
        "id": "img",
        "created": STARTED,
        "model": "m",
        "data": data,
        "size": "1x1",
        "extra_fields": extra("image_generation"),
    }
    assert to_response(record("image.generation"))["data"] == []


def test_a_responses_record_is_a_response() -> None:
    """WIRE §10: items, status and usage under the names of the Responses API."""
    usage = {
        "prompt_tokens": 20,
        "prompt_tokens_details": {"cached_read_tokens": 5},
        "completion_tokens": 7,
        "completion_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 27,
        "cost": {"total_cost": 1},
    }
    response = to_response(
        record("responses", output_messages=[{"type": "message"}], token_usage=usage, service_tier="default")
    )

    assert response == {
        "id": "req-1",
        "object": "response",
        "created_at": STARTED,
        "model": "m",
        "status": "completed",
        "output": [{"type": "message"}],
        "usage": {
            "input_tokens": 20,
            "input_tokens_details": {"cached_read_tokens": 5, "cached_tokens": 5},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 27,
            "cost": {"total_cost": 1},
        },
        "error": None,
        "incomplete_details": None,
        "service_tier": "default",
        "extra_fields": extra("responses"),
    }


def test_usage_of_a_response_has_all_its_names() -> None:
    """WIRE §4: the details of a Responses usage are null when unknown."""
    response = to_response(record("responses", token_usage={"total_tokens": 3}))

    assert response["output"] == []
    assert response["usage"] == {
        "input_tokens": None,
        "input_tokens_details": None,
        "output_tokens": None,
        "output_tokens_details": None,
        "total_tokens": 3,
    }
    assert to_response(record("responses"))["usage"] is None


@pytest.mark.parametrize(
    ("fields", "status", "reason", "error"),
    [
        ({"status": "success", "finish_reason": "stop"}, "completed", None, None),
        ({"status": "incomplete", "finish_reason": "max_output_tokens"}, "incomplete", "max_output_tokens", None),
        ({"status": "incomplete", "finish_reason": None}, "incomplete", None, None),
        ({"status": "error", "error_details": {"error": {"code": "c", "message": "m"}}}, "failed", None, ("c", "m")),
        (
            {"status": "incomplete", "error_details": {"error": {"type": "request_cancelled", "message": "m"}}},
            "cancelled",
            None,
            (None, "m"),
        ),
    ],
)
def test_the_status_of_a_response_tells_its_end(
    fields: Json, status: str, reason: str | None, error: tuple[str | None, str] | None
) -> None:
    """S-RESP-9: completed, failed, incomplete with its reason, or cancelled."""
    response = to_response(record("responses", **fields))

    assert response["status"] == status
    assert response["incomplete_details"] == (None if reason is None else {"reason": reason})
    assert response["error"] == (None if error is None else {"code": error[0], "message": error[1]})


def test_the_start_may_be_a_datetime() -> None:
    """A record dumped for Python holds datetimes, one from the topic holds text; seconds are cut, not rounded."""
    moment = datetime(2026, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)

    assert to_response(record("chat.completion", start_timestamp=moment))["created"] == STARTED
