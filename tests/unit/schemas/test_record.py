"""The record is CONTRACT §2, field by field, and its money is exact."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import schemas.record
from schemas.record import (
    NOT_CANONICAL,
    RECORD_FIELDS,
    AccumulatedData,
    BifrostLLMUsage,
    BifrostSpeechResponse,
    ClosedBy,
    CostDetails,
    CostSource,
    ProcessedStreamResponse,
    RecordDelta,
    SpeechUsage,
    Status,
    UsageSource,
)
from schemas.record.part import format_timestamp
from tests.unit.schemas.examples import record_example

CONTRACT = {
    *("request_id", "model", "status", "stream", "latency", "time_to_first_token", "start_timestamp", "end_timestamp"),
    *("output_message", "output_messages", "tool_calls", "error_details", "token_usage", "cache_debug", "cost"),
    *("audio_output", "transcription_output", "image_generation_output", "finish_reason", "raw_response"),
    *("raw_request", "provider", "stream_type"),
    *("schema_version", "record_id", "revision", "supersedes", "delta", "labels", "service_tier", "closed_by"),
    "origin",  # beside the contract, which allows more optional fields: symptom 32
    *("complete", "missing_indexes", "truncated", "content_omitted", "chunk_count", "duplicate_count"),
    *("conflict_count", "payload_anomalies", "choices", "logprobs", "usage_source", "cost_details", "attempts"),
    *("time_to_first_content", "inter_chunk_latency", "source", "config_digest", "digest"),
}
NO_COST = dict.fromkeys(CostDetails.model_fields)


def test_the_record_has_exactly_the_fields_of_the_contract() -> None:
    """Nothing is missing, nothing is new, and RECORD_FIELDS is the order in which they are written."""
    assert set(RECORD_FIELDS) == CONTRACT
    assert len(RECORD_FIELDS) == len(CONTRACT)
    assert tuple(AccumulatedData.model_json_schema()["properties"]) == RECORD_FIELDS


@pytest.mark.parametrize("name", RECORD_FIELDS)
def test_no_field_of_a_record_may_be_absent(name: str) -> None:
    """Nulls are written, so a record without a field is none."""
    record = record_example()
    del record[name]

    with pytest.raises(ValidationError, match=name):
        AccumulatedData.model_validate(record)


def test_the_canonical_record_leaves_out_what_depends_on_delivery() -> None:
    """Where it came from, how often it was repeated, what closed it, and the digest itself."""
    assert {"source", "duplicate_count", "conflict_count", "closed_by", "digest"} == NOT_CANONICAL
    assert set(RECORD_FIELDS) > NOT_CANONICAL


def test_closed_lists_are_those_of_the_contract() -> None:
    """Words that consumers switch on."""
    assert [str(word) for word in Status] == ["success", "error", "incomplete"]
    assert [str(word) for word in ClosedBy] == ["final", "finish", "error", "expiry", "limit", "late"]
    assert [str(word) for word in UsageSource] == ["provider", "estimated"]
    assert [str(word) for word in CostSource] == ["gateway", "provider", "catalog", "overlay"]


def test_every_part_is_public() -> None:
    """Who builds a consumer finds each part by its name in schemas.record."""
    parts = [getattr(schemas.record, name) for name in schemas.record.__all__]
    assert sum(isinstance(part, type) and issubclass(part, BaseModel) for part in parts) > 20


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("cost", value) for value in ("0.1", True, float("nan"), float("inf"), 2**53)),
        *(("latency", value) for value in (-1, 1.5, "1", None)),
        *(("token_usage", {"prompt_tokens": value}) for value in (-1, 1.5, "1", 2**53)),
        *(("token_usage", {"cost": {"total_cost": value}}) for value in ("1", float("inf"))),
        *(
            ("delta", value)
            for value in ({}, {"token_usage": None, "cost": "1"}, {"token_usage": {"total_tokens": 0.5}})
        ),
        *(("missing_indexes", [value]) for value in ([], [1], [1, 2, 3, 4], [-1, 2], "1-2")),
        *(("status", value) for value in ("failed", None)),
        *(("record_id", value) for value in ("x", "8B116701-D390-5402-A21A-67EE8A27426C")),
        *(("digest", value) for value in ("", "0" * 63, "G" * 64)),
        *(("start_timestamp", value) for value in ("2026-01-01T00:00:00", datetime(2026, 1, 1), 0)),  # noqa: DTZ001
        *(("stream", value) for value in (False, 0, "true")),
        *(("schema_version", value) for value in (0, 2)),
        *(("cost_details", NO_COST | {"total": value}) for value in (1, "1e3", "1.", "NaN", "")),
        *(("cost_details", NO_COST | {"source": value}) for value in ("guess", "")),
    ],
)
def test_money_and_evidence_are_exact_or_refused(name: str, value: Any) -> None:
    """No count is coerced, no amount is a float where it must be exact, no word is new."""
    with pytest.raises(ValidationError, match=name):
        AccumulatedData.model_validate(record_example() | {name: value})


@pytest.mark.parametrize(
    ("parts", "total"),
    [
        (("0.1", "0.2"), "0.3"),
        (("0.10", "0.20"), "0.3"),
        ((None, "0.2"), "0.3"),
        (("0.1", None), "0.3"),
        (("1", "2"), None),
    ],
)
def test_cost_parts_that_add_up_are_accepted(parts: tuple[str | None, str | None], total: str | None) -> None:
    """Exact decimal arithmetic; where a part is unknown there is nothing to add."""
    details = CostDetails.model_validate(NO_COST | {"input": parts[0], "output": parts[1], "total": total})
    assert (details.input, details.output, details.total) == (*parts, total)


def test_cost_parts_that_do_not_add_up_are_refused() -> None:
    """Off by the last digit is wrong."""
    with pytest.raises(ValidationError, match="add up"):
        CostDetails.model_validate(NO_COST | {"input": "0.1", "output": "0.2", "total": "0.30000000000000004"})


def test_what_a_provider_adds_is_kept() -> None:
    """Counters that nobody listed stay with the usage."""
    usage = BifrostLLMUsage.model_validate({"total_tokens": 3, "num_sources_used": 2})
    assert usage.model_dump(exclude_unset=True) == {"total_tokens": 3, "num_sources_used": 2}


@pytest.mark.parametrize(("tokens", "kind"), [(3, SpeechUsage), ("3", dict), (-1, dict)])
def test_what_is_passed_on_is_never_refused(tokens: object, kind: type) -> None:
    """A provider's own usage is a part if its leaves fit and an object otherwise; the record stays readable."""
    speech = BifrostSpeechResponse.model_validate({"audio": None, "usage": {"input_tokens": tokens, "more": 1}})

    assert isinstance(speech.usage, kind)
    assert speech.model_dump(exclude_unset=True)["usage"] == {"input_tokens": tokens, "more": 1}


def test_a_correction_may_be_negative() -> None:
    """A revision can take something from the bill."""
    delta = RecordDelta.model_validate({"token_usage": {"total_tokens": -4}, "cost": -0.5})
    assert (delta.token_usage and delta.token_usage.total_tokens, delta.cost) == (-4, -0.5)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000000Z"),
        (datetime(1, 1, 1, 2, 0, 0, 7, tzinfo=UTC), "0001-01-01T02:00:00.000007Z"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=-2))), "2026-01-01T02:00:00.000000Z"),
    ],
)
def test_timestamps_are_written_in_utc_with_six_digits(moment: datetime, text: str) -> None:
    """One spelling per instant, so that equal records have equal bytes."""
    record = AccumulatedData.model_validate(record_example() | {"start_timestamp": moment})

    assert format_timestamp(moment) == text
    assert json.loads(record.model_dump_json())["start_timestamp"] == text


def test_a_processed_response_is_empty_until_the_end() -> None:
    """As in the seed: data is None while the stream goes on."""
    waiting = ProcessedStreamResponse.model_validate({"request_id": "r", "stream_type": "responses"})
    done = ProcessedStreamResponse.model_validate({**waiting.model_dump(), "data": record_example()})

    assert waiting.data is None
    assert done.data is not None
    assert done.data.request_id == record_example()["request_id"]
