"""Arguments of a request: what the contract refuses is the caller's error, before a stream runs."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.ingest.publish.opening import Opening


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": {str(n): "v" for n in range(33)}},
        {"labels": {"k" * 65: "v"}},
        {"labels": {"k": "ü" * 129}},
        {"labels": {"k": 7}},
        {"request_id": ""},
        {"request_id": "a\nb"},
        {"request_id": "\ud800"},
        {"request_id": "é" * 257},
        {"request_id": 7},
        {"stream_type": "chat"},
        {"attempt": -1},
        {"provider": 1},
        {"raw_request": {"a": object()}},
        {"start_timestamp": "now"},
        {"traceparent": "none"},
    ],
)
def test_what_breaks_the_contract_is_an_error_at_once(wrong: dict[str, Any]) -> None:
    """With a hint, and without the value."""
    with pytest.raises(UsageError) as refused:
        Opening(wrong)  # type: ignore[arg-type]
    assert refused.value.hint


def test_a_raw_request_too_deep_for_the_ledger_is_refused() -> None:
    """It would take the whole first chunk with it."""
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    with pytest.raises(UsageError, match="nested"):
        Opening({"raw_request": deep})


def test_a_misspelt_argument_is_an_error_as_in_any_call() -> None:
    """Labels under a wrong name would be nobody's bill."""
    with pytest.raises(TypeError, match="lables"):
        Opening({"lables": {}})  # type: ignore[typeddict-unknown-key]


def test_without_arguments_a_request_has_an_id_of_its_own_and_a_start() -> None:
    """Two requests never share an id."""
    one, two = Opening({}), Opening({})
    assert one.request_id != two.request_id
    assert one.key == one.request_id.encode()
    assert one.stream_type == "chat.completion"
    assert one.started > 0
