"""Streams by the real SDKs, sync and async, over one HTTP client that is closed at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any, Final

import anthropic
import httpx2
import openai

PATHS: Final = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
"""Path by name of the API."""

SAID: Final[Any] = [{"role": "user", "content": "hi"}]
ASKED: Final[dict[str, Any]] = {"model": "gpt-4o", "messages": SAID, "stream": True}
TOLD: Final[dict[str, Any]] = {"model": "claude", "messages": SAID, "max_tokens": 9}


@cache
def cached(kind: type[Any], base: str, http: Any) -> Any:
    """A client of an SDK; making one takes as long as several streams."""
    return kind(api_key="k", base_url=base, max_retries=0, http_client=http)


class Sdks:
    """The sync SDKs."""

    def __init__(self, http: httpx2.Client) -> None:
        """Over this client."""
        self._http = http

    def openai(self, base: str) -> Any:
        """OpenAI's client for a base URL."""
        return cached(openai.OpenAI, f"{base}/v1", self._http)

    def anthropic(self, base: str) -> Any:
        """Anthropic's."""
        return cached(anthropic.Anthropic, base, self._http)

    def opened(self, api: str, base: str) -> Any:
        """A stream of an API."""
        if api == "messages":
            return self.anthropic(base).messages.create(**TOLD, stream=True)
        if api == "chat":
            return self.openai(base).chat.completions.create(**ASKED)
        return self.openai(base).responses.create(model="gpt-4o", input="hi", stream=True)


class AsyncSdks:
    """The async SDKs."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        """Over this client."""
        self._http = http

    def openai(self, base: str) -> Any:
        """OpenAI's client for a base URL."""
        return cached(openai.AsyncOpenAI, f"{base}/v1", self._http)

    def anthropic(self, base: str) -> Any:
        """Anthropic's."""
        return cached(anthropic.AsyncAnthropic, base, self._http)

    async def opened(self, api: str, base: str) -> Any:
        """A stream of an API."""
        if api == "messages":
            return await self.anthropic(base).messages.create(**TOLD, stream=True)
        if api == "chat":
            return await self.openai(base).chat.completions.create(**ASKED)
        return await self.openai(base).responses.create(model="gpt-4o", input="hi", stream=True)


_MANY: Final = httpx2.Limits(max_connections=None)


@contextmanager
def sdks() -> Iterator[Sdks]:
    """The sync SDKs, as long as the block lasts."""
    with httpx2.Client(verify=False, limits=_MANY, timeout=120) as http:
        yield Sdks(http)


@asynccontextmanager
async def async_sdks() -> AsyncIterator[AsyncSdks]:
    """The async SDKs, as long as the block lasts."""
    async with httpx2.AsyncClient(verify=False, limits=_MANY, timeout=120) as http:
        yield AsyncSdks(http)
