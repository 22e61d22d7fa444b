"""What no gateway should send: each kind with the reason under which it must lie in the dead letters, exactly once.

Imports the standard library and the streams only.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from tests.chaos.streams import Request

MAX_CHUNK_BYTES: Final = 1 << 20
"""The workers' setting: small, so that a chunk beyond it is sent now and then."""

PLAIN: Final[Sequence[str]] = (
    "not_json",
    "tombstone",
    "no_key",
    "wrong_key",
    "negative_index",
    "no_timestamp",
    "unknown_type",
    "from_the_future",
    "oversize",
)
NEIGHBOURS: Final[Sequence[str]] = ("other_type", "conflict")
"""Aimed at a request that is open: sent just after its first chunk."""


class Garbage(NamedTuple):
    """A bad record.

    Attributes:
        reason: Why it must be refused.
        key: As sent.
        value: As sent.
        request_id: The request it aims at, if it depends on one that is still open.
    """

    reason: str
    key: bytes | None
    value: bytes | None
    request_id: str | None = None


def garbage(draw: random.Random, beside: Request, number: int, kinds: Sequence[str] = PLAIN) -> Garbage:
    """A bad record.

    Args:
        draw: Of the plan.
        beside: A request whose chunk it is made of.
        number: Of the chunk.
        kinds: One of these; NEIGHBOURS only where no other chunk of the request was sent, so that it is open.
    """
    kind = draw.choice(kinds)
    ident = f"bad-{draw.randrange(1 << 48):012x}"
    chunk = json.loads(beside.chunks[number])
    if kind in NEIGHBOURS:
        return _neighbour(kind, beside, chunk)
    chunk["request_id"] = ident
    key = ident.encode()
    if kind == "not_json":
        return Garbage("not_json", key, draw.randbytes(draw.randint(1, 300)) + b"\xff")
    if kind == "tombstone":
        return Garbage("not_json", key, None)
    if kind == "no_key":
        return Garbage("key_mismatch", None, _encoded(chunk))
    if kind == "wrong_key":
        return Garbage("key_mismatch", key + b"x", _encoded(chunk))
    if kind == "oversize":
        return Garbage("oversize", key, _encoded(chunk | {"raw_request": "x" * MAX_CHUNK_BYTES}))
    if kind == "from_the_future":
        return Garbage("unsupported_version", key, _encoded(chunk | {"schema_version": 2}))
    if kind == "no_timestamp":
        del chunk["timestamp"]
    elif kind == "negative_index":
        chunk["chunk_index"] = -1
    else:
        chunk["stream_type"] = "telegram"
    return Garbage("invalid", key, _encoded(chunk))


def _neighbour(kind: str, beside: Request, chunk: dict[str, object]) -> Garbage:
    """Another type, or other content under an identity that is taken."""
    key = beside.request_id.encode()
    if kind == "other_type":
        other = "audio.speech" if chunk["stream_type"] != "audio.speech" else "text.completion"
        return Garbage("stream_type_conflict", key, _encoded(chunk | {"stream_type": other, "response": {}}))
    return Garbage("conflict", key, _encoded(chunk | {"model": "m-2"}), beside.request_id)


def _encoded(chunk: dict[str, object]) -> bytes:
    return json.dumps(chunk).encode()
