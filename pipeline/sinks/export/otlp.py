"""Entries as OpenTelemetry log events over OTLP/HTTP, as protobuf or JSON.

Owns the log record, its resource and both encodings, and what a receiver says of events that it did not take. Imports
opentelemetry-proto and protobuf only where an event is made.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from pipeline.core.late import EPOCH, micros
from pipeline.errors import UsageError
from pipeline.sinks.export.attributes import EVENT, MESSAGES, attributes_of
from pipeline.sinks.export.entry import Entry
from pipeline.sinks.export.format import Event, Refused
from pipeline.sinks.export.messages import messages_of

PATH: Final = "/v1/logs"
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
INSTALL: Final = "pip install 'streamledger[export]'"

_SEVERITY: Final[Mapping[str, tuple[int, str]]] = {
    "success": (9, "INFO"),
    "incomplete": (13, "WARN"),
    "error": (17, "ERROR"),
}
_PLAIN: Final = {"string_value": "stringValue", "bool_value": "boolValue", "double_value": "doubleValue"}
_LARGEST: Final = 2**63 - 1


Json = dict[str, Any]


@dataclass(frozen=True)
class LogEvents:
    """The format.

    Attributes:
        version: of this program, the scope's.
        content: whether the answers are in it.
        json: the encoding of requests; else protobuf.
    """

    version: str
    content: bool = False
    json: bool = False

    @property
    def content_type(self) -> str:
        """Of a request."""
        return JSON if self.json else PROTOBUF

    @property
    def most(self) -> int | None:
        """Any number of events fits into a request."""
        return None

    def event(self, entry: Entry) -> Event:
        """An entry as an event."""
        attributes = attributes_of(entry)
        messages = messages_of(entry) if self.content else None
        if messages is not None:
            attributes[MESSAGES] = messages
        moment = _nanoseconds(entry.end)
        number, text = _SEVERITY.get(entry.record["status"], _SEVERITY["error"])
        log = self._library.log(
            time_unix_nano=moment,
            observed_time_unix_nano=moment,
            severity_number=number,
            severity_text=text,
            event_name=EVENT,
            attributes=self._library.pairs(attributes),
        )
        if entry.trace is not None:
            log.trace_id, log.span_id = (bytes.fromhex(name) for name in entry.trace)
        return Event(entry.id, entry.record["request_id"], log)

    def line(self, event: Event) -> bytes:
        """A request with this event alone, as OTLP's own JSON files have it."""
        return self._as_json([event])

    def body(self, events: Sequence[Event]) -> bytes:
        """A request."""
        if self.json:
            return self._as_json(events)
        encoded: bytes = self._request(events).SerializeToString(deterministic=True)
        return encoded

    def refused(self, content_type: str, body: bytes) -> Refused | None:
        """What a receiver that answers 200 did not take (partial success); nothing of it may be sent again."""
        answer = self._library.response()
        try:
            if content_type == JSON:
                answer = self._library.format.ParseDict(json.loads(body or b"{}"), answer, ignore_unknown_fields=True)
            else:
                answer.ParseFromString(body)
        except (ValueError, self._library.format.Error, self._library.DecodeError):
            return None  # it took the request; what it adds is not understood
        partial = answer.partial_success
        return Refused(partial.rejected_log_records, partial.error_message) if partial.rejected_log_records else None

    def _request(self, events: Sequence[Event]) -> Any:
        return self._library.request([event.value for event in events], self.version)

    def _as_json(self, events: Sequence[Event]) -> bytes:
        scope = {"scope": self._scope, "logRecords": [_log_as_json(event.value) for event in events]}
        document = {"resourceLogs": [{"resource": self._resource, "scopeLogs": [scope]}]}
        return json.dumps(document, separators=(",", ":")).encode()

    @cached_property
    def _resource(self) -> Any:
        return self._library.format.MessageToDict(self._request([]).resource_logs[0].resource)

    @cached_property
    def _scope(self) -> Any:
        return self._library.format.MessageToDict(self._request([]).resource_logs[0].scope_logs[0].scope)

    @cached_property
    def _library(self) -> _Library:
        return _Library()


class _Library:
    """What is used of the protocol's library; it has no types."""

    def __init__(self) -> None:
        try:
            self._common, self._logs, self._service = (
                importlib.import_module(f"opentelemetry.proto.{name}_pb2")
                for name in ("common.v1.common", "logs.v1.logs", "collector.logs.v1.logs_service")
            )
            self.format: Any = importlib.import_module("google.protobuf.json_format")
            self.DecodeError: Any = importlib.import_module("google.protobuf.message").DecodeError
        except ImportError as error:
            raise UsageError("opentelemetry-proto is not installed", hint=INSTALL) from error

    def log(self, **fields: Any) -> Any:
        """A log record."""
        return self._logs.LogRecord(**fields)

    def response(self) -> Any:
        """An empty answer."""
        return self._service.ExportLogsServiceResponse()

    def request(self, logs: Sequence[Any], version: str) -> Any:
        """A request with these log records."""
        request = self._service.ExportLogsServiceRequest()
        resource = request.resource_logs.add()
        resource.resource.attributes.extend(self.pairs({"service.name": "streamledger", "service.version": version}))
        scope = resource.scope_logs.add()
        scope.scope.name, scope.scope.version = "streamledger", version
        scope.log_records.extend(logs)
        return request

    def pairs(self, values: Mapping[str, Any]) -> list[Any]:
        """Names and values."""
        return [self._common.KeyValue(key=name, value=self._value(value)) for name, value in values.items()]

    def _value(self, value: Any) -> Any:
        common = self._common
        if isinstance(value, bool):
            return common.AnyValue(bool_value=value)
        if isinstance(value, int) and abs(value) <= _LARGEST:
            return common.AnyValue(int_value=value)
        if isinstance(value, int | float):
            return common.AnyValue(double_value=float(value))
        if isinstance(value, list):
            return common.AnyValue(array_value=common.ArrayValue(values=[self._value(part) for part in value]))
        if isinstance(value, Mapping):
            return common.AnyValue(kvlist_value=common.KeyValueList(values=self.pairs(value)))
        return common.AnyValue(string_value=str(value))


def _log_as_json(log: Any) -> Json:
    """A log record in OTLP's JSON: ids in hexadecimal, enums as numbers, 64 bits as text.

    The library's own mapping takes twice as long and has the ids in another encoding; a test holds the two together.
    """
    found: Json = {
        "timeUnixNano": str(log.time_unix_nano),
        "observedTimeUnixNano": str(log.observed_time_unix_nano),
        "severityNumber": log.severity_number,
        "severityText": log.severity_text,
        "eventName": log.event_name,
        "attributes": [{"key": pair.key, "value": _value_as_json(pair.value)} for pair in log.attributes],
    }
    if log.trace_id:
        found |= {"traceId": log.trace_id.hex(), "spanId": log.span_id.hex()}
    return found


def _value_as_json(value: Any) -> Json:
    kind = value.WhichOneof("value")
    if kind == "int_value":
        return {"intValue": str(value.int_value)}
    if kind == "array_value":
        return {"arrayValue": {"values": [_value_as_json(part) for part in value.array_value.values]}}
    if kind == "kvlist_value":
        pairs = [{"key": pair.key, "value": _value_as_json(pair.value)} for pair in value.kvlist_value.values]
        return {"kvlistValue": {"values": pairs}}
    return {_PLAIN[kind]: getattr(value, kind)}


def endpoint(url: str) -> str:
    """Where logs go to at an address that is named by its host alone."""
    parts = urlsplit(url)
    return url if parts.path.strip("/") else urlunsplit(parts._replace(path=PATH))


def _nanoseconds(moment: datetime) -> int:
    return max(micros(moment), micros(EPOCH)) * 1_000
