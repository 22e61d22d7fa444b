"""What load is wanted. Imports the standard library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Choice:
    """What to send, and how.

    Attributes:
        profile: Name of the mixture.
        requests: How many; None: as many as begin within `seconds`.
        seconds: No request begins later; None: no end but that of `requests`.
        open: Requests that are open at once.
        rate: Chunks a second; 0: as fast as it goes, with `timing` real at the pace of the streams.
        timing: `real` waits between chunks as streams do; with `none` requests take turns.
        chaos: Share of requests that trouble befalls.
        labels: Of every request, beside those of its own.
        seed: Equal seeds make equal streams in equal order.
        late_ms: How long after the rest of its request a late chunk is sent.
    """

    profile: str = "chat"
    requests: int | None = 1_000
    seconds: float | None = None
    open: int = 100
    rate: float = 0.0
    timing: Literal["real", "none"] = "none"
    chaos: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    seed: int = 1
    late_ms: int = 3_000
