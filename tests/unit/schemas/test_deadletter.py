"""Dead letters have a closed list of reasons and lose no byte (CONTRACT §3)."""

import json

import pytest
from pydantic import ValidationError

from schemas.deadletter import (
    DEAD_LETTER_HEADERS,
    HEADER_REDRIVE,
    RECEIPT_HEADERS,
    DeadLetter,
    DeadLetterReason,
    DeadLetterSource,
)
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


def test_a_receipt_can_not_be_taken_for_a_letter() -> None:
    """It shares no header with one, and names what was sent back, how, and where its chunk stood."""
    assert list(RECEIPT_HEADERS) == ["dl.redriven", "dl.way", "dl.chunk"]
    assert RECEIPT_HEADERS.keys().isdisjoint(DEAD_LETTER_HEADERS)
    assert HEADER_REDRIVE not in {*RECEIPT_HEADERS, *DEAD_LETTER_HEADERS}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b'{"a": [1, "\\ud800"]}', {"a": [1, "\ud800"]}),
        (b"[1]", "[1]"),
        (b"", ""),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b'{"a": 1e400}', '{"a": 1e400}'),
        (b'{"a": ' + b"9" * 5000 + b"}", '{"a": ' + "9" * 5000 + "}"),
        (b'{"a":' * 5000, '{"a":' * 5000),
        ("é\u2028".encode(), "é\u2028"),
        (None, None),
    ],
    ids=["object", "array", "nothing", "nan", "infinity", "digits", "deep", "text", "tombstone"],
)
def test_a_line_shows_the_chunk_or_its_text(value: bytes | None, shown: object) -> None:
    """An object where it is one that any reader can be given, else the text as it came."""
    source = DeadLetterSource(topic="llm.chunks", partition=1, offset=7, timestamp=1_700_000_000_000)
    letter = DeadLetter.of(DeadLetterReason.NOT_JSON, "why", request_id="r", source=source, value=value)
    line = letter.line()

    assert line.endswith(b"\n")
    assert json.loads(line)["value"] == shown
    assert json.loads(line)["source"] == source.model_dump(exclude_unset=True)
    assert DeadLetter.model_validate(json.loads(line)) == letter


def test_the_line_has_the_names_of_the_contract() -> None:
    """reason, detail, request_id, source, value; bytes that are no text come beside them."""
    assert json.loads(DeadLetter.of(DeadLetterReason.LATE, "closed", value=b"\xff").line()) == {
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
