"""The middleware in a real server: a proxy of one route, asked over HTTP."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from pipeline.errors import UsageError
from pipeline.ingest.taps.asgi import StreamledgerMiddleware
from tests.notebook import AsyncNotebook, Notebook
from tests.streams_server import ANSWERS

CHAT = ANSWERS["/v1/chat/completions"]
EVENTS = "text/event-stream"

Answer = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def proxy(answer: Answer, publisher: Any, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that answers so, behind the middleware."""
    paths = ("/v1/chat/completions", "/mine", "/health")
    app = Starlette(routes=[Route(path, answer, methods=["POST"]) for path in paths])
    tapped: Any = StreamledgerMiddleware(app, publisher, **options)
    server = uvicorn.Server(uvicorn.Config(tapped, port=0, log_level="critical", lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(60):
        while not server.started:  # noqa: ASYNC110  uvicorn has no event of it
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        yield client
    server.should_exit = True
    await serving


def streamed(pieces: list[bytes], **options: Any) -> Answer:
    """An application that answers with these pieces."""

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def answer(request: Request) -> Response:
        await request.body()
        return StreamingResponse(body(), media_type=options.pop("media_type", EVENTS), **options)

    return answer


def test_a_stream_passes_untouched_and_is_published() -> None:
    """The client gets every byte; the request has its model, labels by header, trace and provider."""
    book = AsyncNotebook()
    labels = {"X-Team": "team", "x-key": "key"}
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {"x-team": "search", "traceparent": trace}

    async def main() -> bytes:
        async with proxy(streamed(CHAT), book, labels=labels, provider="groq") as client:
            asked = {"model": "gpt-4o", "messages": [], "stream": True}
            return (await client.post("/v1/chat/completions", json=asked, headers=headers)).content

    assert asyncio.run(main()) == b"".join(CHAT)
    opened = book.only.opened
    assert opened.pop("start_timestamp").tzinfo is not None
    assert opened == {
        "stream_type": "chat.completion",
        "provider": "groq",
        "model": "gpt-4o",
        "labels": {"team": "search"},
        "traceparent": trace,
    }
    assert (len(book.only.chunks), book.only.errors, book.only.closed) == (len(CHAT) - 1, [], 1)


def test_json_lines_gzip_and_routes_of_ones_own() -> None:
    """JSON lines are a stream too, a body the application compressed is read, and a route names its format."""
    lines = [frame.removeprefix(b"data: ").rstrip() + b"\n" for frame in CHAT[:-1]]

    async def ask(answer: Answer, path: str, **options: Any) -> Notebook:
        book = AsyncNotebook()
        async with proxy(answer, book, **options) as client:
            assert (await client.post(path, json={})).status_code == httpx.codes.OK
        return book

    async def main() -> None:
        own = {"routes": {"/mine": "openai-chat"}}
        packed = streamed([gzip.compress(b"".join(CHAT))], headers={"content-encoding": "gzip"})
        odd = streamed([b"".join(CHAT)], headers={"content-encoding": "zstd-of-mine"})
        for book in (
            await ask(streamed(lines, media_type="application/x-ndjson"), "/mine", **own),
            await ask(packed, "/v1/chat/completions"),
        ):
            assert (len(book.only.chunks), book.only.errors, book.only.closed) == (len(CHAT) - 1, [], 1)
        assert (await ask(odd, "/v1/chat/completions")).only.kinds == ["stream_unreadable"]
        assert (await ask(streamed(CHAT), "/mine")).notes == []
        assert (await ask(streamed(CHAT), "/health", **own)).notes == []

    asyncio.run(main())


def test_answers_that_are_no_streams_are_left_alone() -> None:
    """A JSON answer of a known path opens no request."""
    book = AsyncNotebook()

    async def answer(request: Request) -> Response:
        return JSONResponse({"asked": (await request.json())["model"]})

    async def main() -> Any:
        async with proxy(answer, book) as client:
            return (await client.post("/v1/chat/completions", json={"model": "m"})).json()

    assert asyncio.run(main()) == {"asked": "m"}
    assert book.notes == []


def test_a_client_that_leaves_ends_its_request_as_cancelled() -> None:
    """What was sent until the client went is published, then that it left, while the application still waits."""
    book = AsyncNotebook()

    async def body() -> AsyncIterator[bytes]:
        for piece in CHAT[:4]:
            yield piece
        await asyncio.Event().wait()

    async def answer(_: Request) -> Response:
        return StreamingResponse(body(), media_type=EVENTS)

    async def main() -> None:
        async with proxy(answer, book) as client:
            async with client.stream("POST", "/v1/chat/completions") as response:
                async for _ in response.aiter_bytes():
                    if len(book.only.chunks) == len(CHAT[:4]):
                        break
            async with asyncio.timeout(60):
                while not book.only.closed:  # noqa: ASYNC110  the server hears of it by itself
                    await asyncio.sleep(0.01)

    asyncio.run(main())
    assert (len(book.only.chunks), book.only.kinds, book.only.closed) == (4, ["request_cancelled"], 1)


def test_an_application_that_fails_in_mid_stream_is_an_error() -> None:
    """Its exception is the request's, and reaches the server as before."""
    book = AsyncNotebook()

    async def body() -> AsyncIterator[bytes]:
        yield CHAT[0]
        raise ZeroDivisionError

    async def answer(_: Request) -> Response:
        return StreamingResponse(body(), media_type=EVENTS)

    async def main() -> None:
        async with proxy(answer, book) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.post("/v1/chat/completions")

    asyncio.run(main())
    assert (len(book.only.chunks), book.only.closed) == (1, 1)
    assert book.only.kinds in (["ZeroDivisionError"], ["ExceptionGroup"])


def test_long_headers_and_failing_publishers_do_no_harm() -> None:
    """A header longer than a label may be is cut, and a publisher that fails leaves the answer as it is."""
    book, broken = AsyncNotebook(), AsyncNotebook(broken=RuntimeError)

    async def main() -> None:
        for publisher in (book, broken):
            async with proxy(streamed(CHAT), publisher, labels={"x-key": "key"}) as client:
                response = await client.post("/v1/chat/completions", headers=[(b"x-key", "ä".encode("latin-1") * 300)])
                assert response.content == b"".join(CHAT)

    asyncio.run(main())
    assert book.only.opened["labels"] == {"key": "ä" * 128}
    assert broken.only.calls == []


def test_what_can_not_work_is_refused() -> None:
    """A sync publisher, and a format that does not exist, are errors when the application is built."""

    async def app(*_: Any) -> None: ...

    with pytest.raises(UsageError, match="AsyncPublisher"):
        StreamledgerMiddleware(app, Notebook())
    with pytest.raises(UsageError, match="openai-chat"):
        StreamledgerMiddleware(app, AsyncNotebook(), routes={"/x": "openai-chats"})
