"""Real SDKs against a server that answers as providers do: with and without a tap they see the same."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import httpx2
import openai
import pytest

from pipeline.errors import UsageError
from pipeline.ingest.taps import tap
from tests.notebook import AsyncNotebook, Notebook
from tests.sdks import ASKED, PATHS, TOLD, AsyncSdks, Sdks, async_sdks, sdks
from tests.streams_server import ANSWERS, Server

Tap = Callable[[Any], Any]


@pytest.fixture(scope="module")
def sdk() -> Iterator[Sdks]:
    """The sync SDKs."""
    with sdks() as opened:
        yield opened


def run(main: Callable[..., Any], *arguments: Any) -> Any:
    """Run it with the async SDKs."""

    async def inside() -> Any:
        async with async_sdks() as opened:
            return await main(opened, *arguments)

    return asyncio.run(inside())


def read(stream: Any) -> tuple[list[Any], str | None]:
    """Events as they came, and how it ended."""
    events: list[Any] = []
    try:
        events += iter(stream)
    except Exception as error:  # noqa: BLE001  what users catch is what is compared
        return events, f"{type(error).__name__}: {error}"
    return events, None


async def read_async(stream: Any) -> tuple[list[Any], str | None]:
    """The same of an async stream."""
    events = []
    try:
        async for event in stream:
            events.append(event)  # noqa: PERF401  what came before an exception counts
    except Exception as error:  # noqa: BLE001
        return events, f"{type(error).__name__}: {error}"
    return events, None


@pytest.mark.parametrize("way", ["plain", "burst", "torn", "error", "reset", "cut"])
@pytest.mark.parametrize("api", PATHS)
def test_a_reader_sees_the_same_with_a_tap(server: Server, sdk: Sdks, api: str, way: str) -> None:
    """Identical events in identical order, the same exception at the same place, of the very object it had."""
    book = Notebook()
    bare = sdk.opened(api, server.url(way))
    stream = sdk.opened(api, server.url(way))

    assert tap(stream, book, labels={"team": "search"}) is stream
    assert read(bare) == read(stream)
    assert book.only.closed == 1
    assert book.only.opened["labels"] == {"team": "search"}


@pytest.mark.parametrize("way", ["plain", "burst", "error", "reset"])
def test_the_same_of_async_streams(server: Server, sdk: Sdks, way: str) -> None:
    """Async clients see the same too, and what is published is what the sync tap publishes."""

    async def main(asdk: AsyncSdks) -> None:
        for api in PATHS:
            book, other = AsyncNotebook(), Notebook()
            stream = tap(await asdk.opened(api, server.url(way)), book)

            assert await read_async(await asdk.opened(api, server.url(way))) == await read_async(stream)

            read(tap(sdk.opened(api, server.url(way)), other))
            assert other.only.chunks == book.only.chunks
            assert other.only.calls == book.only.calls
            assert other.only.kinds == book.only.kinds

    run(main)


def test_what_is_published_is_derived_from_the_request(server: Server, sdk: Sdks) -> None:
    """Type, model, start and trace of a request come from its response; an unknown host is the format's owner."""
    book = Notebook()
    client = sdk.openai(server.url())
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    read(tap(client.chat.completions.create(**ASKED, extra_headers={"traceparent": trace}), book))
    opened_with = book.only.opened

    assert trace == opened_with.pop("traceparent")
    assert opened_with.pop("start_timestamp").tzinfo is not None
    assert opened_with == {"stream_type": "chat.completion", "provider": "openai", "model": "gpt-4o"}

    read(tap(sdk.opened("messages", server.url()), book, provider="bedrock", model="mine"))
    assert (book.notes[1].opened["provider"], book.notes[1].opened["model"]) == ("bedrock", "mine")


def test_the_managers_of_the_sdks(server: Server, sdk: Sdks) -> None:
    """Anthropic's messages.stream and openai's stream helpers work as before, tapped when they are entered."""

    def use(tapped: Tap) -> Iterator[Any]:
        claude = sdk.anthropic(server.url())
        with tapped(claude.messages.stream(**TOLD)) as stream:
            yield type(stream)
            yield list(stream.text_stream)
            yield stream.get_final_message()
        gpt = sdk.openai(server.url())
        with tapped(gpt.chat.completions.stream(model="gpt-4o", messages=[])) as chat:
            yield [event.type for event in chat]
            yield chat.get_final_completion()
        with tapped(gpt.responses.stream(model="gpt-4o", input="hi")) as answer:
            yield list(answer)

    book = Notebook()

    assert list(use(lambda stream: stream)) == list(use(lambda stream: tap(stream, book)))
    assert [notes.closed for notes in book.notes] == [1, 1, 1]
    assert [notes.errors for notes in book.notes] == [[], [], []]


def test_the_managers_of_the_async_sdks(server: Server) -> None:
    """The same of their async kind."""

    async def use(asdk: AsyncSdks, tapped: Tap) -> list[Any]:
        claude = asdk.anthropic(server.url())
        async with tapped(claude.messages.stream(**TOLD)) as stream:
            seen = [[text async for text in stream.text_stream], await stream.get_final_message()]
        gpt = asdk.openai(server.url())
        async with tapped(gpt.responses.stream(model="gpt-4o", input="hi")) as answer:
            return [*seen, [event async for event in answer]]

    book = AsyncNotebook()

    assert run(use, lambda stream: stream) == run(use, lambda stream: tap(stream, book))
    assert [notes.closed for notes in book.notes] == [1, 1]


@pytest.mark.parametrize("client", [httpx, httpx2])
def test_raw_responses(server: Server, client: Any) -> None:
    """A response of httpx or httpx2 is read as before, however it is read."""
    with client.Client(verify=False) as session:
        for path, answer in ANSWERS.items():
            whole = b"".join(answer)
            for by in ("iter_bytes", "iter_raw", "iter_lines", "read"):
                book = Notebook()
                with tap(session.stream("POST", f"{server.url('torn')}{path}", json={"model": "m"}), book) as response:
                    body = getattr(response, by)()
                    body = body if by == "read" else list(body)

                assert body == (whole.decode().splitlines() if by == "iter_lines" else whole if by == "read" else body)
                assert by in ("iter_lines", "read") or b"".join(body) == whole
                assert (book.only.opened["model"], book.only.closed, book.only.errors) == ("m", 1, [])
                assert book.only.chunks


@pytest.mark.parametrize("client", [httpx, httpx2])
def test_raw_async_responses(server: Server, client: Any) -> None:
    """The same of async clients, by each of their ways to read."""

    async def main() -> None:
        async with client.AsyncClient(verify=False) as session:
            for by in ("aiter_bytes", "aiter_raw", "aiter_lines"):
                book = AsyncNotebook()
                asked = session.stream("POST", f"{server.url('torn')}{PATHS['chat']}", json={})
                async with tap(asked, book) as response:
                    pieces = [piece async for piece in getattr(response, by)()]

                assert pieces
                assert (book.only.closed, book.only.errors) == (1, [])
                assert len(book.only.chunks) == len(ANSWERS[PATHS["chat"]]) - 1

    asyncio.run(main())


def test_an_sdk_s_raw_response(server: Server, sdk: Sdks) -> None:
    """What an SDK hands out unparsed is read in the pieces in which it came."""
    book = Notebook()
    asked = sdk.openai(server.url("torn")).chat.completions.with_streaming_response.create(**ASKED)
    with tap(asked, book) as response:
        pieces = list(response.iter_bytes())

    assert b"".join(pieces) == b"".join(ANSWERS[PATHS["chat"]])
    assert not all(piece.endswith(b"\n\n") for piece in pieces)
    assert (len(book.only.chunks), book.only.errors, book.only.closed) == (len(ANSWERS[PATHS["chat"]]) - 1, [], 1)


@pytest.mark.parametrize("how", ["close", "break and drop", "exception in the block", "never read"])
@pytest.mark.parametrize("api", PATHS)
def test_readers_that_leave(server: Server, sdk: Sdks, api: str, how: str) -> None:
    """However a reader leaves, what was delivered is published, then that it left, once."""
    book = Notebook()
    stream: Any = tap(sdk.opened(api, server.url("burst")), book)
    taken = 0 if how == "never read" else 5
    for _ in range(taken):
        next(stream)
    if how == "close":
        stream.close()
    if how == "exception in the block":
        with suppress(ZeroDivisionError), stream:
            _ = 1 / 0
    notes = book.only
    kept = stream if how not in ("break and drop", "never read") else None
    if how == "never read":
        stream.response.close()
    del stream
    if how == "break and drop":
        gc.collect()  # OpenAI's generator and the stream it belongs to hold each other

    assert len(notes.chunks) in (taken, taken - 1)  # Anthropic's ping and block start say nothing
    assert (notes.kinds, notes.closed) == (["request_cancelled"], 1)
    del kept


def test_async_readers_that_leave(server: Server) -> None:
    """A task that is cancelled while it waits for the next event, and one that leaves its loop, end their requests."""

    async def main(asdk: AsyncSdks) -> None:
        for api in PATHS:
            book = AsyncNotebook()
            stream = tap(await asdk.opened(api, server.url("stuck")), book)
            half = len(ANSWERS[PATHS[api]]) // 2
            seen: list[Any] = []
            full = asyncio.Event()

            async def reading(
                stream: Any = stream, seen: list[Any] = seen, half: int = half, full: asyncio.Event = full
            ) -> None:
                async for event in stream:
                    seen.append(event)
                    if len(seen) == half - (api == "messages"):  # noqa: B023  a ping is no event of the SDK
                        full.set()

            task = asyncio.create_task(reading())
            await asyncio.wait_for(full.wait(), 60)
            task.cancel()
            await asyncio.wait([task])
            assert (book.only.kinds, book.only.closed) == (["request_cancelled"], 1)

            other = AsyncNotebook()
            async with tap(await asdk.opened(api, server.url()), other) as left:
                async for _ in left:
                    break
            assert (other.only.kinds, other.only.closed) == (["request_cancelled"], 1)

    run(main)


def test_another_task_closes_the_stream_that_one_reads(server: Server) -> None:
    """That is a reader that leaves, not a connection that breaks."""

    async def main(asdk: AsyncSdks) -> None:
        book = AsyncNotebook()
        stream = tap(await asdk.opened("chat", server.url("stuck")), book)
        reader = asyncio.create_task(read_async(stream))
        async with asyncio.timeout(60):
            while len(book.only.chunks) < len(ANSWERS[PATHS["chat"]]) // 2:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        await stream.close()
        reader.cancel()
        await asyncio.wait([reader])

        assert (book.only.kinds, book.only.closed) == (["request_cancelled"], 1)

    run(main)


def test_a_publisher_that_fails_does_not_reach_the_reader(server: Server, sdk: Sdks) -> None:
    """The stream goes on to its end, and the failing request is asked for nothing more."""
    book = Notebook(broken=RuntimeError)

    assert read(sdk.opened("chat", server.url())) == read(tap(sdk.opened("chat", server.url()), book))
    assert book.only.calls == []


def test_a_fallback_in_one_request(server: Server, sdk: Sdks) -> None:
    """An open request takes one attempt after the other, and its owner ends it."""
    request = Notebook().request()
    read(tap(sdk.opened("chat", server.url("reset")), request))
    read(tap(sdk.opened("messages", server.url()), request))

    assert [final for _, final in request.errors] == [False]
    assert request.closed == 0


def test_an_error_status_of_a_raw_response(server: Server) -> None:
    """A refused request is an error in its record, whether its body is read or not."""
    book = Notebook()
    with httpx.Client(verify=False) as session:  # noqa: S501  no TLS on this machine
        with tap(session.stream("POST", f"{server.url('busy')}/v1/chat/completions"), book) as response:
            assert response.status_code == httpx.codes.TOO_MANY_REQUESTS
        with tap(session.stream("POST", f"{server.url('busy')}/v1/chat/completions"), book) as response:
            response.read()

    assert book.notes[0].kinds == ["http_error"]
    assert book.notes[1].payloads[0]["error"]["type"] == "rate_limit_error"
    assert [notes.closed for notes in book.notes] == [1, 1]


def test_what_is_no_stream_is_refused(server: Server, sdk: Sdks) -> None:
    """A whole answer, something to await, a stream that was read, the other kind of publisher: each has its hint."""
    book = Notebook()
    done = sdk.opened("chat", server.url())
    read(done)

    async def asked() -> None: ...

    for stream, publisher, hint in (
        (openai.types.Model(id="m", created=1, object="model", owned_by="me"), book, "stream=True"),
        (asked(), book, "tap(await"),
        (done, book, "before the first event"),
        (sdk.opened("chat", server.url()), AsyncNotebook(), "a Publisher"),
        (sdk.opened("chat", server.url()), object(), "tap(stream, publisher)"),
        ([1, 2], book, "stream=True"),
        (httpx.Response(200), book, "before the first"),
    ):
        with pytest.raises(UsageError) as refused:
            tap(stream, publisher)
        assert hint in str(refused.value)
    assert book.notes == []
