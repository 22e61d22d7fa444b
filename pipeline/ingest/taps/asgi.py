"""The tap of proxies: an ASGI middleware that publishes the streams an application answers with.

Owns which answers are tapped, and what a request's headers say of who pays. Every message is sent on first, as it is,
and looked at afterwards; the server's back-pressure reaches the application as before. Imports this room.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from pipeline.ingest.format import Format
from pipeline.ingest.providers import provider_format
from pipeline.ingest.taps.encoding import Plain
from pipeline.ingest.taps.frames import Frames, framed
from pipeline.ingest.taps.handle import matched
from pipeline.ingest.taps.route import format_of
from pipeline.ingest.taps.source import MOST, asked_model, moment
from pipeline.ingest.taps.translation import End, Translation
from pipeline.ingest.taps.watch import AsyncWatch, Seen

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_LABEL_BYTES: Final = 256
"""CONTRACT §1; what a client writes into a header must not make its chunks invalid."""


class StreamledgerMiddleware:
    """Publishes each answer of a known path that is text/event-stream or JSON lines.

    Args:
        app: The application.
        publisher: An AsyncPublisher; whoever made it closes it.
        routes: Provider format by path, or a function of the path; what it does not know is not tapped. Without it the
            paths of the providers' own APIs are known (`/v1/chat/completions`, `/v1/messages`, …).
        provider: Of every chunk, where the application does not speak to the owner of the format.
        labels: Label by request header: {"x-team": "team"}.

    Raises:
        UsageError: a sync publisher, or a format that does not exist.
    """

    def __init__(
        self,
        app: App,
        publisher: Any,
        *,
        routes: Mapping[str, str] | Callable[[str], str | None] | None = None,
        provider: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Wrap."""
        self.app, self._publisher = app, matched(publisher, wanted=True)
        if isinstance(routes, Mapping):
            for name in routes.values():
                provider_format(name)
        self._route = routes.get if isinstance(routes, Mapping) else routes or format_of
        self._provider = provider
        self._labels = {header.lower().encode(): label for header, label in (labels or {}).items()}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        name = self._route(scope["path"]) if scope["type"] == "http" else None
        if name is None:
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(provider_format(name), self._opening(scope), receive, send)
        how: End | BaseException = End.LEFT
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            how = error
            raise
        finally:
            await exchange.end(how)

    def _opening(self, scope: Message) -> Callable[[Format, str | None], Any]:
        """How the request is opened, if there is a stream; its start is now."""
        begun = moment()
        headers = dict(scope["headers"])
        traceparent = headers.get(b"traceparent")
        labels = {label: _clipped(headers[name]) for name, label in self._labels.items() if headers.get(name)}

        def opened(form: Format, model: str | None) -> Any:
            return self._publisher.relay(
                stream_type=form.stream_type.value,
                provider=self._provider or form.provider,
                model=model,
                labels=labels or None,
                start_timestamp=begun,
                traceparent=None if traceparent is None else traceparent.decode("latin-1"),
            )

        return opened


class _Exchange:
    """One request and its answer, between server and application."""

    def __init__(self, form: Format, opened: Callable[[Format, str | None], Any], receive: Receive, send: Send) -> None:
        self._form, self._opened, self._receive, self._send = form, opened, receive, send
        self._watch = AsyncWatch()
        self._asked: list[bytes] = []
        self._size = 0
        self._translation: Translation | None = None
        self._frames = Frames()
        self._plain = Plain(None)

    async def receive(self) -> Message:
        """As of the server."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            await self.end(End.LEFT)
        elif self._translation is None and self._size <= MOST:
            body = message.get("body", b"")
            self._size += len(body)
            self._asked.append(body)
        return message

    async def send(self, message: Message) -> None:
        """As of the server; what it took is published."""
        try:
            await self._send(message)
        except BaseException:
            await self.end(End.LEFT)
            raise
        if message["type"] == "http.response.start":
            await self._watch.take(self._watch.asked(self._begin, message))
        elif self._translation is not None and message["type"] == "http.response.body":
            await self._watch.take(self._watch.asked(self._pieces, self._translation, message.get("body", b"")))
            if not message.get("more_body", False):
                await self.end(End.OVER)

    async def end(self, how: End | BaseException) -> None:
        """Publish the end of the answer, unless it is published."""
        if self._translation is not None:
            if how is End.OVER:
                await self._watch.take(self._watch.asked(self._rest, self._translation))
            await self._watch.end(self._translation.end, how if self._plain.readable else End.UNREAD)

    def _begin(self, message: Message) -> list[Seen]:
        """Open the request if the answer is a stream."""
        headers = {name.lower(): value.decode("latin-1") for name, value in message.get("headers", ())}
        kind = headers.get(b"content-type", "")
        if framed(kind):
            relay = self._watch.relay = self._opened(self._form, asked_model(b"".join(self._asked)))
            self._translation = Translation(relay.pen, self._form, owned=True, status=message["status"])
            self._frames, self._plain = Frames(kind), Plain(headers.get(b"content-encoding"))
        self._asked.clear()
        return []

    def _pieces(self, translation: Translation, body: bytes) -> list[Seen]:
        return [(translation.frame, frame, len(frame)) for frame in self._frames.feed(self._plain.feed(body))]

    def _rest(self, translation: Translation) -> list[Seen]:
        rest = self._frames.rest()
        return [(translation.frame, rest, len(rest))] if rest else []


def _clipped(value: bytes) -> str:
    return value.decode("latin-1").encode()[:_LABEL_BYTES].decode(errors="ignore")
