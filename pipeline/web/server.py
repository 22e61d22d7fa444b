"""The process of the live page: its socket, its reader of the topics, its end.

Owns that nothing is served beyond this machine without a token, and that a signal ends everything in order. Imports
uvicorn, `pipeline.ops.live`, the topics and its siblings.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import uvicorn

from pipeline.errors import UsageError
from pipeline.settings import Settings, listened, loopback, url
from pipeline.topics.ending import finish
from pipeline.web.access import Access
from pipeline.web.address import bound
from pipeline.web.site import Source, application

CONNECTIONS: Final = 256
"""At once, readers of events among them; more are told to come back."""
KEEP_ALIVE: Final = 15
"""Seconds that an idle connection is kept."""
FAREWELL: Final = 5
"""Seconds that answers under way have when the server ends."""


class Running(Source, Protocol):
    """A source that has to be run to follow its topics."""

    async def run(self) -> None:
        """Follow, until cancelled."""
        ...


class _Server(uvicorn.Server):
    """Says when it answers, and leaves signals to us: they end more than the server."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As ever."""
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None are captured."""
        yield


def check(settings: Settings) -> None:
    """See whether the settings may be served.

    Raises:
        UsageError: the address is seen by others and there is no token, or the certificate can't be read.
    """
    host, _ = listened(settings.web_address)
    if settings.web_token is None and not loopback(host):
        raise UsageError(
            f"web_address {settings.web_address} is seen by other machines and there is no web_token",
            hint="set STREAMLEDGER_WEB_TOKEN to 16 characters or more, or serve on 127.0.0.1",
        )
    if settings.web_ssl_certfile is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                settings.web_ssl_certfile, settings.web_ssl_keyfile
            )
        except OSError as error:
            text = error.strerror or type(error).__name__
            raise UsageError(f"web_ssl_certfile can't be used: {text}", hint="it must be PEM, with its key") from None


async def serve(settings: Settings, source: Running, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: `web_*` say where and to whom, the rest where the topics are.
        source: what is shown; it is run here.
        ready: is told the address when it answers.

    Raises:
        UsageError: the settings can't be served.
    """
    check(settings)
    with contextlib.closing(bound(settings.web_address)) as listening:
        await _serve(settings, source, listening, ready)


async def _serve(settings: Settings, source: Running, listening: socket.socket, ready: Callable[[str], None]) -> None:
    app, close = application(source, settings, Access(settings, time.monotonic))
    certificate, key = settings.web_ssl_certfile, settings.web_ssl_keyfile
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=FAREWELL,
        ws="none",
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    host, port = listening.getsockname()[:2]
    server = _Server(config, lambda: ready(f"{url(host, port, tls=certificate is not None)}/"))

    def end() -> None:
        server.should_exit = True
        close()

    following = asyncio.ensure_future(source.run())
    following.add_done_callback(lambda _: end())  # a page that shows the past as the present must not stay up
    try:
        with _signals(end):
            await server.serve(sockets=[listening])
    finally:
        await finish(following)


@contextlib.contextmanager
def _signals(end: Callable[[], None]) -> Iterator[None]:
    """Let the signals that end a process end the server; what they did before they do again afterwards."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
