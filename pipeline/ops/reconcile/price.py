"""List prices computed once more: by genai-prices' own calculator, and for an overlay by plain multiplication.

Owns what can be computed from a record alone, and why the rest can't.  Shares with `pipeline.pricing` the data, never
the arithmetic.  The price list is loaded with the first record that was priced by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple

from schemas.chunk import StreamType
from schemas.leaves import parse_timestamp

Json = Mapping[str, Any]

CATALOG: Final = "catalog"
OVERLAY: Final = "overlay"
EQUAL: Final = "equal"
DIFFERENT: Final = "different"
UNCHECKED: Final = "unchecked"
NONE: Final = "none"

CENT: Final = Decimal("1e-9")
"""USD below which two computations agree: a division that does not end is rounded at 1e-12 for each line."""

_PLAIN: Final = (StreamType.CHAT, StreamType.TEXT, StreamType.RESPONSES)
_STANDARD: Final = ("", "auto", "default", "standard", "standard_only", "on_demand", "unspecified")
_CONTEXTS: Final = {
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "batch": {"processing": "batch"},
}
_MODALITIES: Final = ("audio_tokens", "image_tokens", "video_tokens", "num_search_queries")
_TOOLS: Final = ("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call")


class Check(NamedTuple):
    """What a computation gave: EQUAL, DIFFERENT and the amount, UNCHECKED and why, NONE where no list price counts."""

    result: str
    told: str = ""


class _Calculation(NamedTuple):
    """Everything that a price is computed from."""

    price_id: str
    counts: Mapping[str, int]
    at: datetime
    tier: str


class _CantTellError(Exception):
    """Why a price can't be computed here."""


class Prices:
    """The data of prices: the list, and an overlay."""

    def __init__(self, overlay: Path | None = None) -> None:
        """Load nothing yet."""
        self._path = overlay

    def check(self, record: Json) -> Check:
        """Compute a record's list price again."""
        details = record["cost_details"] or {}
        source, total = details.get("source"), details.get("total")
        if source not in (CATALOG, OVERLAY) or total is None:
            return Check(NONE)
        try:
            found = self._compute(record, details, source)
        except _CantTellError as why:
            return Check(UNCHECKED, str(why))
        if any(abs(amount - Decimal(total)) <= CENT for amount in found):
            return Check(EQUAL)
        return Check(DIFFERENT, f"{found[0].normalize():f}")

    def _compute(self, record: Json, details: Json, source: str) -> Sequence[Decimal]:
        asked = _asked(record, details)
        calculate, wanted = self._overlay if source == OVERLAY else self._catalog
        if details.get("price_hash") != wanted:
            raise _CantTellError("other price data")
        amounts = [calculate(asked)]
        if asked.counts.get("cache_read_tokens"):  # a list may err, but a read of the cache is never dearer
            amounts.append(calculate(asked._replace(counts={**asked.counts, "cache_read_tokens": 0})))
            amounts = [amounts[0]] if amounts[1] > amounts[0] else amounts
        return amounts

    @cached_property
    def _catalog(self) -> tuple[Callable[[_Calculation], Decimal], str]:
        data = resources.files("genai_prices").joinpath("data.py").read_bytes()
        return _by_list, hashlib.sha256(data).hexdigest()[:16]

    @cached_property
    def _overlay(self) -> tuple[Callable[[_Calculation], Decimal], str]:
        from pipeline.pricing.overlay_file import read  # noqa: PLC0415  (few have one)

        if self._path is None:
            raise _CantTellError("no overlay given")
        overlay = read(self._path)

        def calculate(asked: _Calculation) -> Decimal:
            provider, _, model = asked.price_id.partition("/")
            entry = overlay.find(provider, model) or overlay.find_pattern(provider, model)
            rates = None if entry is None else entry.rates(asked.at, asked.tier or "standard")
            if rates is None:
                raise _CantTellError("no such entry in the overlay")
            prices = {
                rate.unit.name: Decimal(rate.price(asked.counts["input_tokens"])) / rate.per for rate in rates.rates
            }
            return _multiplied(prices, asked.counts)

        return calculate, overlay.hash


def _asked(record: Json, details: Json) -> _Calculation:
    """What a price is to be computed from; records with more than tokens of text can't tell."""
    usage = record["token_usage"] or {}
    inputs, outputs = (usage.get(f"{side}_tokens_details") or {} for side in ("prompt", "completion"))
    items = record["output_messages"] or ()
    price_id = details.get("price_id") or ""
    if record["stream_type"] not in _PLAIN:
        raise _CantTellError("not tokens of text alone")
    if any(table.get(name) for table in (inputs, outputs) for name in _MODALITIES):
        raise _CantTellError("not tokens of text alone")
    if "server_side_tool_usage_details" in usage or any(item.get("type") in _TOOLS for item in items):
        raise _CantTellError("tools of the provider")
    if len(record["attempts"] or ()) > 1 or "," in price_id:
        raise _CantTellError("several attempts")
    if "compaction" in usage or "advisors" in usage:
        raise _CantTellError("samplings beside the answer")
    if "inference_geo" in usage:
        raise _CantTellError("the price of a place")
    if (record["cost_details"] or {}).get("reason") == "cache_hit":
        raise _CantTellError("the price of a cache hit")
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if prompt is None or completion is None:
        raise _CantTellError("one side of the usage is unknown")
    lifetimes = inputs.get("cached_write_token_details") or {}
    counts = {
        "input_tokens": prompt,
        "output_tokens": completion,
        "cache_read_tokens": inputs.get("cached_read_tokens"),
        "cache_write_tokens": inputs.get("cached_write_tokens"),
        "cache_write_5m_tokens": lifetimes.get("cached_write_tokens_5m"),
        "cache_write_1h_tokens": lifetimes.get("cached_write_tokens_1h"),
        "output_reasoning_tokens": outputs.get("reasoning_tokens"),
        "output_citation_tokens": outputs.get("citation_tokens"),
    }
    word = (record["service_tier"] or "").strip().lower().replace("-", "_")
    tier = "" if word in _STANDARD else word
    if tier and tier not in _CONTEXTS:
        raise _CantTellError("service tier")
    at = parse_timestamp(record["start_timestamp"])
    return _Calculation(price_id, {name: value for name, value in counts.items() if value}, at, tier)


def _by_list(asked: _Calculation) -> Decimal:
    """By the list's own library."""
    from genai_prices.data import providers  # noqa: PLC0415  (half a second)
    from genai_prices.types import Usage as Used  # noqa: PLC0415

    seller, _, name = asked.price_id.partition("/")
    provider = next((each for each in providers if each.id == seller), None)
    models = () if provider is None else provider.models
    model = next((each for each in models if each.id == name), None)
    if provider is None or model is None:
        raise _CantTellError("an entry that the list has elsewhere")
    try:
        found = model.calc_price(
            Used(**asked.counts),
            provider,
            genai_request_timestamp=asked.at,
            price_context=_CONTEXTS.get(asked.tier),
        )
    except (ValueError, LookupError):
        raise _CantTellError("the list's own library refuses") from None
    return Decimal(found.total_price)


_INPUTS: Final = ("cache_read_tokens", "cache_write_1h_tokens", "cache_write_5m_tokens", "cache_write_tokens")
_OUTPUTS: Final = ("output_reasoning_tokens", "output_citation_tokens")


def _multiplied(prices: Mapping[str, Decimal], counts: Mapping[str, int]) -> Decimal:
    """Each part that has a price at its own, the rest at that of its side."""
    total = Decimal(0)
    for side, parts in (("input_tokens", _INPUTS), ("output_tokens", _OUTPUTS)):
        rest = counts.get(side, 0)
        if side not in prices and rest:
            raise _CantTellError("not priced by tokens")
        written = 0
        for part in parts:
            if part not in prices:
                continue
            used = counts.get(part, 0)
            if part == "cache_write_tokens":
                used -= written
            elif part.startswith("cache_write_"):
                written += used
            total += used * prices[part]
            rest -= used
        total += rest * prices.get(side, Decimal(0))
    return total + prices.get("requests", Decimal(0))
