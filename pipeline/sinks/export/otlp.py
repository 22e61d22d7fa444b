"""Entries as OpenTelemetry log events and spans over OTLP/HTTP, as protobuf or JSON.

Owns the log record and the span; encodings are those of `protocol`. Imports the library of the protocol only where an
event is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from pipeline.sinks.export.attributes import EVENT, attributes_of
from pipeline.sinks.export.entry import Entry
from pipeline.sinks.export.format import Event
from pipeline.sinks.export.protocol import Json, Otlp, Signal, endpoint, nanoseconds, value_as_json

__all__ = ["LOGS", "SPANS", "LogEvents", "Spans", "endpoint"]

LOGS: Final = Signal("logs", "LogRecord", "logRecords", "/v1/logs")
SPANS: Final = Signal("trace", "Span", "spans", "/v1/traces")

_SEVERITY: Final[Mapping[str, tuple[int, str]]] = {
    "success": (9, "INFO"),
    "incomplete": (13, "WARN"),
    "error": (17, "ERROR"),
}
_CLIENT: Final = 3
"""SPAN_KIND_CLIENT: a request to a provider."""

_ERROR: Final = 2
"""STATUS_CODE_ERROR; a stream that was cut or given up has no status, and says so in streamledger.status."""

_TRACE_BYTES: Final = 16
_SPAN_BYTES: Final = 8


class LogEvents(Otlp):
    """One log event for each record."""

    signal: ClassVar[Signal] = LOGS

    def event(self, entry: Entry) -> Event:
        """An entry as an event."""
        moment = nanoseconds(entry.end)
        number, text = _SEVERITY.get(entry.record["status"], _SEVERITY["error"])
        log = self.library.item(
            time_unix_nano=moment,
            observed_time_unix_nano=moment,
            severity_number=number,
            severity_text=text,
            event_name=EVENT,
            attributes=self.attributes(entry),
        )
        if entry.trace is not None:
            log.trace_id, log.span_id = (bytes.fromhex(name) for name in entry.trace)
        return Event(entry.id, entry.record["request_id"], log)

    def item_as_json(self, item: Any) -> Json:
        """A log record in OTLP's JSON."""
        found: Json = {
            "timeUnixNano": str(item.time_unix_nano),
            "observedTimeUnixNano": str(item.observed_time_unix_nano),
            "severityNumber": item.severity_number,
            "severityText": item.severity_text,
            "eventName": item.event_name,
            "attributes": _pairs_as_json(item),
        }
        if item.trace_id:
            found |= {"traceId": item.trace_id.hex(), "spanId": item.span_id.hex()}
        return found


class Spans(Otlp):
    """One span for each record, from the request's start to its end, below the span whose `traceparent` it carries.

    Ids follow from the record: whoever gets a span twice has one. Without a traceparent the revisions of a request
    share a trace of their own.
    """

    signal: ClassVar[Signal] = SPANS

    def event(self, entry: Entry) -> Event:
        """An entry as a span."""
        record, attributes = entry.record, attributes_of(entry)
        operation, model = attributes.get("gen_ai.operation.name", "gen_ai"), record.get("model")
        span = self.library.item(
            trace_id=_identity("trace", record["request_id"])[:_TRACE_BYTES],
            span_id=_identity("span", record["record_id"])[:_SPAN_BYTES],
            name=f"{operation} {model}" if model else operation,
            kind=_CLIENT,
            start_time_unix_nano=nanoseconds(entry.start),
            end_time_unix_nano=nanoseconds(entry.end),
            attributes=self.attributes(entry),
        )
        if record["status"] == "error":
            span.status.code = _ERROR
        if entry.trace is not None:
            span.trace_id, span.parent_span_id = (bytes.fromhex(name) for name in entry.trace)
        return Event(entry.id, record["request_id"], span)

    def item_as_json(self, item: Any) -> Json:
        """A span in OTLP's JSON."""
        found: Json = {
            "traceId": item.trace_id.hex(),
            "spanId": item.span_id.hex(),
            "name": item.name,
            "kind": item.kind,
            "startTimeUnixNano": str(item.start_time_unix_nano),
            "endTimeUnixNano": str(item.end_time_unix_nano),
            "attributes": _pairs_as_json(item),
        }
        if item.parent_span_id:
            found["parentSpanId"] = item.parent_span_id.hex()
        if item.status.code:
            found["status"] = {"code": item.status.code}
        return found


def _pairs_as_json(item: Any) -> list[Json]:
    return [{"key": pair.key, "value": value_as_json(pair.value)} for pair in item.attributes]


def _identity(what: str, name: str) -> bytes:
    """Bytes that are the same for every export of the same thing."""
    return hashlib.sha256(f"{what}\0{name}".encode()).digest()
