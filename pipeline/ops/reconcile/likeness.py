"""The print of a chunk: what a repeat must have in common with the first, so that it is told from a conflict.

Known fields without the timestamp and the provider's latency (CONTRACT §1); an absent field is a null one, 1.0 is 1.
Imports msgspec and this room.
"""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

import msgspec

from pipeline.ops.reconcile.envelope import Json
from pipeline.ops.reconcile.fields import known
from schemas.leaves import MAX_INTEGER


def print_of(document: Json, stream_type: str) -> int:
    """CRC-32 of what a repeat must have in common with the first: known fields, but for the time and the latency."""
    same = {name: document[name] for name in known(None) if name in document}
    payload = same.get("response")
    if isinstance(payload, dict):
        same["response"] = pruned = _pruned(payload, known(stream_type))
        extra = pruned.get("extra_fields")
        if isinstance(extra, dict):
            extra.pop("latency", None)
            if not extra:
                del pruned["extra_fields"]
    kept = {
        name: _even(value)
        for name, value in same.items()
        if value is not None and (name == "response" or value not in ({}, False))
    }
    try:
        return crc32(msgspec.json.encode(kept, order="sorted"))
    except (UnicodeEncodeError, RecursionError):
        return crc32(json.dumps(kept, sort_keys=True).encode())


def _pruned(value: Json, spec: Any) -> Json:
    """Known fields that are not null, down to where anything may stand."""
    pruned: Json = {}
    for name, inner in spec.items():
        child = value.get(name)
        if child is None:
            continue
        if inner and isinstance(child, dict):
            child = _pruned(child, inner)
        elif inner and isinstance(child, list):
            child = [_pruned(each, inner) if isinstance(each, dict) else each for each in child]
        pruned[name] = _even(child)
    return pruned


def _even(value: Any) -> Any:
    """1.0 as 1: one number."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_INTEGER else value
