"""What is the same for all chunks of a request, checked when it is opened.

Owns the checks of request id, labels and the other arguments of `request(…)`: what breaks the contract there is the
caller's error and raised at once, before a stream runs. Imports the errors, the contract and this package's clock.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypedDict

from pipeline.errors import UsageError
from pipeline.ingest.publish import clock
from pipeline.ingest.publish.encoding import encode
from schemas.chunk import StreamType
from schemas.leaves import MAX_INTEGER, check_json, check_labels, check_request_id

_TYPES: Final = frozenset(StreamType)
_TRACE: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?")
"""W3C Trace Context, with room for later versions."""


class RequestArguments(TypedDict, total=False):
    """Arguments of `publisher.request(…)`; all may be left out.

    Attributes:
        stream_type: One of the six of CONTRACT §1; default chat.completion.
        provider: Who answers, as gateways write it; `retry` and `chunk` may change it.
        model: Which model; `retry` and `chunk` may change it.
        labels: Who pays: up to 32 texts by name, keys up to 64 and values up to 256 UTF-8 bytes.
        request_id: Kafka key, up to 512 UTF-8 bytes, never used again; default a new random one.
        attempt: Number of the first attempt, from 0.
        raw_request: What was sent upstream; kept once.
        start_timestamp: When it was sent; default now.
        traceparent: W3C trace context, passed through to the record.
    """

    stream_type: str
    provider: str | None
    model: str | None
    labels: Mapping[str, str] | None
    request_id: str | None
    attempt: int
    raw_request: Any
    start_timestamp: datetime | str | None
    traceparent: str | None


class Opening:
    """The arguments of a request, checked and where possible already written.

    Attributes:
        request_id, stream_type, provider, model, attempt: As given, or their defaults.
        key: The Kafka key.
        labels: Their JSON; empty when there are none.
        raw_request: Its JSON; empty when there is none.
        started: When the request was sent upstream, in microseconds since the epoch.
        trace: Header `traceparent`; empty when there is none.
    """

    def __init__(self, arguments: RequestArguments) -> None:
        """Raise UsageError for whatever would send the chunks to the dead letters."""
        if unknown := arguments.keys() - RequestArguments.__annotations__.keys():
            raise TypeError(f"request() got an unexpected argument {min(unknown)!r}")
        given: Mapping[str, Any] = arguments
        self.request_id = _request_id(given.get("request_id"))
        self.key = self.request_id.encode()
        self.stream_type = given.get("stream_type", StreamType.CHAT.value)
        if self.stream_type not in _TYPES:
            raise UsageError("there is no such stream_type", hint="one of " + ", ".join(StreamType))
        self.provider = name(given.get("provider"), "provider")
        self.model = name(given.get("model"), "model")
        self.attempt = count(given.get("attempt", 0), "attempt")
        self.labels = _labels(given.get("labels"))
        self.raw_request = raw_json(given.get("raw_request"))
        start = given.get("start_timestamp")
        self.started = clock.now() if start is None else clock.micros(start)
        self.trace = _trace(given.get("traceparent"))


def name(value: object, what: str) -> str | None:
    """A provider or a model.

    Raises:
        UsageError: it is no text.
    """
    if value is None or isinstance(value, str):
        return value or None
    raise UsageError(f"{what} is no text", hint="give its name as the gateway knows it")


def count(value: object, what: str) -> int:
    """An index or a number of attempts.

    Raises:
        UsageError: it is no integer from 0 on that JSON readers keep.
    """
    if type(value) is int and 0 <= value <= MAX_INTEGER:
        return value
    raise UsageError(f"{what} must be an integer from 0 on", hint="leave it out to have it counted")


def _request_id(value: str | None) -> str:
    if value is None:
        return uuid.uuid4().hex
    try:
        return check_request_id(value)
    except (ValueError, AttributeError) as error:
        raise UsageError(f"request_id: {error}", hint="leave it out to get a new one") from None


def _labels(value: Mapping[str, str] | None) -> bytes:
    if not value:
        return b""
    labels = dict(value)
    if not all(isinstance(text, str) for pair in labels.items() for text in pair):
        raise UsageError("labels must be texts by name", hint="str(…) what is not")
    try:
        check_labels(labels)
    except ValueError as error:
        hint = "up to 32, keys up to 64 and values up to 256 UTF-8 bytes"
        raise UsageError(f"labels: {error}", hint=hint) from None
    return encode(labels, "labels")


def raw_json(value: Any) -> bytes:
    """A raw request as JSON; empty for none.

    Raises:
        UsageError: there is no JSON for it, or it nests so deeply that the whole chunk would be refused.
    """
    if value is None:
        return b""
    text = encode(value, "raw_request")
    try:
        check_json(value)
    except ValueError as error:
        if "nested" in str(error):
            raise UsageError(f"raw_request: {error}", hint="leave it out, or publish a part of it") from None
    return text


def _trace(value: Any) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, str) or not _TRACE.fullmatch(value):
        raise UsageError(
            "traceparent is no W3C trace context", hint="pass the header of the request on, or leave it out"
        )
    return value.encode("ascii")
