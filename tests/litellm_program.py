"""LiteLLM's streams, tapped: a program of its own, since importing litellm takes long and warns.

    python -m tests.litellm_program

Prints one JSON object by the name of each case. The proxy's package is not installed whole: its hook is called here as
`ProxyLogging` calls it, with the proxy's own class of keys.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # nothing is fetched

import litellm
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import UserAPIKeyAuth
from litellm.router import Router

from pipeline.ingest.taps import tap
from pipeline.ingest.taps.litellm import StreamledgerLogger
from tests.notebook import AsyncNotebook, Notebook, Notes
from tests.streams_server import Server, serving

SAID = [{"role": "user", "content": "hi"}]
KEY = UserAPIKeyAuth(api_key="sk-1", key_alias="mine", team_id="search", user_email="somebody@example.com")


def told(notes: Notes, *, same: bool) -> dict[str, Any]:
    """What a case says."""
    opened = {name: value for name, value in notes.opened.items() if name != "start_timestamp"}
    started = "start_timestamp" in notes.opened
    said = {name: value for name, value in vars(notes).items() if name != "skip_by"}
    return {**said, "opened": opened, "started": started, "errors": notes.kinds, "same": same}


def asked(server: Server, model: str, way: str = "plain") -> dict[str, Any]:
    """Arguments of a call."""
    base = server.url(way) + ("" if model.startswith("anthropic") else "/v1")
    return {"model": model, "api_base": base, "api_key": "k", "messages": SAID, "stream": True}


def dumped(events: list[Any]) -> list[Any]:
    """Events as they go to a client, without the times at which LiteLLM made them."""
    return [{**event.model_dump(mode="json"), "created": 0, "id": ""} for event in events]


def sync_stream(server: Server) -> dict[str, Any]:
    """A stream of the SDK, tapped."""
    book = Notebook()
    bare = litellm.completion(**asked(server, "openai/gpt-4o"))
    stream = tap(litellm.completion(**asked(server, "openai/gpt-4o")), book, labels={"team": "search"})
    kept = isinstance(stream, litellm.CustomStreamWrapper) and stream.custom_llm_provider == "openai"
    same = dumped(list(bare)) == dumped(list(stream))
    return told(book.only, same=same and kept)


async def routed(server: Server, model: str, way: str = "plain") -> Any:
    """A stream as the proxy's router hands it on, behind the hook that all of the proxy's own loggers have."""
    parameters = {
        name: value for name, value in asked(server, model, way).items() if name not in ("messages", "stream")
    }
    router: Any = Router(model_list=[{"model_name": "mine", "litellm_params": parameters}], num_retries=0)
    response = await router.acompletion(model="mine", messages=SAID, stream=True)
    handed = CustomLogger().async_post_call_streaming_iterator_hook(
        user_api_key_dict=KEY, response=response, request_data={}
    )
    return response.logging_obj, handed


async def direct(server: Server, model: str, way: str = "plain") -> Any:
    """A stream of the SDK."""
    response = await litellm.acompletion(**asked(server, model, way))
    return response.logging_obj, response


async def hooked(
    server: Server, model: str, way: str = "plain", take: int | None = None, *, come: Any = direct
) -> dict[str, Any]:
    """A stream of the proxy."""
    book = AsyncNotebook()
    hook = StreamledgerLogger(book).async_post_call_streaming_iterator_hook
    bare = [event async for event in (await come(server, model, "plain" if way == "error" else way))[1]]
    logging, response = await come(server, model, way)
    data = {"litellm_call_id": "call-1", "litellm_logging_obj": logging}
    events = hook(user_api_key_dict=KEY, response=response, request_data=data)
    seen = []
    try:
        async for event in events:
            seen.append(event)
            if len(seen) == take:
                break
    except litellm.exceptions.MidStreamFallbackError:
        pass
    finally:
        await events.aclose()
    return told(book.only, same=dumped(bare)[: len(seen)] == dumped(seen))


async def raw(kind: str) -> dict[str, Any]:
    """What the proxy hands on of other endpoints: text of events, and objects of the Responses API."""
    book = AsyncNotebook()
    text = 'event: message_start\ndata: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":3}}}\n\n'
    events: list[Any] = (
        [text[:30], text[30:]] if kind == "messages" else [{"type": "response.completed", "response": {}}]
    )

    async def response() -> Any:
        for event in events:
            yield event

    hook = StreamledgerLogger(book, labels={}).async_post_call_streaming_iterator_hook
    seen = [event async for event in hook(user_api_key_dict=KEY, response=response(), request_data={})]
    return told(book.only, same=seen == events)


async def main(server: Server) -> dict[str, Any]:
    """All cases."""
    return {
        "openai": await hooked(server, "openai/gpt-4o"),
        "anthropic": await hooked(server, "anthropic/claude-sonnet-5"),
        "error": await hooked(server, "openai/gpt-4o", "error"),
        "left": await hooked(server, "openai/gpt-4o", take=3),
        "reset": await hooked(server, "openai/gpt-4o", "reset"),
        "cut": await hooked(server, "anthropic/claude-sonnet-5", "cut"),
        "routed": await hooked(server, "anthropic/claude-sonnet-5", come=routed),
        "routed reset": await hooked(server, "openai/gpt-4o", "reset", come=routed),
        "messages": await raw("messages"),
        "responses": await raw("responses"),
    }


if __name__ == "__main__":
    with serving() as started:
        cases = {"sync": sync_stream(started), **asyncio.run(main(started))}
    json.dump(cases, sys.stdout)
