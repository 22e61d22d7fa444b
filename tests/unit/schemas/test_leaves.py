"""What a single JSON value may be (CONTRACT §1)."""

import math
from datetime import UTC
from typing import Any

import pytest

from schemas.leaves import BEYOND, MAX_INTEGER, check_json, check_labels, check_request_id, parse_timestamp


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00+00:00"),
        ("2026-01-01t12:00:00z", "2026-01-01T12:00:00+00:00"),
        ("2026-01-01 12:00:00Z", "2026-01-01T12:00:00+00:00"),
        ("2026-01-01T12:00:00.5Z", "2026-01-01T12:00:00.500000+00:00"),
        ("2026-01-01T12:00:00.9999999Z", "2026-01-01T12:00:00.999999+00:00"),
        ("2026-01-01T12:00:00.000000999Z", "2026-01-01T12:00:00+00:00"),
        ("2026-01-01T12:00:00+02:30", "2026-01-01T09:30:00+00:00"),
        ("2026-01-01T12:00:00-00:00", "2026-01-01T12:00:00+00:00"),
    ],
)
def test_a_timestamp_is_rfc_3339_and_truncated_to_microseconds(text: str, utc: str) -> None:
    """Every zone becomes UTC; digits beyond microseconds are cut off, never rounded."""
    instant = parse_timestamp(text)

    assert instant.isoformat() == utc
    assert instant.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        *("", "Z", "2026-01-01", "2026-01-01T12:00Z", "2026-01-01T12:00:00", "2026-01-01T12:00:00.Z"),
        *("2026-01-01T12:00:00,5Z", "2026-01-01x12:00:00Z", "20260101T120000Z", "2026-W01-1T12:00:00Z"),
        *("2026-01-01T24:00:00Z", "2026-01-01T12:00:60Z", "2026-02-30T12:00:00Z", "2026-01-01T12:00:00+0200"),
        *("2026-01-01T12:00:00+24:00", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"),
    ],
)
def test_anything_else_is_no_timestamp(text: str) -> None:
    """Naive times, other ISO 8601 forms, days that do not exist and instants that no datetime holds are refused."""
    with pytest.raises(ValueError, match=r"timestamp|calendar"):
        parse_timestamp(text)


@pytest.mark.parametrize("value", [MAX_INTEGER, -MAX_INTEGER, 1e300, "x", None, True, [{"a": [1.5]}]])
def test_json_within_the_limits_passes(value: Any) -> None:
    """Values that every JSON reader keeps exact pass unchanged."""
    assert check_json(value) is value


@pytest.mark.parametrize("value", [MAX_INTEGER + 1, -MAX_INTEGER - 1, math.inf, -math.inf])
def test_json_beyond_the_limits_is_refused(value: float) -> None:
    """An integer over 2^53-1 or an infinity is found at any depth."""
    for nested in (value, [value], {"a": {"b": [0, value]}}):
        with pytest.raises(ValueError, match=BEYOND):
            check_json(nested)


@pytest.mark.parametrize("value", ["r", "é" * 256, "x" * 512, "a b", "\N{ZERO WIDTH JOINER}", "\u2028"])
def test_a_request_id_is_any_text_up_to_512_bytes(value: str) -> None:
    """Spaces and format characters are no control characters."""
    assert check_request_id(value) == value


@pytest.mark.parametrize("value", ["", "é" * 257, "x" * 513, "a\nb", "\x00", "\x7f", "\x85", "\ud800"])
def test_a_request_id_without_controls_or_lone_surrogates(value: str) -> None:
    """C0 and C1 controls, lone surrogates, nothing and too much are refused, and the id is not in the message."""
    with pytest.raises(ValueError, match="request id") as refused:
        check_request_id(value)
    assert not value or value not in str(refused.value)


def test_labels_up_to_the_limits_pass() -> None:
    """32 labels, keys of 64 bytes, values of 256 bytes."""
    labels = {f"{number:02}" + "é" * 31: "é" * 128 for number in range(32)}
    assert check_labels(labels) is labels


@pytest.mark.parametrize(
    "labels", [{str(number): "" for number in range(33)}, {"é" * 33: ""}, {"k": "é" * 129}, {"\ud800" * 22: ""}]
)
def test_labels_beyond_the_limits_are_refused(labels: dict[str, str]) -> None:
    """Limits count UTF-8 bytes, a lone surrogate three."""
    with pytest.raises(ValueError, match="label"):
        check_labels(labels)
