"""One request to a receiver, tried again until it is answered for good.

Owns the connection, which answers are final, and what is said of a receiver that can't be used; its words, which may
repeat what it was sent, go into no error. Imports aiohttp, retry, errors and the log.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from pipeline.errors import FoundProblem, UsageError
from pipeline.log import get_logger
from pipeline.sinks.export.retry import RETRIED, Patience, asked_for

_log = get_logger(__name__)

ANSWER_BYTES: Final = 1 << 16
"""What is read of an answer."""
SLOW: Final = 1 << 20
"""Bytes a second that a receiver has to take."""

_WRONG_ADDRESS: Final = frozenset({*range(300, 400), 401, 402, 403, 404, 405, 407, 410, 415, 421, 501, 505, 511})
"""Answers that are about the address, the credentials or the format as a whole: no single event is to blame."""


class Answer(NamedTuple):
    """What a receiver answered for good: 2xx, or a refusal of what was sent."""

    status: int
    content_type: str
    body: bytes

    @property
    def accepted(self) -> bool:
        """Whether it took the request."""
        return self.status in range(200, 300)

    @property
    def words(self) -> str:
        """What it says, short."""
        return self.body.decode(errors="replace")[:1_000]


@dataclass(frozen=True)
class Receiver:
    """An address and how it is spoken to.

    Attributes:
        url: http or https.
        patience: with a receiver that is not well.
        headers: beside the content type; credentials are among them.
        method: of HTTP.
        timeout: seconds for one try, beside what the bytes take at a slow 1 MiB a second.
    """

    url: str
    patience: Patience
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "POST"
    timeout: float = 30.0

    @property
    def shown(self) -> str:
        """The address without what may be secret in it."""
        parts = urlsplit(self.url)
        port = "" if parts.port is None else f":{parts.port}"
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def receiver_url(text: str) -> str:
    """A URL that can be sent to.

    Raises:
        UsageError: it is none.
    """
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in text):
        raise UsageError("--url is no address of HTTP", hint="write for example http://localhost:8888/api/v1/events")
    return text


class Post:
    """A connection to a receiver."""

    def __init__(self, receiver: Receiver, session: aiohttp.ClientSession) -> None:
        """Made by `connected`."""
        self._receiver, self._session = receiver, session

    async def send(self, body: bytes, content_type: str) -> Answer:
        """Send a request until it is answered for good: taken, or refused for what it holds.

        Raises:
            FoundProblem: the receiver can't be used, or wasn't well for longer than patience lasts.
            UsageError: its address is none.
        """
        loop, patience = asyncio.get_running_loop(), self._receiver.patience
        failures, since = 0, 0.0
        while True:
            try:
                answer, asked = await self._once(body, content_type)
                if answer.status not in RETRIED:
                    if failures:
                        _log.info("going on", away_seconds=round(loop.time() - since, 1))
                    return self._final(answer)
                what = f"status {answer.status}"
            except aiohttp.InvalidURL as error:
                raise UsageError("--url is no address of HTTP", hint="check its host") from error
            except aiohttp.ClientSSLError as error:
                hint = "its certificate has to be one that this machine trusts"
                raise FoundProblem(f"{self._receiver.shown} can't be spoken to by TLS", hint=hint) from error
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                what, asked = type(error).__name__, None
            failures += 1
            if failures == 1:
                since = loop.time()
                _log.warning("waiting", receiver=self._receiver.shown, reason=what, give_up_after_s=patience.total)
            pause = patience.pause(failures, loop.time() - since, asked)
            if pause is None:
                text = f"{self._receiver.shown} took nothing for {patience.total:g} s: {what}, {failures} times"
                hint = "run again when it is well: nothing is lost, and what it had taken is known by its id"
                raise FoundProblem(text, hint=hint)
            await asyncio.sleep(pause)

    async def _once(self, body: bytes, content_type: str) -> tuple[Answer, float | None]:
        receiver = self._receiver
        async with self._session.request(
            receiver.method,
            receiver.url,
            data=body,
            headers={**receiver.headers, "Content-Type": content_type},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=receiver.timeout + len(body) / SLOW),
        ) as response:
            said = b""
            async for part in response.content.iter_chunked(ANSWER_BYTES):
                said += part
                if len(said) >= ANSWER_BYTES:
                    break
            asked = asked_for(response.headers.get("Retry-After"), response.headers.get("Date"))
            return Answer(response.status, response.content_type, said), asked

    def _final(self, answer: Answer) -> Answer:
        if answer.status not in _WRONG_ADDRESS:
            return answer
        raise FoundProblem(
            f"{self._receiver.shown} answers {answer.status} ({_phrase(answer.status)})",
            hint="check the address, the credentials and what it accepts; nothing is lost",
        )


@contextlib.asynccontextmanager
async def connected(receiver: Receiver) -> AsyncIterator[Post]:
    """Speak to a receiver for the block."""
    async with aiohttp.ClientSession() as session:
        yield Post(receiver, session)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no known status"
