"""What LiteLLM's stream wrapper keeps from its reader: usage, unless the reader asked for it, and how a stream ended.

Owns how the pieces of usage become one: LiteLLM's own sum is of no use here, since where a provider said nothing it
counts tokens by itself and does not say so. And owns the way to the wrapper that has read from the provider, through
those of the router and the generators of a proxy's other hooks. Imports this room only.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isframe
from typing import Any, Final

from pipeline.ingest.leaf import Payload, objects

_GENERATORS: Final = ("_async_generator", "_sync_generator")
"""Where the router's wrappers have what they hand on."""

_PASSED: Final = ("fallback_response", "model_response", "response")
"""What a generator of LiteLLM's that hands a stream on calls it; the fallback's after the first has failed."""

_DEEPEST: Final = 64
"""Hooks and fallbacks that are looked through."""


def wrapper_of(stream: Any) -> Any:
    """The wrapper that reads from the provider, behind whatever hands its events on; None if there is none.

    Leans on the frames of generators that are not at their end, because nothing else leads there: litellm.router's
    FallbackStreamWrapper and SyncFallbackStreamWrapper, through which all streams of a proxy come, have neither chunks
    nor finish_reason of their own.
    """
    for _ in range(_DEEPEST):
        generator = next((found for name in _GENERATORS if (found := getattr(stream, name, None)) is not None), None)
        if generator is None:
            if hasattr(stream, "received_finish_reason") and isinstance(getattr(stream, "chunks", None), list):
                return stream
            generator = stream
        frame = getattr(generator, "ag_frame", None) or getattr(generator, "gi_frame", None)
        if not isframe(frame):
            break
        stream = next((found for name in _PASSED if (found := frame.f_locals.get(name)) is not None), None)
    return None


def unfinished(wrapper: Any, payload: Payload) -> Payload:
    """An event without the finish_reason that LiteLLM has made up: to it a connection that breaks is an end.

    What it has of the provider it notes; of a stream that ended without one it says `stop`, or `tool_calls`.
    """
    received = getattr(wrapper, "received_finish_reason", None) or getattr(wrapper, "intermittent_finish_reason", None)
    if received is None and getattr(wrapper, "sent_last_chunk", False):
        for choice in objects(payload.get("choices")):
            choice["finish_reason"] = None
    return payload


def finishes(payload: Payload) -> bool:
    """Whether an event says of a choice that it is finished."""
    return any(choice.get("finish_reason") for choice in objects(payload.get("choices")))


def kept_usage(stream: Any) -> Payload | None:
    """A chunk with the usage that the provider stated, if the wrapper has any.

    Providers state it in pieces, as Anthropic does with the input at the start and the output at the end, and LiteLLM
    writes 0 for what a piece does not say: the last that is not 0 counts.
    """
    chunks = getattr(stream, "chunks", None)
    merged: dict[str, Any] = {}
    for chunk in chunks if isinstance(chunks, list) else []:
        usage = getattr(chunk, "usage", None)
        if usage is not None and hasattr(usage, "model_dump"):
            _merge(merged, usage.model_dump(mode="json", exclude_none=True))
    counts = [merged.get(name) or 0 for name in ("prompt_tokens", "completion_tokens")]
    return {"choices": [], "usage": {**merged, "total_tokens": sum(counts)}} if any(counts) else None


def _merge(merged: dict[str, Any], said: Mapping[str, Any]) -> None:
    for name, value in said.items():
        if isinstance(value, Mapping):
            inner = merged.get(name)
            merged[name] = dict(inner) if isinstance(inner, dict) else {}
            _merge(merged[name], value)
        elif value or name not in merged:
            merged[name] = value
