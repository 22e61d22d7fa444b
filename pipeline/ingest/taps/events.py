"""Streams of which only the events are to be had: any iterable of objects, dictionaries or pieces of text.

LiteLLM's wrapper is one of them, and so is what its proxy hands to its loggers. Owns how an event becomes the payload
it was, and which format a stream without a URL has. Imports this room only.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any, Final

import msgspec

from pipeline.ingest.leaf import Payload, load
from pipeline.ingest.providers import provider_format
from pipeline.ingest.taps.frames import Frames
from pipeline.ingest.taps.handle import matched, opened, waits
from pipeline.ingest.taps.kept import kept_usage
from pipeline.ingest.taps.source import moment
from pipeline.ingest.taps.translation import Call, End, Translation
from pipeline.ingest.taps.watch import AsyncWatch, Watch

_MESSAGES: Final = ("message_start", "message_delta", "message_stop", "content_block_", "ping")


def events(stream: Any, target: Any, form: str | None, arguments: dict[str, Any]) -> Any:
    """The stream behind a face that publishes what passes.

    Raises:
        UsageError: a publisher of the other kind, or no such format.
    """
    either = hasattr(stream, "__aiter__") and hasattr(stream, "__iter__")
    wanted = waits(target) if either else hasattr(stream, "__aiter__")
    matched(target, wanted=wanted)
    if form is not None:
        provider_format(form)
    source = Source(stream, target, form, {"start_timestamp": moment(), **arguments})
    return _AsyncEvents(stream, source) if wanted else _Events(stream, source)


class Source:
    """What one stream's events ask for: its request is opened with the first, which tells the format."""

    def __init__(self, stream: Any, target: Any, form: str | None, arguments: dict[str, Any]) -> None:
        """Begin before the first event; arguments are those of `publisher.request`."""
        self._stream, self._target, self._form = stream, target, form
        self._named = arguments.get("model") is not None
        self._given = {
            "provider": text_of(stream, "custom_llm_provider"),
            "model": text_of(stream, "model"),
            **arguments,
        }
        self._frames = Frames()
        self._counted = False
        self._translation: Translation | None = None

    def event(self, event: Any) -> list[Call]:
        """What one event asks for."""
        if isinstance(event, str | bytes):
            return self._framed(event.encode(errors="surrogatepass") if isinstance(event, str) else event)
        payload = payload_of(event)
        self._counted = self._counted or bool(payload.get("usage"))
        return self._opened(payload).event(payload)

    def end(self, how: End | BaseException) -> list[Call]:
        """What the end asks for, with the usage that a wrapper kept from its reader."""
        calls: list[Call] = []
        if rest := self._frames.rest():
            calls += self._opened({}).frame(rest)
        translation = self._opened({})
        if not self._counted and not translation.ended and (usage := kept_usage(self._stream)):
            calls += translation.event(usage)
        return calls + translation.end(how)

    def _framed(self, piece: bytes) -> list[Call]:
        calls: list[Call] = []
        for frame in self._frames.feed(piece):
            calls += self._opened({}, frame).frame(frame)
        return calls

    def _opened(self, payload: Payload, frame: bytes = b"") -> Translation:
        """The translation, whose format the first event decides."""
        if self._translation is None:
            form = provider_format(self._form or _form_of(payload, frame))
            known = {key: value for key, value in self._given.items() if value is not None}
            arguments = {"stream_type": form.stream_type.value, "provider": form.provider, **known}
            request, owned = opened(self._target, arguments)
            self._translation = Translation(request, form, owned=owned, named=self._named)
        return self._translation


class _Face:
    """What a reader of the stream sees: all that the stream has, and its type."""

    def __init__(self, stream: Any, source: Source) -> None:
        self._stream, self._source = stream, source

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # so that isinstance holds
        return type(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Events(_Face):
    def __init__(self, stream: Any, source: Source) -> None:
        super().__init__(stream, source)
        self._passing = passing(iter(stream), source)

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return next(self._passing)

    def close(self) -> None:
        self._passing.close()
        Watch().take(self._source.end, End.LEFT)  # of one that was never read, too
        if hasattr(self._stream, "close"):
            self._stream.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _AsyncEvents(_Face):
    def __init__(self, stream: Any, source: Source) -> None:
        super().__init__(stream, source)
        self._passing = passing_async(aiter(stream), source)

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        return await anext(self._passing)

    async def aclose(self) -> None:
        await self._passing.aclose()
        await AsyncWatch().take(self._source.end, End.LEFT)  # of one that was never read, too
        if hasattr(self._stream, "aclose"):
            await self._stream.aclose()

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def passing(stream: Any, source: Source) -> Generator[Any, None, None]:
    """The events, published before they are handed on."""
    watch = Watch()
    how: End | BaseException = End.LEFT
    try:
        for event in stream:
            watch.take(source.event, event)
            yield event
        how = End.OVER
    except GeneratorExit:
        raise
    except BaseException as error:
        how = error
        raise
    finally:
        watch.take(source.end, how)


async def passing_async(stream: Any, source: Source) -> AsyncGenerator[Any, None]:
    """The events, published before they are handed on."""
    watch = AsyncWatch()
    how: End | BaseException = End.LEFT
    try:
        async for event in stream:
            await watch.take(source.event, event)
            yield event
        how = End.OVER
    except GeneratorExit:
        raise
    except BaseException as error:
        how = error
        raise
    finally:
        await watch.take(source.end, how)


def payload_of(event: Any) -> Payload:
    """The JSON object that an event was made of, in a copy of its own: what was not sent is left out."""
    if isinstance(event, dict):
        read = load(msgspec.json.encode(event).decode())
    elif hasattr(event, "model_dump"):
        read = event.model_dump(mode="json", exclude_unset=True, exclude_none=True, warnings=False)
    else:
        read = None
    return read if isinstance(read, dict) else {}


def text_of(stream: Any, name: str) -> str | None:
    """An attribute that is a name."""
    value = getattr(stream, name, None)
    return value if isinstance(value, str) and value else None


def _form_of(payload: Payload, frame: bytes) -> str:
    """The format of which a first event is."""
    kind = str(payload.get("type") or "")
    if kind.startswith("response.") or b'"type":"response.' in frame.replace(b" ", b""):
        return "openai-responses"
    if kind.startswith(_MESSAGES) or frame.startswith(b"event: message_start"):
        return "anthropic-messages"
    if "candidates" in payload:
        return "gemini"
    return "openai-completions" if payload.get("object") == "text_completion" else "openai-chat"
