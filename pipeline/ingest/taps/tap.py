"""`tap`: any stream of a client → the same stream, published beside.

Owns what is a stream and of which kind; each kind is tapped by a module of its own. Imports this room only.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from pipeline.errors import UsageError
from pipeline.ingest.taps.events import events
from pipeline.ingest.taps.frames import framed
from pipeline.ingest.taps.handle import matched, opened
from pipeline.ingest.taps.manager import AsyncManager, Manager
from pipeline.ingest.taps.response import is_tapped, tap_response
from pipeline.ingest.taps.source import arguments_of, form_of
from pipeline.ingest.taps.translation import FAILED, Translation
from pipeline.ingest.taps.watch import AsyncWatch, Watch

T = TypeVar("T")


def tap(stream: T, publisher: Any, *, form: str | None = None, **arguments: Any) -> T:
    """The stream, to be used as before; its chunks are published as its reader takes them.

    Streams of SDKs and responses of httpx are tapped in place: what comes back is the object that was given. Providers'
    ends, errors inside the stream, broken connections, and readers that leave early all end the request, each with its
    reason. Provider, model, type, start and trace come from the response's request; the stream names the model.

    Args:
        stream: What `create(..., stream=True)` or `messages.stream(...)` of an SDK on httpx returned (awaited, if
            async), a streamed response of httpx or httpx2, or any iterable of events (LiteLLM's streams).
        publisher: A Publisher for sync streams, an AsyncPublisher for async ones; or an open request of one, which is
            left open at the end, so that a fallback can follow: `request.retry()`, then tap the next stream.
        form: Name of the provider format, where the URL does not tell it: a value of `chunks --provider`.
        arguments: Of `publisher.request`: labels, provider, model, request_id, …, over what is derived.

    Raises:
        UsageError: no stream, one that was read already, one of no known format, or a publisher of the other kind.
            Nothing is raised afterwards, and nothing into the stream.
    """
    if _is_manager(stream):
        kind = AsyncManager if hasattr(stream, "__aenter__") else Manager
        matched(publisher, wanted=kind is AsyncManager)
        return cast("T", kind(stream, lambda inner: tap(inner, publisher, form=form, **arguments)))
    response = _response_of(stream)
    if response is not None:
        whole = response is not stream and any(hasattr(type(stream), name) for name in ("__iter__", "__aiter__"))
        _tap_response(response, publisher, form, arguments, whole=whole)
        return stream
    _refuse_others(stream)
    return cast("T", events(stream, publisher, form, arguments))


def _tap_response(response: Any, target: Any, name: str | None, given: dict[str, Any], *, whole: bool) -> None:
    """Tap the response below a stream of events, where an SDK knows that it is one, or a raw one."""
    waits = hasattr(response.stream, "__aiter__") and not hasattr(response.stream, "__iter__")
    matched(target, wanted=waits)
    if response.is_stream_consumed or response.is_closed:
        raise UsageError("the stream has been read already", hint="tap it before the first event is taken")
    if is_tapped(response):
        raise UsageError("the stream is tapped already", hint="one tap is enough: its chunks would be published twice")
    form = form_of(response, name)
    if response.status_code < FAILED and not whole and not framed(response.headers.get("content-type", "")):
        kind = response.headers.get("content-type", "nothing")
        raise UsageError(f"the response is no stream of events but {kind}", hint="ask the provider for stream=true")
    request, relay = opened(target, arguments_of(response, form, given))
    named = given.get("model") is not None
    translation = Translation(request, form, owned=relay is not None, named=named, status=response.status_code)
    watch = AsyncWatch(relay) if waits else Watch(relay)
    tap_response(response, translation, watch, whole=whole)


def _is_manager(stream: Any) -> bool:
    """A context manager that opens the stream it returns, as `messages.stream(...)` of anthropic does."""
    kind = type(stream)
    enters = hasattr(kind, "__enter__") or hasattr(kind, "__aenter__")
    return enters and not any(
        hasattr(kind, name) for name in ("__next__", "__anext__", "__iter__", "__aiter__", "read")
    )


def _response_of(stream: Any) -> Any:
    """The response of httpx that a stream reads from, or is."""
    for candidate in (stream, *(getattr(stream, name, None) for name in ("response", "_response", "http_response"))):
        if all(hasattr(type(candidate), name) for name in ("iter_raw", "aiter_raw", "raise_for_status")):
            return candidate
    return None


def _refuse_others(stream: Any) -> None:
    if hasattr(stream, "__await__"):
        if hasattr(stream, "close"):
            stream.close()  # a coroutine nobody awaits would warn about itself
        raise UsageError(
            "tap was given something to await", hint="tap(await client….create(…, stream=True), publisher)"
        )
    answer = isinstance(stream, dict | list | str | bytes) or hasattr(stream, "model_dump")
    if answer or not any(hasattr(stream, name) for name in ("__iter__", "__aiter__")):
        raise UsageError(f"a {type(stream).__name__} is no stream", hint="ask the client for one: stream=True")
