"""usageMetadata of Gemini → usage inclusive of what it states apart (WIRE §4), and the service tier.

Owns three sums. A prompt includes what was read from the cache, as Gemini's does, and what tools put into it, which
Gemini counts apart; output includes thoughts, which Gemini counts apart; the total is Gemini's own, which is the sum of
all of them. Counts are cumulative: each report stands for itself and replaces the one before. Zeros are left out by
Gemini, so a count that is absent beside others is 0. Facts: ai.google.dev/api/generate-content#UsageMetadata.

Imports this room's leaves only.
"""

from __future__ import annotations

import re
from typing import Final

from pipeline.ingest.leaf import Payload, count, objects, text

_COUNTS: Final = ("promptTokenCount", "candidatesTokenCount", "totalTokenCount")
"""A report without any of them (Vertex sends the traffic type alone until the end) says nothing of usage."""

_MODALITY: Final = re.compile("[A-Z]+")
_TIERS: Final = {"ON_DEMAND": "standard", "ON_DEMAND_FLEX": "flex", "ON_DEMAND_PRIORITY": "priority"}
"""serviceTier, by which Gemini names the same thing, by Vertex's trafficType; others are put into small letters."""


def usage_of(report: Payload, searches: int) -> Payload | None:
    """Usage as chunks carry it, None when the report states none.

    Args:
        report: usageMetadata.
        searches: Queries that the answer was grounded with, which are billed apart from tokens.
    """
    if all(count(report.get(name)) is None for name in _COUNTS):
        return None
    prompt = _number(report, "promptTokenCount") + _number(report, "toolUsePromptTokenCount")
    completion = _number(report, "candidatesTokenCount") + _number(report, "thoughtsTokenCount")
    total = count(report.get("totalTokenCount"))
    prompt_details = {
        **_modalities(report.get("promptTokensDetails"), report.get("toolUsePromptTokensDetails")),
        "cached_read_tokens": count(report.get("cachedContentTokenCount")),
        **{f"cached_{name}": number for name, number in _modalities(report.get("cacheTokensDetails")).items()},
        "tool_use_tokens": count(report.get("toolUsePromptTokenCount")),
    }
    completion_details = {
        **_modalities(report.get("candidatesTokensDetails")),
        "reasoning_tokens": count(report.get("thoughtsTokenCount")),
        "num_search_queries": searches or None,
    }
    usage = {
        "prompt_tokens": prompt,
        "prompt_tokens_details": _known(prompt_details),
        "completion_tokens": completion,
        "completion_tokens_details": _known(completion_details),
        "total_tokens": prompt + completion if total is None else total,
    }
    return _known(usage)


def tier_of(report: Payload) -> str | None:
    """The tier that served the request."""
    traffic = text(report.get("trafficType"))
    if traffic is not None:
        traffic = None if traffic == "TRAFFIC_TYPE_UNSPECIFIED" else _TIERS.get(traffic, traffic.lower())
    return text(report.get("serviceTier")) or traffic


def _number(report: Payload, name: str) -> int:
    return count(report.get(name)) or 0


def _modalities(*tables: object) -> dict[str, int]:
    """Tokens by modality, under the names of WIRE §4: text_tokens, image_tokens and so on."""
    found: dict[str, int] = {}
    for row in (row for table in tables for row in objects(table)):
        modality, number = row.get("modality"), count(row.get("tokenCount"))
        if number is not None and isinstance(modality, str) and _MODALITY.fullmatch(modality):
            name = f"{modality.lower()}_tokens"
            found[name] = found.get(name, 0) + number
    return found


def _known(fields: Payload) -> Payload | None:
    return {key: value for key, value in fields.items() if value is not None} or None
