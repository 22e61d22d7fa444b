"""Entries as OpenTelemetry log events."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from google.protobuf import json_format  # type: ignore[import-untyped]  # protobuf ships no types
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

from pipeline.sinks.export.attributes import EVENT, MESSAGES, TABLE, attributes_of
from pipeline.sinks.export.format import Refused
from pipeline.sinks.export.otlp import LOGS, LogEvents, endpoint
from tests.receiver import attributes
from tests.unit.sinks.export.records import GOLDEN, TRACEPARENT, entries, entry, example, revised

FORM: Final = LogEvents("1.0.0")
AS_JSON: Final = LogEvents("1.0.0", json=True)


def logs(body: bytes) -> list[Any]:
    """The log records of a request in protobuf."""
    request = logs_service_pb2.ExportLogsServiceRequest()
    request.ParseFromString(body)
    (resource,) = request.resource_logs
    assert [(pair.key, pair.value.string_value) for pair in resource.resource.attributes] == [
        ("service.name", "streamledger"),
        ("service.version", "1.0.0"),
    ]
    (scope,) = resource.scope_logs
    return list(scope.log_records)


def shown(record: dict[str, Any]) -> dict[str, Any]:
    """A record's attributes as a receiver has them."""
    (log,) = logs(FORM.body([FORM.event(entry(record))]))
    return attributes(log)


def test_the_examples_are_the_golden_events() -> None:
    """Every change of a name or a value is seen."""
    lines = [FORM.line(FORM.event(each)) for each in entries()]
    assert lines == (GOLDEN / "otlp.jsonl").read_bytes().splitlines()


def test_a_record_is_one_event_with_time_severity_and_trace() -> None:
    """By the name that the conventions give it."""
    (log,) = logs(FORM.body([FORM.event(entry(example("tool-call"), TRACEPARENT))]))
    assert log.event_name == EVENT == "gen_ai.client.inference.operation.details"
    assert log.time_unix_nano == log.observed_time_unix_nano == 1_772_442_900_502_031_000
    assert (log.severity_number, log.severity_text) == (9, "INFO")
    assert (log.trace_id.hex(), log.span_id.hex()) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")


@pytest.mark.parametrize(("name", "severity"), [("error", 17), ("unfinished", 13)])
def test_what_went_wrong_is_severe(name: str, severity: int) -> None:
    """An error is an error, a stream that was cut a warning; both say that they ended early."""
    path = {"error": "failed"}.get(name, name)
    (log,) = logs(FORM.body([FORM.event(entry(example(path)))]))
    assert log.severity_number == severity
    reasons = next(pair.value.array_value for pair in log.attributes if pair.key == "gen_ai.response.finish_reasons")
    assert [value.string_value for value in reasons.values] == ["error"]


def test_attributes_have_the_conventions_names() -> None:
    """Counts as integers, seconds as numbers, money exact beside the common number."""
    found = shown(example("tool-call"))
    assert (found["gen_ai.operation.name"], found["gen_ai.provider.name"]) == ("chat", "openai")
    assert (found["gen_ai.request.model"], found["gen_ai.response.id"]) == ("gpt-4o", "chatcmpl-7Qx")
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.cache_read.input_tokens"]) == (81, 64)
    assert found["gen_ai.response.time_to_first_chunk"] == 0.412
    assert (found["streamledger.cost.total"], found["gen_ai.usage.cost"]) == ("0.0003925", 0.0003925)
    assert shown(example("tool-call", provider="azure"))["gen_ai.provider.name"] == "azure.ai.openai"
    assert shown(example("hello"))["gen_ai.output.type"] == "speech"


def test_all_names_are_from_the_one_table() -> None:
    """No other module knows one, so a convention that moves is followed in one place."""
    names = [attribute.name for attribute in TABLE]
    assert len(set(names)) == len(names)
    for each in entries():
        assert set(attributes_of(each)) <= set(names)


def test_an_amendment_carries_its_change() -> None:
    """Who sums over events has the new total; the event says that it is a change, and of what."""
    first = example("tool-call")
    usage = {"prompt_tokens": 81, "completion_tokens": 9, "total_tokens": 90}
    found = shown(revised(first, usage, "0.0002925"))
    assert (found["streamledger.event.id"], found["streamledger.delta"]) == ("b8f0c1d2-weather#r1", True)
    assert (found["gen_ai.usage.output_tokens"], found["streamledger.cost.total"]) == (-10, "-0.0001")
    assert found["streamledger.supersedes"] == first["record_id"]


def test_content_is_in_it_only_where_it_is_asked_for() -> None:
    """As messages of parts."""
    event = entry(example("tool-call"))
    assert MESSAGES not in json.loads(FORM.line(FORM.event(event)))["resourceLogs"][0].__str__()
    full = LogEvents("1.0.0", content=True)
    text = full.line(full.event(event)).decode()
    assert MESSAGES in text
    assert "Let me look." in text


def test_both_encodings_say_the_same() -> None:
    """JSON by the protocol's own mapping: ids in hexadecimal, enums as numbers."""
    events = [FORM.event(each) for each in entries()]
    document = json.loads(AS_JSON.body(events))
    (scope,) = document["resourceLogs"][0]["scopeLogs"]
    for log in scope["logRecords"]:
        assert (len(log["traceId"]), len(log["spanId"]), type(log["severityNumber"])) == (32, 16, int)
        log["traceId"], log["spanId"] = "", ""
    request = json_format.ParseDict(document, logs_service_pb2.ExportLogsServiceRequest())
    plain = logs_service_pb2.ExportLogsServiceRequest()
    plain.ParseFromString(FORM.body(events))
    for log in plain.resource_logs[0].scope_logs[0].log_records:
        log.trace_id = log.span_id = b""
    assert request == plain


def test_a_partial_success_is_understood_in_both_encodings() -> None:
    """How many were not taken, and why; nothing is read into an answer that is none."""
    answer = logs_service_pb2.ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = 2
    answer.partial_success.error_message = "too old"
    assert FORM.refused("application/x-protobuf", answer.SerializeToString()) == Refused(2, "too old")
    text = json.dumps(json_format.MessageToDict(answer)).encode()
    assert FORM.refused("application/json", text) == Refused(2, "too old")
    answer.partial_success.rejected_log_records = 0
    assert FORM.refused("application/x-protobuf", answer.SerializeToString()) is None
    for nothing in (b"", b"{}", b"<html>", b"\xff\xff"):
        assert FORM.refused("application/x-protobuf", nothing) is None
        assert FORM.refused("application/json", nothing) is None


def test_an_address_that_is_a_host_gets_the_path_of_logs() -> None:
    """Others are taken as they are."""
    assert endpoint("http://localhost:4318", LOGS) == "http://localhost:4318/v1/logs"
    assert endpoint("http://localhost:4318/?a=b", LOGS) == "http://localhost:4318/v1/logs?a=b"
    assert endpoint("http://localhost/otlp/v1/logs", LOGS) == "http://localhost/otlp/v1/logs"
