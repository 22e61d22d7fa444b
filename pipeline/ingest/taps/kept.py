"""What LiteLLM's stream wrapper keeps from its reader: usage, unless the reader asked for it.

Owns how the pieces of it become one usage. LiteLLM's own sum is of no use here: where a provider said nothing it counts
tokens by itself and does not say so. Imports this room only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.ingest.leaf import Payload


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
