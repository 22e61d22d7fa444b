"""Usage of Anthropic messages: cumulative reports, inclusive counts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.anthropic_usage import Usage

COUNTS = st.integers(min_value=0, max_value=10**9)


def inclusive(*reports: object) -> dict[str, Any] | None:
    """Usage after these reports."""
    usage = Usage()
    for report in reports:
        usage.update(report)
    return usage.inclusive()


def test_the_prompt_includes_what_the_cache_gave_and_took() -> None:
    """Anthropic's input_tokens leave the cache out; the details say how much of it there was."""
    report = {
        "input_tokens": 10,
        "cache_read_input_tokens": 200,
        "cache_creation_input_tokens": 3000,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
        "output_tokens": 7,
    }

    assert inclusive(report) == {
        "prompt_tokens": 3210,
        "prompt_tokens_details": {
            "cached_read_tokens": 200,
            "cached_write_tokens": 3000,
            "cached_write_token_details": {"cached_write_tokens_5m": 1000, "cached_write_tokens_1h": 2000},
        },
        "completion_tokens": 7,
        "total_tokens": 3217,
    }


def test_a_later_report_replaces_field_by_field() -> None:
    """Counts are cumulative and never added; null and absence say nothing."""
    first = {"input_tokens": 612, "cache_read_input_tokens": 5, "output_tokens": 1}

    assert inclusive(first, {"input_tokens": 28, "cache_read_input_tokens": None, "output_tokens": 106}) == {
        "prompt_tokens": 33,
        "prompt_tokens_details": {"cached_read_tokens": 5},
        "completion_tokens": 106,
        "total_tokens": 139,
    }


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_the_total_is_what_was_billed(fresh: int, read: int, written: int, output: int) -> None:
    """Total = all four counts; the parts of the prompt are never more than the prompt."""
    usage = inclusive(
        {
            "input_tokens": fresh,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
            "output_tokens": output,
        }
    )

    assert usage is not None
    assert usage.get("total_tokens", 0) == fresh + read + written + output
    assert usage.get("prompt_tokens", 0) == fresh + read + written


def test_writes_that_are_only_told_by_lifetime_are_added_up() -> None:
    """One of the two lifetimes may be missing; the sum of both wins only where no count is given."""
    split = {"cache_creation": {"ephemeral_1h_input_tokens": 8}}

    assert inclusive(split | {"input_tokens": 1}) == {
        "prompt_tokens": 9,
        "prompt_tokens_details": {
            "cached_write_tokens": 8,
            "cached_write_token_details": {"cached_write_tokens_5m": 0, "cached_write_tokens_1h": 8},
        },
        "total_tokens": 9,
    }
    told = inclusive(split | {"cache_creation_input_tokens": 2})
    assert told is not None
    assert told["prompt_tokens"] == 2


def test_a_prompt_of_zero_is_unknown_and_an_output_of_zero_is_zero() -> None:
    """A continuation reports 0 and 0, a refusal a prompt and 0."""
    assert inclusive({"input_tokens": 0, "output_tokens": 0}) == {"completion_tokens": 0}
    assert inclusive({"input_tokens": 20, "output_tokens": 0}) == {
        "prompt_tokens": 20,
        "completion_tokens": 0,
        "total_tokens": 20,
    }


def test_what_was_sampled_beside_the_answer_is_no_part_of_its_counts() -> None:
    """The provider's own counts stay; the fold finds a compaction in the iterations, and where it was computed."""
    report = {
        "input_tokens": 181,
        "output_tokens": 8,
        "inference_geo": "us",
        "iterations": [{"type": "compaction", "input_tokens": 100, "output_tokens": 83}],
    }

    assert inclusive(report) == {
        "prompt_tokens": 181,
        "completion_tokens": 8,
        "total_tokens": 189,
        "iterations": report["iterations"],
        "inference_geo": "us",
    }
    assert inclusive({"inference_geo": "us"}) is None


def test_thinking_searches_and_iterations_have_their_places() -> None:
    """What WIRE §4 has a name for is mapped; iterations are kept for those who bill by them."""
    report = {
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
        "server_tool_use": {"web_search_requests": 2},
        "iterations": [{"type": "message"}],
    }

    assert inclusive(report) == {
        "completion_tokens": 9,
        "completion_tokens_details": {"reasoning_tokens": 4, "num_search_queries": 2},
        "total_tokens": 9,
        "iterations": [{"type": "message"}],
    }


@pytest.mark.parametrize("report", [None, {}, [], "12", {"output_tokens": "12"}, {"output_tokens": True}])
def test_a_report_without_counts_is_no_usage(report: object) -> None:
    """Null usage is null, never zeros."""
    assert inclusive(report) is None
