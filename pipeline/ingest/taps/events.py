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
from pipeline.ingest.taps.kept import finishes, kept_usage, unfinished, wrapper_of
from pipeline.ingest.taps.source import moment
from pipeline.ingest.taps.translation import Call, End, Translation
from pipeline.ingest.taps.watch import AsyncWatch, Seen, Watch

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
    watch = AsyncWatch() if wanted else Watch()
    source = Source(stream, target, form, {"start_timestamp": moment(), **arguments}, watch)
    return _AsyncEvents(stream, source) if wanted else _Events(stream, source)


class Source:
    """What is handed over of one stream: its request is opened with the first event, which tells the format.

    Attributes:
        watch: Where it goes.
    """

    def __init__(self, stream: Any, target: Any, form: str | None, arguments: dict[str, Any], watch: Any) -> None:
        """Begin before the first event; arguments are those of `publisher.request`."""
        self.watch = watch
        self._stream, self._target, self._form = stream, target, form
        self._wrapper = wrapper_of(stream)
        self._named = arguments.get("model") is not None
        self._given = {
            "provider": text_of(stream, "custom_llm_provider") or text_of(self._wrapper, "custom_llm_provider"),
            "model": text_of(stream, "model") or text_of(self._wrapper, "model"),
            **arguments,
        }
        self._frames = Frames()
        self._counted = False
        self._translation: Translation | None = None

    def event(self, event: Any) -> list[Seen]:
        """What is seen of one event, in a copy of its own: the reader may change what it gets."""
        if isinstance(event, str | bytes):
            return self._framed(event.encode(errors="surrogatepass") if isinstance(event, str) else event)
        payload = payload_of(event)
        if self._wrapper is not None and finishes(payload):
            self._wrapper = wrapper_of(self._stream) or self._wrapper  # another one's, after a fallback
            payload = unfinished(self._wrapper, payload)
        self._counted = self._counted or bool(payload.get("usage"))
        return [(self._opened(payload).event, payload, _weight(payload))]

    def rest(self) -> list[Seen]:
        """What is seen at the end: what no terminator ended, and the usage that a wrapper kept from its reader."""
        rest, translation = self._frames.rest(), self._opened({})
        seen: list[Seen] = [(translation.frame, rest, len(rest))] if rest else []
        if not self._counted and (usage := kept_usage(self._wrapper)):
            seen.append((translation.event, usage, _weight(usage)))
        return seen

    def ended(self, how: End | BaseException) -> list[Call]:
        """What the end asks for."""
        return self._opened({}).end(how)

    def _framed(self, piece: bytes) -> list[Seen]:
        return [(self._opened({}, frame).frame, frame, len(frame)) for frame in self._frames.feed(piece)]

    def _opened(self, payload: Payload, frame: bytes = b"") -> Translation:
        """The translation, whose format the first event decides."""
        if self._translation is None:
            form = provider_format(self._form or _form_of(payload, frame))
            known = {key: value for key, value in self._given.items() if value is not None}
            arguments = {"stream_type": form.stream_type.value, "provider": form.provider, **known}
            request, self.watch.relay = opened(self._target, arguments)
            owned = self.watch.relay is not None
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
        end(self._source, End.LEFT)  # of one that was never read, too
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
        await end_async(self._source, End.LEFT)  # of one that was never read, too
        if hasattr(self._stream, "aclose"):
            await self._stream.aclose()

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def passing(stream: Any, source: Source) -> Generator[Any, None, None]:
    """The events, published before they are handed on."""
    watch = source.watch
    how: End | BaseException = End.LEFT
    try:
        for event in stream:
            watch.take(watch.asked(source.event, event))
            yield event
        how = End.OVER
    except GeneratorExit:
        raise
    except BaseException as error:
        how = error
        raise
    finally:
        end(source, how)


def end(source: Source, how: End | BaseException) -> None:
    """Publish the end, once."""
    source.watch.take(source.watch.asked(source.rest))
    source.watch.end(source.ended, how)


async def passing_async(stream: Any, source: Source) -> AsyncGenerator[Any, None]:
    """The events, published before they are handed on."""
    watch = source.watch
    how: End | BaseException = End.LEFT
    try:
        async for event in stream:
            await watch.take(watch.asked(source.event, event))
            yield event
        how = End.OVER
    except GeneratorExit:
        raise
    except BaseException as error:
        how = error
        raise
    finally:
        await end_async(source, how)


async def end_async(source: Source, how: End | BaseException) -> None:
    """The same of an async stream."""
    await source.watch.take(source.watch.asked(source.rest))
    await source.watch.end(source.ended, how)


def payload_of(event: Any) -> Payload:
    """The JSON object that an event was made of, in a copy of its own: what was not sent is left out."""
    if isinstance(event, dict):
        read = load(msgspec.json.encode(event).decode())
    elif hasattr(event, "model_dump"):
        read = event.model_dump(mode="json", exclude_unset=True, exclude_none=True, warnings=False)
    else:
        read = None
    return read if isinstance(read, dict) else {}


def _weight(payload: Payload) -> int:
    """Bytes of a payload, about."""
    try:
        return len(msgspec.json.encode(payload))
    except (ValueError, TypeError):  # half a character, a huge integer
        return len(repr(payload))


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
