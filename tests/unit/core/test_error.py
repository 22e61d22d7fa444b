"""Errors of all shapes in one shape."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.error import bifrost_error, is_cancelled, payload_error, without_content
from tests.unit.core.streams.build import payload_of


def normal(**error: Any) -> dict[str, Any]:
    """An error in normal form."""
    return {"is_bifrost_error": False, "error": {"message": "", **error}}


def test_a_bifrost_error_stays_as_it_is() -> None:
    """WIRE §3: what the gateway hands in is the shape itself, its unknown fields kept behind the known ones."""
    error = {
        "zone": "eu",
        "event_id": "e1",
        "type": "t",
        "is_bifrost_error": True,
        "status_code": 503,
        "error": {"type": "server_error", "code": "overloaded", "message": "later", "param": {"a": 1}, "metadata": [1]},
        "extra_fields": {"provider": "openai"},
    }

    found, odd = bifrost_error(error)

    assert (found, odd) == (error, 0)
    assert list(found) == ["event_id", "type", "is_bifrost_error", "status_code", "extra_fields", "zone", "error"]
    assert list(found["error"]) == ["type", "code", "message", "param", "metadata"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("boom", normal(message="boom"), id="text"),
        pytest.param({"error": "boom"}, normal(message="boom"), id="text in error"),
        pytest.param({"message": "m", "error": "e"}, normal(message="m", error="e"), id="text beside a message"),
        pytest.param(
            {"message": "m", "type": "t", "code": 429, "param": "p"},
            normal(message="m", type="t", code="429", param="p"),
            id="flat",
        ),
        pytest.param({"code": 1.5}, normal(code="1.5"), id="fraction"),
        pytest.param({"error": {"code": 502.0}}, normal(code="502"), id="whole float"),
        pytest.param({}, normal(), id="empty"),
        pytest.param({"error": {"message": None, "code": None}}, normal(), id="nulls"),
        pytest.param({"detail": "x"}, normal(detail="x"), id="unknown"),
        pytest.param({"error": {"message": "\ud83d"}}, normal(message="\ufffd"), id="half a character"),
    ],
)
def test_every_shape_of_an_error_is_read(raw: object, expected: dict[str, Any]) -> None:
    """S-ERR-5: text, flat and nested objects give the same shape; codes are text."""
    assert bifrost_error(raw) == (expected, 0)


def test_outer_fields_of_a_flat_error_stay_outside() -> None:
    """A flat object's status and extra fields belong to the BifrostError, its type to the error in it."""
    found, _ = bifrost_error({"status_code": 500.0, "type": "t", "message": "m", "extra_fields": {"provider": "x"}})

    assert found == {**normal(type="t", message="m"), "status_code": 500, "extra_fields": {"provider": "x"}}


@pytest.mark.parametrize(
    "raw",
    [
        7,
        ["boom"],
        {"error": {"message": {"a": 1}}},
        {"error": {"code": True}},
        {"error": {"code": ["x"]}},
        {"error": {"type": 1}},
        {"error": [1]},
        {"status_code": "500"},
        {"status_code": 500.5},
        {"status_code": True},
        {"is_bifrost_error": "no"},
        {"extra_fields": "x"},
    ],
)
def test_odd_leaves_are_dropped_and_counted(raw: object) -> None:
    """CONTRACT §1: a leaf of unexpected shape never breaks the record."""
    assert bifrost_error(raw) == (normal(), 1)


def test_cancellation_is_told_by_the_type() -> None:
    """CONTRACT §2: request_cancelled, outside or inside of `error`, makes a record incomplete."""
    outer, _ = bifrost_error({"type": "request_cancelled", "error": {}})
    inner, _ = bifrost_error({"error": {"type": "request_cancelled"}})
    other, _ = bifrost_error("boom")

    assert [is_cancelled(error) for error in (outer, inner, other)] == [True, True, False]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            {"type": "error", "code": "q", "message": "quota", "param": None},
            normal(code="q", message="quota"),
            id="event",
        ),
        pytest.param(
            {"type": "error", "message": "outer", "error": {"type": "t", "message": "inner"}},
            normal(type="t", message="inner"),
            id="event with an error object",
        ),
        pytest.param(
            {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "boom"}}},
            normal(code="server_error", message="boom"),
            id="failed",
        ),
        pytest.param({"type": "response.failed"}, normal(), id="failed without a word"),
        pytest.param({"type": "response.ping", "error": "boom"}, normal(message="boom"), id="error in another event"),
    ],
)
def test_errors_of_the_responses_api_are_read(event: dict[str, Any], expected: dict[str, Any]) -> None:
    """S-RESP-9, S-ERR-5: the `error` event and response.failed carry errors in places of their own."""
    assert payload_error("responses", payload_of("responses", event)) == (expected, 0)


def test_payloads_without_an_error_have_none() -> None:
    """Null and empty errors are no errors."""
    payloads: list[tuple[str, dict[str, Any]]] = [
        ("responses", {"type": "response.completed"}),
        ("chat.completion", {"error": None}),
        ("chat.completion", {"error": {}}),
        ("image.generation", {"type": "image_generation.completed", "error": ""}),
    ]

    assert {payload_error(name, payload_of(name, payload)) for name, payload in payloads} == {(None, 0)}


@pytest.mark.parametrize("stream_type", ["chat.completion", "text.completion", "audio.speech", "image.generation"])
def test_an_error_object_in_a_payload_is_an_error(stream_type: str) -> None:
    """S-ERR-5: chunks of every type can carry `error`."""
    payload = payload_of(stream_type, {"error": {"message": "boom", "code": 502}})

    assert payload_error(stream_type, payload) == (normal(message="boom", code="502"), 0)


def test_a_payload_of_type_error_is_an_error_without_saying_more() -> None:
    """S-ERR-5: the image event `error` may come alone."""
    assert payload_error("image.generation", payload_of("image.generation", {"type": "error"})) == (normal(), 0)


def test_an_error_without_content_keeps_what_went_wrong() -> None:
    """Raw requests and responses, and fields nobody knows, may quote what was said; what was billed stays (G7)."""
    extra = {"provider": "openai", "latency": 5, "billed_usage": {"total_tokens": 7}, "error_type": "timeout"}
    error = {
        "event_id": "e1",
        "is_bifrost_error": True,
        "status_code": 400,
        "error": {"type": "invalid", "code": 7, "message": "no", "param": "messages"},
        "extra_fields": extra,
    }
    quoting = {
        **error,
        "zone": "SECRET",
        "error": {**error["error"], "metadata": {"flagged_input": "SECRET"}},  # type: ignore[dict-item]
        "extra_fields": {**extra, "raw_request": {"x": "SECRET"}, "raw_response": "SECRET", "key_statuses": ["SECRET"]},
    }

    assert without_content(quoting) == error
    assert without_content(error) == error


ODD: tuple[Any, ...] = (
    None, "", "boom", {}, 5, True, ["SECRET"], {"foo": {"x": "SECRET"}}, {"error": {"foo": "SECRET"}},
    {"error": {}}, {"error": "boom", "code": ["SECRET"]}, {"error": ["SECRET"]},
    {"message": {"x": "SECRET"}, "type": 5, "status_code": {"x": "SECRET"}},
    {"is_bifrost_error": {"x": "SECRET"}, "extra_fields": ["SECRET"], "error": {"param": {"x": "SECRET"}}},
)  # fmt: skip


@pytest.mark.parametrize("raw", ODD, ids=repr)
def test_an_odd_error_without_content_is_as_odd(raw: Any) -> None:
    """There is an error as before, and as many leaves of unexpected shape are counted."""
    quiet = without_content(raw)

    assert bool(quiet) == bool(raw)
    assert bifrost_error(quiet)[1] == bifrost_error(raw)[1]
    assert bifrost_error(quiet)[0]["error"]["message"] == bifrost_error(raw)[0]["error"]["message"]
    assert "SECRET" not in repr(quiet)
