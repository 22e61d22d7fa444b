"""What an attempt cost, by whoever knows best: gateway, provider, own prices, list prices (CONTRACT §2).

A stated cost wins, and stays, unless it is a 0 for something that was used and is not known to be free.  Owns that
order, and what of an attempt its price depends on.  Imports pipeline.core and the contract only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from pipeline.core.cost import (
    CACHE_HIT,
    GATEWAY,
    GATEWAY_ZERO,
    NO_PRICES,
    PRICE_ERROR,
    PROVIDER_ZERO,
    RETRIEVED,
    ZERO,
    Price,
    Unpriced,
    decimal_of,
    provider_price,
)
from pipeline.core.facts import Attempt, raw_request
from pipeline.core.output import Json
from pipeline.core.usage import TOKENS
from pipeline.core.valuation import Call, Pricer, Units
from schemas.chunk import StreamType

_SECONDS: Final = ("audio_seconds", "prompt_audio_seconds", "seconds")
"""Where usages say how long the sound was: WIRE §4, Mistral, WIRE §4."""
_TOOLS: Final = {
    "web_search_call": "web_searches",
    "file_search_call": "file_searches",
    "code_interpreter_call": "code_executions",
    "image_generation_call": "image_generations",
}
"""Items of the Responses API that stand for a call which is billed beside the tokens (WIRE §10)."""
_SEARCH: Final = "search"
"""Action of a web_search_call that is billed; opening a page that was found is not."""
_FINISHED_IMAGE: Final = frozenset({"image_generation.completed", "image_edit.completed"})
_HIT_TYPE_DIRECT: Final = "direct"

_RETRIEVALS: Final = frozenset({"responses_retrieve_stream"})
"""Calls that give out a response once more, with the usage of the first time (WIRE §1)."""

_NOTHING: Final = Units()


def appraise(
    attempts: Sequence[Attempt], stream_type: str, at: datetime, pricer: Pricer | None
) -> list[Price | Unpriced | None]:
    """What each attempt cost; None for one of which no use and no cost is known."""
    request = None
    if stream_type == StreamType.AUDIO:
        request = raw_request([chunk for attempt in attempts for chunk in attempt.chunks])
    return [appraise_call(attempt, call_of(attempt, stream_type, at, request), pricer) for attempt in attempts]


def appraise_call(attempt: Attempt, call: Call, pricer: Pricer | None) -> Price | Unpriced | None:
    """What an attempt cost.

    Args:
        attempt: whose chunks may state a cost.
        call: what was used.
        pricer: own prices and list prices.
    """
    gateway, own = decimal_of(attempt.cost), provider_price(attempt.token_usage)
    if gateway:
        return Price(gateway, GATEWAY)
    if (attempt.cache_debug or {}).get("cache_hit") is True:
        return Price(ZERO, GATEWAY) if gateway is not None else _from_cache(attempt.cache_debug or {}, call, pricer)
    stated = Price(ZERO, GATEWAY) if gateway is not None else own
    if attempt.call in _RETRIEVALS:
        return Unpriced(RETRIEVED) if stated is None else stated
    if own is not None and own.total:
        return own if gateway is None else own._replace(reason=GATEWAY_ZERO)
    if stated is None:
        return _priced(call, pricer) if call.usage is not None or call.units != _NOTHING else None
    if not _used(call):
        return stated
    found = _priced(call, pricer)
    why = PROVIDER_ZERO if gateway is None else GATEWAY_ZERO
    if isinstance(found, Unpriced):
        return Unpriced(f"{why}: {found.reason}")
    return found._replace(reason=why) if found.total else stated


def call_of(attempt: Attempt, stream_type: str, at: datetime, request: Any = None) -> Call:
    """What of an attempt its price depends on; `request` is what was sent upstream, where it is known."""
    return Call(
        provider=attempt.provider,
        model=attempt.model,
        stream_type=stream_type,
        at=at,
        usage=attempt.token_usage,
        service_tier=attempt.service_tier,
        units=_UNITS[stream_type](attempt, request),
    )


def _priced(call: Call, pricer: Pricer | None) -> Price | Unpriced:
    if pricer is None:
        return Unpriced(NO_PRICES)
    try:
        return pricer.price(call)
    except Exception:  # noqa: BLE001  CONTRACT G4: a price exception is cost null with a reason
        return Unpriced(PRICE_ERROR)


def _from_cache(cache_debug: Json, call: Call, pricer: Pricer | None) -> Price | Unpriced:
    """An answer out of the gateway's cache costs what finding it cost: nothing, or the embedding of the question."""
    tokens = cache_debug.get("input_tokens")
    if cache_debug.get("hit_type") == _HIT_TYPE_DIRECT or type(tokens) is not int or tokens <= 0:
        return Price(ZERO, GATEWAY, reason=CACHE_HIT)
    embedding = Call(
        provider=cache_debug.get("provider_used"),
        model=cache_debug.get("model_used"),
        stream_type=call.stream_type,
        at=call.at,
        usage={"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens},
        service_tier=None,
    )
    found = _priced(embedding, pricer)
    return Unpriced(f"{CACHE_HIT}: {found.reason}") if isinstance(found, Unpriced) else found._replace(reason=CACHE_HIT)


def _used(call: Call) -> bool:
    """Whether the provider is known to have done something."""
    usage = call.usage or {}
    return any(usage.get(name) for name in TOKENS) or bool(call.units.seconds) or bool(usage.get("input_chars"))


def _no_units(_: Attempt, __: Any) -> Units:
    return _NOTHING


def _chat_units(attempt: Attempt, _: Any) -> Units:
    seconds = _seconds(attempt.token_usage)
    return _NOTHING if seconds is None else Units(seconds=seconds)


def _speech_units(attempt: Attempt, request: Any) -> Units:
    """Characters as the usage says, else of the request, if something was spoken."""
    usage = attempt.token_usage or {}
    characters = usage.get("input_chars")
    if type(characters) is not int or characters < 0:
        text = _spoken(request) if attempt.output.content_times else None
        characters = None if text is None else len(text)
    return Units(characters=characters, seconds=_seconds(usage))


def _spoken(request: Any) -> str | None:
    """The text that a request wants spoken: `input` as text or object (WIRE §7), `text` with some providers."""
    for name in ("input", "text"):
        found = request.get(name) if isinstance(request, dict) else None
        found = found.get(name) if isinstance(found, dict) else found
        if isinstance(found, str):
            return found
    return None


def _transcription_units(attempt: Attempt, _: Any) -> Units:
    """Seconds as the usage says (S-TR-5), else the length of the sound."""
    shown = attempt.output.transcription_output or {}
    seconds = _seconds(shown.get("usage"))
    return Units(seconds=_seconds({"seconds": shown.get("duration")}) if seconds is None else seconds)


def _image_units(attempt: Attempt, _: Any) -> Units:
    """Images that ended; of those without events that say so, what there is, also where it was not kept."""
    ended = {chunk.image_index for chunk in attempt.chunks if getattr(chunk.response, "type", None) in _FINISHED_IMAGE}
    if ended or attempt.error is not None:
        return Units(images=len(ended) or None)
    shown = (attempt.output.image_generation_output or {}).get("data") or ()
    hidden = {chunk.image_index or 0 for chunk in attempt.chunks if chunk.said is not None}
    if hidden:
        hidden -= {image["index"] for image in shown}
    return Units(images=len(shown) + len(hidden) or None)


def _responses_units(attempt: Attempt, _: Any) -> Units:
    items = attempt.output.output_messages
    if not items:
        return _NOTHING
    kinds = (item["type"] for item in items if isinstance(item.get("type"), str) and _billed(item))
    tools = Counter(_TOOLS[kind] for kind in kinds if kind in _TOOLS)
    return Units(tools=dict(tools)) if tools else _NOTHING


def _billed(item: Json) -> bool:
    """Whether a call of a tool counts: not one that failed, and of web searches only the search itself."""
    action = item.get("action")
    kind = action.get("type") if isinstance(action, dict) else None
    return item.get("status") != "failed" and (item["type"] != "web_search_call" or kind in (None, _SEARCH))


def _seconds(usage: Mapping[str, Any] | None) -> Decimal | None:
    if usage is None or usage.keys().isdisjoint(_SECONDS):
        return None
    found = (decimal_of(usage.get(name)) for name in _SECONDS)
    return next((seconds for seconds in found if seconds is not None and seconds >= 0), None)


_UNITS: Final[Mapping[str, Callable[[Attempt, Any], Units]]] = {
    StreamType.TEXT: _no_units,
    StreamType.CHAT: _chat_units,
    StreamType.AUDIO: _speech_units,
    StreamType.TRANSCRIPTION: _transcription_units,
    StreamType.IMAGE: _image_units,
    StreamType.RESPONSES: _responses_units,
}
