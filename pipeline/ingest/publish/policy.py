"""How a publisher behaves when Kafka is slow or away: its bounds, as one frozen value.

Owns the defaults and the reason for each. Imports the standard library, the errors and this package's reports.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.ingest.publish.stats import Report


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Bounds of a publisher.

    Attributes:
        buffer_bytes: Bytes of chunks kept in memory until Kafka or the spool has them; who comes later waits.
        buffer_chunks: The same as a number of chunks.
        budget: Longest that one call waits for room, in seconds; after one that waited in vain nobody waits until
            there is room again. Past it a chunk still gets in, up to twice the bounds; beyond that it is refused.
        patience: Seconds without any delivery after which Kafka counts as away and chunks go to the spool.
        reconnect: Seconds between two attempts to reach Kafka; doubled by each that fails, up to reconnect_most.
        reconnect_most: Longest pause between two attempts, in seconds.
        linger: Seconds in which chunks gather before they are sent. Few large rounds leave more of the processor and
            its caches to the streams than many small ones do.
        spool: Directory of the spool; None is `spool/LEDGER` in the settings' data_dir.
        spool_bytes: Most that the spool of this publisher takes on disk; what does not fit is refused and reported.
        sync: Seconds between two fsyncs of the spool while it is written.
        on_report: Told of each thing that went wrong, maybe on the publisher's own thread; it must be quick. Without
            one, reports are logged.
    """

    buffer_bytes: int = 64 << 20
    buffer_chunks: int = 100_000
    budget: float = 0.05
    patience: float = 3.0
    reconnect: float = 0.5
    reconnect_most: float = 5.0
    linger: float = 0.02
    spool: Path | None = None
    spool_bytes: int = 4 << 30
    sync: float = 1.0
    on_report: Callable[[Report], None] | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for bounds with which nothing could ever be sent."""
        if min(self.buffer_bytes, self.buffer_chunks) < 1:
            raise UsageError("a publisher needs room for a chunk", hint="give buffer_bytes and buffer_chunks over 0")
        if min(self.budget, self.linger, self.sync, self.spool_bytes) < 0:
            raise UsageError("budget, linger, sync and spool_bytes can't be negative", hint="0 is the least")
        if min(self.patience, self.reconnect, self.reconnect_most) <= 0:
            raise UsageError("patience and reconnect must be over 0 seconds", hint="leave them out for the defaults")
