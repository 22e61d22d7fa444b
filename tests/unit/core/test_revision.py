"""What makes a record the revision that it is (CONTRACT §2)."""

import pytest

from pipeline.core.revision import change, headers, identity
from schemas.identity import TEST_VECTOR, record_id

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def test_the_first_revision_supersedes_nothing() -> None:
    """Its id is the contract's test vector."""
    arguments, expected = TEST_VECTOR

    named = identity(*arguments)

    assert (named["record_id"], named["revision"], named["supersedes"]) == (expected, 0, None)


def test_a_later_one_names_the_one_before() -> None:
    """By the id that this one had."""
    assert identity("main", "r", 3)["supersedes"] == record_id("main", "r", 2)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(0.1, 0.3, 0.2, id="as written"),
        pytest.param(None, 0.3, 0.3, id="from nothing"),
        pytest.param(0.3, None, -0.3, id="to nothing"),
        pytest.param(1e-7, 3e-7, 2e-7, id="small"),
    ],
)
def test_the_change_of_cost_is_that_of_the_numbers_as_they_are_written(
    before: float | None, after: float | None, expected: float
) -> None:
    """0.3 - 0.1 is 0.2, and null counts as 0."""
    assert change((None, before), (None, after)) == {"token_usage": None, "cost": expected}


def test_the_change_of_usage_is_count_by_count() -> None:
    """Null counts as 0."""
    assert change((None, None), (USAGE, None))["token_usage"] == USAGE
    assert set(change((USAGE, 0.0), (USAGE, 0.0))["token_usage"].values()) == {0}


def test_headers_repeat_what_consumers_filter_by() -> None:
    """And pass on the trace context only where there is one."""
    record = identity("main", "r", 0) | {"stream_type": "chat.completion", "status": "success"}

    told = dict(headers(record, None))

    assert told["revision"] == b"0"
    assert told["content-type"] == b"application/json"
    assert set(told) == {"record_id", "revision", "schema_version", "stream_type", "status", "content-type"}
    assert dict(headers(record, "00-a-b-01"))["traceparent"] == b"00-a-b-01"
