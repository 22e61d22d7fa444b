"""Entries as CloudEvents for metering."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import jsonschema
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from pipeline.sinks.export.cloudevent import BATCH, STRUCTURED, Metering, source_of
from tests.unit.sinks.export.records import GOLDEN, TENANT, TRACEPARENT, entries, entry, example, revised

FORM: Final = Metering(source_of("main", "llm.accumulated"), TENANT)
SCHEMA: Final = json.loads((GOLDEN / "cloudevents.schema.json").read_text(encoding="utf-8"))
"""cloudevents/formats/cloudevents.json of the CloudEvents specification (Apache-2.0)."""


def made(record: dict[str, Any], traceparent: str | None = None) -> dict[str, Any]:
    """A record's event, parsed."""
    event: dict[str, Any] = json.loads(FORM.line(FORM.event(entry(record, traceparent))))
    return event


def test_the_examples_are_the_golden_events() -> None:
    """Made anew by `streamledger export cloudevents` with the trace context of these tests; every change is seen."""
    lines = [FORM.line(FORM.event(each)) for each in entries()]
    assert lines == (GOLDEN / "cloudevents.jsonl").read_bytes().splitlines()


def test_every_event_is_valid_by_the_specification_and_read_by_its_library() -> None:
    """By the JSON Schema of CloudEvents 1.0, and by the CNCF's own reader."""
    validator = jsonschema.Draft7Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
    for each in entries():
        line = FORM.line(FORM.event(each))
        validator.validate(json.loads(line))
        read = JSONFormat().read(CloudEvent, line)
        assert (read.get_id(), read.get_type(), read.get_time()) == (each.id, "llm.usage.recorded", each.end)
        assert isinstance(read.get_time(), datetime)
        assert read.get_extension("traceparent") == TRACEPARENT


def test_the_payload_has_what_a_meter_sums_and_groups_by() -> None:
    """Numbers for tokens, exact text for money, labels as they came."""
    event = made(example("tool-call"), TRACEPARENT)
    data = event["data"]
    assert (event["subject"], event["source"]) == ("acme", "streamledger/main/llm.accumulated")
    assert event["time"] == "2026-03-02T09:15:00.502031Z"
    assert (data["tokens"]["input"], data["tokens"]["cache_read"], data["cost_usd"]) == (81, 64, "0.0003925")
    assert (data["provider"], data["model"], data["operation"]) == ("openai", "gpt-4o", "chat.completion")
    assert data["tags"] == {"key": "vk-search", "tenant": "acme"}
    assert (data["evidence"]["chunk_count"], data["evidence"]["source"]["first_offset"]) == (7, 48268)


def test_what_is_unknown_has_no_key() -> None:
    """A meter takes null for an error; a missing cost is told by its reason."""
    data = made(example("unfinished"))["data"]
    assert "cost_usd" not in data
    assert "tokens" not in data
    assert data["cost_reason"] == "no_usage"
    assert "subject" not in made(example("unfinished"))
    assert None not in data.values()


def test_an_amendment_carries_its_change_under_an_id_of_its_own() -> None:
    """So that a meter that adds up has the new total."""
    first = example("tool-call")
    usage = {"prompt_tokens": 81, "completion_tokens": 29, "total_tokens": 110}
    event = made(revised(first, usage, "0.0004925"))
    assert event["id"] == "b8f0c1d2-weather#r1"
    assert (event["data"]["delta"], event["data"]["cost_usd"]) == (True, "0.0001")
    assert (event["data"]["tokens"]["input"], event["data"]["tokens"]["output"]) == (0, 10)
    assert "cost" not in event["data"]


def test_a_request_is_a_batch_or_a_single_event() -> None:
    """In OpenMeter's content type, or in structured mode."""
    events = [FORM.event(each) for each in entries()[:3]]
    assert FORM.content_type == BATCH
    assert [event["id"] for event in json.loads(FORM.body(events))] == [event.id for event in events]
    single = Metering(FORM.source, TENANT, batched=False)
    assert (single.content_type, single.most) == (STRUCTURED, 1)
    assert single.body(events[:1]) == FORM.line(events[0])


@pytest.mark.parametrize("cluster", ["a/b", "a b", "ü?#"])
def test_a_source_is_a_reference_whatever_a_cluster_is_called(cluster: str) -> None:
    """A name may not make parts of an address."""
    source = source_of(cluster, "records")
    assert source.count("/") == 2
    assert source.isascii()
    assert " " not in source
