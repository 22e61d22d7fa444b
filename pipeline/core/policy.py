"""The rules that may be set: graces, windows, limits (CONTRACT §2, §4, §6).  Durations in ms, sizes in bytes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final, Literal

import msgspec

LatePolicy = Literal["revise", "dead_letter"]
Capture = Literal["full", "metadata", "hash"]
EstimateUsage = Literal["off", "characters", "tokenizer"]

_SHAPING: Final = (
    "ledger",
    "finish_grace",
    "attempt_grace",
    "session_window",
    "max_request_age",
    "revise_window",
    "late_policy",
    "max_chunk_bytes",
    "max_bytes",
    "max_chunks",
    "max_record_bytes",
    "capture",
)


@dataclass(frozen=True)
class Policy:
    """What decides when a request closes and what its record holds.

    Attributes:
        ledger: keeps staging and production apart; part of every record_id.
        finish_grace: wait for usage, cost and end markers after the end was seen.
        attempt_grace: wait for a fallback attempt after an error.
        session_window: silence after which a request is incomplete.
        max_request_age: a request closes at this age whatever happens.
        revise_window: how long after closing late chunks make a revision.
        marker_retention: how long a closed request is remembered.
        late_policy: what late chunks do: a revision, or a dead letter.
        max_chunk_bytes: a larger chunk is a dead letter `oversize`.
        max_bytes: content beyond is not stored.
        max_chunks: content of chunks beyond is not stored.
        max_record_bytes: a larger record sheds raw payloads, then content, never money.
        capture: `full` keeps content; `metadata` never stores any; `hash` puts a digest in its place in the record.
        estimate_usage: how the usage of a cut stream is estimated when its provider stated none.
        tokenizer: name and version of what counts tokens, with `estimate_usage` tokenizer.
    """

    ledger: str = "main"
    finish_grace: int = 2_000
    attempt_grace: int = 60_000
    session_window: int = 300_000
    max_request_age: int = 86_400_000
    revise_window: int = 3_600_000
    marker_retention: int = 86_400_000
    late_policy: LatePolicy = "revise"
    max_chunk_bytes: int = 8 << 20
    max_bytes: int = 64 << 20
    max_chunks: int = 100_000
    max_record_bytes: int = 8 << 20
    capture: Capture = "full"
    estimate_usage: EstimateUsage = "off"
    tokenizer: str | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the settings that shape a record (`config_digest`), first 16 hex digits.

        Estimation counts only where it is on, so that records made before there was any keep their digest.
        """
        values = asdict(self)
        names = _SHAPING if self.estimate_usage == "off" else (*_SHAPING, "estimate_usage", "tokenizer")
        return sha256(msgspec.json.encode([[name, values[name]] for name in names])).hexdigest()[:16]
