"""A record as a span: below its caller's, by the same names, the same for everyone who exports it."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from google.protobuf import json_format  # type: ignore[import-untyped]  # protobuf ships no types
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from pipeline.sinks.export.attributes import MESSAGES
from pipeline.sinks.export.format import Refused
from pipeline.sinks.export.otlp import SPANS, LogEvents, Spans, endpoint
from tests.receiver import attributes
from tests.unit.sinks.export.records import TRACEPARENT, entries, entry, example, revised

FORM: Final = Spans("1.0.0")
AS_JSON: Final = Spans("1.0.0", json=True)


def span(record: dict[str, Any], traceparent: str | None = None) -> Any:
    """As a receiver has it."""
    request = trace_service_pb2.ExportTraceServiceRequest()
    request.ParseFromString(FORM.body([FORM.event(entry(record, traceparent))]))
    (resource,) = request.resource_spans
    assert resource.resource.attributes[0].value.string_value == "streamledger"
    ((found,),) = [scope.spans for scope in resource.scope_spans]
    return found


def test_a_record_is_a_span_below_the_one_that_asked() -> None:
    """From the request's start to its end, named as the conventions name it."""
    found = span(example("tool-call"), TRACEPARENT)
    assert (found.trace_id.hex(), found.parent_span_id.hex()) == (TRACEPARENT[3:35], TRACEPARENT[36:52])
    assert (found.name, found.kind, found.status.code) == (f"chat {example('tool-call')['model']}", 3, 0)
    assert found.end_time_unix_nano == 1_772_442_900_502_031_000
    assert found.end_time_unix_nano - found.start_time_unix_nano == pytest.approx(
        example("tool-call")["latency"] * 1_000_000, abs=1_000_000
    )


def test_a_span_says_what_the_log_event_says() -> None:
    """One table of names for both."""
    logs = LogEvents("1.0.0")
    for each in entries():
        assert FORM.event(each).value.attributes == logs.event(each).value.attributes
        assert FORM.event(each).id == logs.event(each).id


def test_ids_follow_from_the_record() -> None:
    """Exported twice it is one span; a revision is another, in the same trace though nobody gave one."""
    record = example("tool-call")
    first, again, other = span(record), span(record), span(example("unfinished"))
    later = span(revised(record, None, None) | {"record_id": "another"})
    assert (first.span_id, first.trace_id) == (again.span_id, again.trace_id)
    assert first.trace_id == later.trace_id != other.trace_id
    assert len({each.span_id for each in (first, later, other)}) == 3
    assert (len(first.trace_id), len(first.span_id), first.parent_span_id) == (16, 8, b"")


def test_an_error_is_the_spans_status() -> None:
    """A stream that was cut has none; its attributes say so."""
    failed = span(example("failed"))
    assert failed.status.code == 2
    assert attributes(failed)["error.type"]
    cut = span(example("unfinished"))
    assert (cut.status.code, attributes(cut)["streamledger.status"]) == (0, "incomplete")


def test_both_encodings_say_the_same() -> None:
    """JSON by the protocol's own mapping, but for ids, which are hexadecimal."""
    events = [FORM.event(each) for each in entries()]
    (scope,) = json.loads(AS_JSON.body(events))["resourceSpans"][0]["scopeSpans"]
    assert scope["scope"] == {"name": "streamledger", "version": "1.0.0"}
    for event, found in zip(events, scope["spans"], strict=True):
        for name in ("traceId", "spanId", "parentSpanId"):
            found.pop(name)
        wanted = json_format.MessageToDict(event.value, use_integers_for_enums=True)
        assert found == {name: value for name, value in wanted.items() if not name.endswith("Id")}


def test_content_is_in_it_only_where_it_is_asked_for() -> None:
    """As in log events."""
    each = entry(example("tool-call"))
    assert MESSAGES not in FORM.line(FORM.event(each)).decode()
    full = Spans("1.0.0", content=True)
    assert "Let me look." in full.line(full.event(each)).decode()


def test_what_a_receiver_leaves_out_is_counted() -> None:
    """Partial success, in both encodings."""
    answer = trace_service_pb2.ExportTraceServiceResponse()
    answer.partial_success.rejected_spans, answer.partial_success.error_message = 2, "too old"
    assert FORM.refused("application/x-protobuf", answer.SerializeToString()) == Refused(2, "too old")
    told = json.dumps({"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too old"}}).encode()
    assert AS_JSON.refused("application/json", told) == Refused(2, "too old")
    assert FORM.refused("application/x-protobuf", b"") is None


def test_spans_go_where_traces_go() -> None:
    """An address that is a host alone gets the path."""
    assert endpoint("http://localhost:4318", SPANS) == "http://localhost:4318/v1/traces"
    assert endpoint("http://localhost/otlp", SPANS) == "http://localhost/otlp"
