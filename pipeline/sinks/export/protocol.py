"""What all signals of OTLP/HTTP share: requests, resource and scope, values, both encodings, partial success.

Owns all that is the same for log events and spans. Imports opentelemetry-proto and protobuf only where an event is
made.
"""

from __future__ import annotations

import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from pipeline.core.late import EPOCH, micros
from pipeline.errors import UsageError
from pipeline.sinks.export.attributes import MESSAGES, attributes_of
from pipeline.sinks.export.entry import Entry
from pipeline.sinks.export.format import Event, Refused
from pipeline.sinks.export.messages import messages_of

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
INSTALL: Final = "pip install 'streamledger[export]'"

_PLAIN: Final = {"string_value": "stringValue", "bool_value": "boolValue", "double_value": "doubleValue"}
_LARGEST: Final = 2**63 - 1


Json = dict[str, Any]


class Signal(NamedTuple):
    """A signal of OpenTelemetry.

    Attributes:
        package: of the protocol's library.
        message: name of its items.
        items: where a request has them, as JSON calls it.
        path: where receivers take it.
    """

    package: str
    message: str
    items: str
    path: str

    @property
    def group(self) -> str:
        """What a request's resources and scopes are called after."""
        return "Logs" if self.package == "logs" else "Spans"


@dataclass(frozen=True)
class Otlp(ABC):
    """A format.

    Attributes:
        version: of this program, the scope's.
        content: whether the answers are in it.
        json: the encoding of requests; else protobuf.
    """

    signal: ClassVar[Signal]
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

    @abstractmethod
    def event(self, entry: Entry) -> Event:
        """An entry as an event."""

    @abstractmethod
    def item_as_json(self, item: Any) -> Json:
        """An item in OTLP's JSON: ids in hexadecimal, enums as numbers, 64 bits as text.

        The library's own mapping takes twice as long and has the ids in another encoding; a test holds the two
        together.
        """

    def attributes(self, entry: Entry) -> list[Any]:
        """Those of an entry."""
        found = attributes_of(entry)
        messages = messages_of(entry) if self.content else None
        if messages is not None:
            found[MESSAGES] = messages
        return self.library.pairs(found)

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
        answer = self.library.response()
        try:
            if content_type == JSON:
                answer = self.library.format.ParseDict(json.loads(body or b"{}"), answer, ignore_unknown_fields=True)
            else:
                answer.ParseFromString(body)
        except (ValueError, self.library.format.Error, self.library.DecodeError):
            return None  # it took the request; what it adds is not understood
        partial = answer.partial_success
        number = partial.rejected_log_records if self.signal.package == "logs" else partial.rejected_spans
        return Refused(number, partial.error_message) if number else None

    def _request(self, events: Sequence[Event]) -> Any:
        return self.library.request([event.value for event in events], self.version)

    def _as_json(self, events: Sequence[Event]) -> bytes:
        group = self.signal.group
        scope = {"scope": self._named[1], self.signal.items: [self.item_as_json(event.value) for event in events]}
        document = {f"resource{group}": [{"resource": self._named[0], f"scope{group}": [scope]}]}
        return json.dumps(document, separators=(",", ":")).encode()

    @cached_property
    def _named(self) -> tuple[Any, Any]:
        """Resource and scope, as JSON."""
        ((_, resources),) = self._request([]).ListFields()
        ((_, scopes),) = [pair for pair in resources[0].ListFields() if pair[0].name.startswith("scope")]
        to_json = self.library.format.MessageToDict
        return to_json(resources[0].resource), to_json(scopes[0].scope)

    @cached_property
    def library(self) -> Library:
        """What is used of the protocol's library.

        Raises:
            UsageError: it is not installed.
        """
        return Library(self.signal)


class Library:
    """What is used of the protocol's library; it has no types."""

    def __init__(self, signal: Signal) -> None:
        """Import it for a signal."""
        self._signal = signal
        name = signal.package
        try:
            self._common, self._items, self._service = (
                importlib.import_module(f"opentelemetry.proto.{path}_pb2")
                for path in ("common.v1.common", f"{name}.v1.{name}", f"collector.{name}.v1.{name}_service")
            )
            self.format: Any = importlib.import_module("google.protobuf.json_format")
            self.DecodeError: Any = importlib.import_module("google.protobuf.message").DecodeError
        except ImportError as error:
            raise UsageError("opentelemetry-proto is not installed", hint=INSTALL) from error

    def item(self, **fields: Any) -> Any:
        """A log record or a span."""
        return getattr(self._items, self._signal.message)(**fields)

    def response(self) -> Any:
        """An empty answer."""
        return getattr(self._service, f"Export{self._signal.package.title()}ServiceResponse")()

    def request(self, items: Sequence[Any], version: str) -> Any:
        """A request with these items."""
        request = getattr(self._service, f"Export{self._signal.package.title()}ServiceRequest")()
        group = self._signal.group.lower()
        resource = getattr(request, f"resource_{group}").add()
        resource.resource.attributes.extend(self.pairs({"service.name": "streamledger", "service.version": version}))
        scope = getattr(resource, f"scope_{group}").add()
        scope.scope.name, scope.scope.version = "streamledger", version
        getattr(scope, "log_records" if group == "logs" else group).extend(items)
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


def value_as_json(value: Any) -> Json:
    """A value in OTLP's JSON."""
    kind = value.WhichOneof("value")
    if kind == "int_value":
        return {"intValue": str(value.int_value)}
    if kind == "array_value":
        return {"arrayValue": {"values": [value_as_json(part) for part in value.array_value.values]}}
    if kind == "kvlist_value":
        pairs = [{"key": pair.key, "value": value_as_json(pair.value)} for pair in value.kvlist_value.values]
        return {"kvlistValue": {"values": pairs}}
    return {_PLAIN[kind]: getattr(value, kind)}


def endpoint(url: str, signal: Signal) -> str:
    """Where a signal goes to at an address that is named by its host alone."""
    parts = urlsplit(url)
    return url if parts.path.strip("/") else urlunsplit(parts._replace(path=signal.path))


def nanoseconds(moment: datetime) -> int:
    """Since the epoch, which nothing is before."""
    return max(micros(moment), micros(EPOCH)) * 1_000
