"""What is known of a tapped response's request: format, provider, model, start, trace.

Owns how each is derived, so that a caller need say nothing and may say everything. Imports this room only.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from pipeline.errors import UsageError
from pipeline.ingest.format import Format
from pipeline.ingest.providers import PROVIDERS, provider_format
from pipeline.ingest.taps.route import format_of, vendor_of

MOST: Final = 1 << 20
"""Bytes of a request up to which it is searched for the model; a larger one would hold up the event loop."""


class _Asked(msgspec.Struct):
    """What is read of a request's body: everything else in it is skipped."""

    model: str | None = None


def asked_model(body: bytes) -> str | None:
    """The model that a request asks for at its top, if it is JSON; the stream may name it as well."""
    try:
        return msgspec.json.decode(body, type=_Asked).model if len(body) <= MOST else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def moment(ago: float = 0.0) -> datetime:
    """The time so many seconds ago."""
    return datetime.fromtimestamp(time.time() - ago, UTC)


def form_of(response: Any, named: str | None) -> Format:
    """The format of a response.

    Raises:
        UsageError: nobody named it, and its URL is of no known API.
    """
    name = named or format_of(response.request.url.path)
    if name is None:
        raise UsageError(
            f"no provider format is known for {response.request.url.path}",
            hint="say it: tap(stream, publisher, form=…), one of " + ", ".join(PROVIDERS),
        )
    return provider_format(name)


def arguments_of(response: Any, form: Format, given: dict[str, Any]) -> dict[str, Any]:
    """Arguments with which the request is opened: what the caller gave, over what the response tells."""
    request = response.request
    found = {
        "stream_type": form.stream_type.value,
        "provider": vendor_of(request.url.host) or form.provider,
        "model": _asked(request),
        "start_timestamp": _started(response),
        "traceparent": request.headers.get("traceparent"),
    }
    return {key: value for key, value in found.items() if value is not None} | given


def _asked(request: Any) -> str | None:
    """The model that was asked for, where the body is JSON and still there."""
    if "json" not in request.headers.get("content-type", ""):
        return None
    try:
        return asked_model(request.content)
    except RuntimeError:  # httpx has no body any more that was streamed
        return None


def _started(response: Any) -> datetime | None:
    """When the request was sent: httpx keeps it for `elapsed`, which it tells only at the end."""
    started = getattr(response.stream, "_start", None)
    if not isinstance(started, float):
        return None
    ago = time.perf_counter() - started
    return moment(ago) if ago >= 0 else None
