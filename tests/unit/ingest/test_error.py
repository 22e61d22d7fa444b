"""Errors inside streams: how they are known and what they say."""

import pytest

from pipeline.ingest.error import bifrost_error, error_object, is_error
from pipeline.ingest.leaf import Payload


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("error", {}),
        (None, {"type": "error"}),
        (None, {"object": "error", "message": "m"}),
        (None, {"error": {"message": "m"}, "choices": []}),
        (None, {"error": "m"}),
    ],
)
def test_an_error_is_known_by_name_type_object_or_content(name: str | None, payload: Payload) -> None:
    """Each dialect has its own way of saying that something went wrong."""
    assert is_error(name, payload)


@pytest.mark.parametrize("payload", [{}, {"error": None}, {"error": {}}, {"error": ""}, {"type": "message_stop"}])
def test_an_empty_error_is_none(payload: Payload) -> None:
    """Many payloads carry `error: null` all the time."""
    assert not is_error(None, payload)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"error": {"message": "m", "metadata": {"x": 1}}}, {"message": "m", "metadata": {"x": 1}}),
        ({"error": "m"}, {"message": "m"}),
        ({"object": "error", "message": "m", "code": 400, "param": None}, {"message": "m", "code": 400}),
        ({"type": "error", "detail": "m"}, {"message": "m"}),
        ({"type": "server_error"}, {"type": "server_error", "message": "server_error"}),
        ({"error": {"type": "overloaded_error"}}, {"type": "overloaded_error", "message": "overloaded_error"}),
        ({"error": {"message": None}}, {"message": "an error without a message"}),
        ({}, {"message": "an error without a message"}),
    ],
)
def test_an_error_has_a_message_wherever_the_provider_put_it(payload: Payload, expected: Payload) -> None:
    """Nested, flat, bare text or nothing at all: there is one object with one message."""
    assert error_object(payload) == expected


def test_an_error_of_bifrost_has_code_as_text_and_status_as_number() -> None:
    """A number that is an HTTP error is both (WIRE §3)."""
    assert bifrost_error({"error": {"message": "m", "code": 502}}) == {
        "is_bifrost_error": False,
        "status_code": 502,
        "error": {"message": "m", "code": "502"},
    }


@pytest.mark.parametrize("code", [None, "rate_limit_exceeded", 200, 1_000_000, True])
def test_no_status_code_is_made_up(code: object) -> None:
    """Words and other numbers are no HTTP status."""
    assert "status_code" not in bifrost_error({"error": {"message": "m", "code": code}})


@pytest.mark.parametrize("payload", [{"status": 503, "error": "m"}, {"error": {"status_code": 503}}])
def test_a_status_code_is_taken_where_it_stands(payload: Payload) -> None:
    """Beside the error or inside it."""
    assert bifrost_error(payload)["status_code"] == 503
