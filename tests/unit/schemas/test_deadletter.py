"""Dead letters have a closed list of reasons and lose no byte (CONTRACT §3)."""

import json

import pytest
from pydantic import ValidationError

from schemas.deadletter import DEAD_LETTER_HEADERS, DeadLetter, DeadLetterReason, DeadLetterSource
from schemas.decode import INVALID, NOT_JSON, UNSUPPORTED_VERSION


def test_reasons_are_those_of_the_contract() -> None:
    """A closed list, spelt as in the header."""
    assert {str(reason) for reason in DeadLetterReason} == {
        *("not_json", "invalid", "key_mismatch", "wrong_partition", "unsupported_version", "oversize"),
        *("stream_type_conflict", "conflict", "late", "request_id_reused", "internal"),
    }


def test_every_reason_of_the_decoders_is_one() -> None:
    """What decoding refuses has a place in the list."""
    assert {NOT_JSON, INVALID, UNSUPPORTED_VERSION} <= set(DeadLetterReason)


def test_headers_are_those_of_the_contract() -> None:
    """The reason, the detail, and the four coordinates."""
    assert list(DEAD_LETTER_HEADERS) == [
        *("dl.reason", "dl.detail", "dl.topic", "dl.partition", "dl.offset", "dl.timestamp"),
    ]


@pytest.mark.parametrize("value", [None, b"", b'{"a": 1}', "é\u2028".encode(), b"\x00\xff\xfe"])
def test_a_json_line_holds_the_original_bytes(value: bytes | None) -> None:
    """Text stays readable, other bytes are base64, nothing is nothing."""
    source = DeadLetterSource(topic="llm.chunks", partition=1, offset=7, timestamp=1_700_000_000_000)
    letter = DeadLetter.of(DeadLetterReason.NOT_JSON, "why", request_id="r", source=source, value=value)

    again = DeadLetter.model_validate_json(letter.model_dump_json())

    assert again == letter
    assert again.original == value


def test_the_line_has_the_names_of_the_contract() -> None:
    """reason, detail, request_id, source, value; what is not UTF-8 comes beside them."""
    line = json.loads(DeadLetter.of(DeadLetterReason.LATE, "closed", value=b"\xff").model_dump_json())
    assert line == {
        "reason": "late",
        "detail": "closed",
        "request_id": None,
        "source": None,
        "value": None,
        "value_base64": "/w==",
    }


def test_an_unknown_reason_is_refused() -> None:
    """The list is closed for readers, too."""
    with pytest.raises(ValidationError, match="reason"):
        DeadLetter.model_validate({"reason": "boring", "detail": "", "request_id": None, "source": None, "value": None})
