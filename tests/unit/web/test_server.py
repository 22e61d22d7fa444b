"""Where the page may be served, and what is said when it may not."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from pipeline.errors import KafkaUnreachable, UsageError
from pipeline.settings import Settings
from pipeline.web import serve
from pipeline.web.address import bound, host_of
from pipeline.web.server import check
from tests.unit.web.snapshots import Shown, snapshot, strip


class Following(Shown):
    """A source that runs until it is cancelled, or fails at once."""

    error: Exception | None = None

    async def run(self) -> None:
        """Do nothing."""
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()


@pytest.mark.parametrize("address", ["0.0.0.0:8420", "[::]:8420", "10.0.0.5:8420", "ledger.example:8420"])
def test_nobody_else_sees_a_page_without_a_token(address: str) -> None:
    """A page that other machines reach needs web_token; the error says how."""
    with pytest.raises(UsageError, match="STREAMLEDGER_WEB_TOKEN"):
        check(Settings(web_address=address))
    check(Settings(web_address=address, web_token=SecretStr("0123456789abcdef")))


@pytest.mark.parametrize("address", [":8420", "127.0.0.1:8420", "localhost:0", "[::1]:8420", "127.9.9.9:1"])
def test_this_machine_sees_it_without(address: str) -> None:
    """Loopback is nobody else's."""
    check(Settings(web_address=address))


def test_the_host_of_a_header_is_read_as_browsers_write_it() -> None:
    """In small letters, without port and without the brackets of IPv6."""
    assert [host_of(header) for header in ("A:1", "[::1]:80", "x")] == ["a", "::1", "x"]


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    """With what to do; so is an address of another machine."""
    in_use = pytest.raises(UsageError, match=r"is in use.*--web-address")
    with closing(socket.create_server(("127.0.0.1", 0))) as taken, in_use:
        bound(f"127.0.0.1:{taken.getsockname()[1]}")
    with pytest.raises(UsageError, match="can't listen on"):
        bound("192.0.2.1:0")


def test_a_certificate_that_is_none_is_said_before_the_start() -> None:
    """Not by the first visitor."""
    with pytest.raises(UsageError, match="web_ssl_certfile can't be used"):
        check(Settings(web_ssl_certfile=Path("/nowhere.pem")))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_while_somebody_looks(number: signal.Signals) -> None:
    """Readers of events are let go, and the end is an ordinary one."""

    async def run() -> tuple[str, list[str]]:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        serving = asyncio.ensure_future(
            serve(Settings(web_address="127.0.0.1:0"), Following(snapshot(strip())), ready.set_result)
        )
        home = await asyncio.wait_for(ready, 60)
        lines: list[str] = []
        async with httpx.AsyncClient(base_url=home, timeout=60) as client, client.stream("GET", "/events") as answer:
            async for line in answer.aiter_lines():
                lines.append(line)
                if len(lines) == 1:
                    os.kill(os.getpid(), number)
        await asyncio.wait_for(serving, 60)
        return home, lines

    home, lines = asyncio.run(run())

    assert home.startswith("http://127.0.0.1:")
    assert "hx-partial" in lines[0]


def test_a_page_whose_source_fails_does_not_stay_up() -> None:
    """It would show the past as the present; the error is the source's."""

    async def run() -> Any:
        source = Following(snapshot())
        source.error = KafkaUnreachable("gone")
        await serve(Settings(web_address="127.0.0.1:0"), source, lambda _: None)

    with pytest.raises(KafkaUnreachable):
        asyncio.run(run())
