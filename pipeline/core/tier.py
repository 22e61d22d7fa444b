"""The tier that served an attempt, as its payloads or the usage in them tell it (S-META-6).

Anthropic tells its fast mode, which has prices of its own, by another word beside a standard tier (Claude API, Fast
mode); gateways that pass its usage through leave both words there.
Imports the contract and the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from schemas.chunk import StreamType

_CHAT: Final = (StreamType.CHAT, StreamType.TEXT)
_FAST: Final = "fast"
_WORDS: Final = ("service_tier", "speed")


def served_tier(payloads: Sequence[Any], stream_type: str) -> str | None:
    """The newest tier that is told; payloads are in index order."""
    said: Sequence[tuple[Mapping[str, Any], Any]] = ()
    if stream_type in _CHAT:
        told = [each for each in payloads if each.service_tier or each.speed or each.usage]
        said = [({name: getattr(each, name) for name in _WORDS}, each.usage) for each in told]
    elif stream_type == StreamType.RESPONSES:
        said = [(each.response, each.response.get("usage")) for each in payloads if each.response is not None]
    tier, speed = (_newest(said, name) for name in _WORDS)
    return _FAST if speed == _FAST else tier


def _newest(said: Sequence[tuple[Mapping[str, Any], Any]], name: str) -> str | None:
    """A word of the highest payload that has it, in itself or in its usage."""
    for fields, usage in reversed(said):
        for word in (fields.get(name), usage.get(name) if isinstance(usage, dict) else None):
            if word and isinstance(word, str):
                return word
    return None
