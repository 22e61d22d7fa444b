"""The served tier of a request, in one word, and how the price list asks for it.

Owns the names of tiers.  The list takes a context that it does not know for none, and charges the standard price
(ECOSYSTEM §3.2): so a tier that is not in these tables has no list price, and neither has one that the model's entry
does not name.  Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

STANDARD: Final = "standard"
FLEX: Final = "flex"
PRIORITY: Final = "priority"
BATCH: Final = "batch"
FAST: Final = "fast"

TIERS: Final = (STANDARD, FLEX, PRIORITY, FAST, BATCH)
"""Tiers that the price list knows, in the order of tables."""

_ALIASES: Final[Mapping[str, str]] = {
    "": STANDARD,
    "auto": STANDARD,
    "default": STANDARD,
    "standard_only": STANDARD,
    "on_demand": STANDARD,  # Groq, and traffic types of Vertex AI
    "unspecified": STANDARD,
    "traffic_type_unspecified": STANDARD,
    "on_demand_flex": FLEX,
    "on_demand_priority": PRIORITY,
}

_CONTEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    FLEX: {"service_tier": "flex"},
    PRIORITY: {"service_tier": "priority"},
    FAST: {"service_tier": "fast"},
    BATCH: {"processing": "batch"},
}

_ANTHROPIC_FAST: Final[Mapping[str, str]] = {"speed": "fast"}


def tier_of(served: str | None) -> str:
    """A served tier in one word: that of the provider in lower case, `standard` for every way to say that."""
    word = (served or "").strip().lower().replace("-", "_")
    return _ALIASES.get(word, word)


def context_of(provider: str, tier: str) -> Mapping[str, str] | None:
    """How the price list asks for a tier; None for one that it does not know, nothing for the standard one."""
    if tier == STANDARD:
        return {}
    return _ANTHROPIC_FAST if (provider, tier) == ("anthropic", FAST) else _CONTEXTS.get(tier)
