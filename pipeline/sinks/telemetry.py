"""What a sink shows: rows that are committed, how far it is behind, and whether it lives and is ready.

Whoever looks does so in a thread of its own and only reads. Imports exposition and the other modules of `sinks`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from pipeline.exposition.family import Looked, Sample, registry
from pipeline.exposition.pulse import Pulse
from pipeline.exposition.server import Shown
from pipeline.sinks.database import dialect_of
from pipeline.sinks.plan import Summary
from pipeline.sinks.stop import Stop
from pipeline.topics.tail import Tail

BEGIN = "waiting for Kafka and the database"


class Telemetry:
    """Of one sink process.

    Attributes:
        pulse: tells whether the loop turns.
        trouble: what keeps it from doing its part; None when nothing does.
    """

    def __init__(self, db: str, summary: Summary, stop: Stop) -> None:
        """Nothing is opened yet; `summary` is what is done, `stop` whether it is to end."""
        self.pulse = Pulse()
        self.trouble: str | None = BEGIN
        self._sink, self._summary, self._stop = dialect_of(db).value, summary, stop
        self._tail: Tail | None = None
        self._ends: Mapping[int, int] = {}
        self._current = time.monotonic()

    def follows(self, tail: Tail, ends: Mapping[int, int]) -> None:
        """It reads this, which ended there when it was opened."""
        self._tail, self._ends = tail, ends

    def current(self) -> None:
        """All that was read is committed, or a batch of it just was."""
        self._current = time.monotonic()

    def shown(self) -> Shown:
        """For the port."""
        return Shown(registry(Looked(self.samples)), self.pulse.reasons, self.reasons)

    def reasons(self) -> list[str]:
        """What speaks against being ready."""
        if self._stop.wished:
            return ["stopping"]
        return [] if self.trouble is None else [self.trouble]

    def samples(self) -> Iterator[Sample]:
        """Values of all metrics."""
        written, lags = self._summary.written, self._lags()
        yield Sample("sink_ready", not self.reasons(), (self._sink,))
        yield Sample("sink_rows", written.rows, (self._sink,))
        yield Sample("sink_rejects", written.rejects, (self._sink,))
        for number, lag in lags.items():
            yield Sample("sink_lag_offsets", lag, (self._sink, str(number)))
        age = time.monotonic() - self._current if any(lags.values()) else 0.0
        yield Sample("sink_commit_age_seconds", age, (self._sink,))

    def _lags(self) -> dict[int, int]:
        """By partition, against the ends that the consumer has heard of."""
        heard = {} if self._tail is None else self._tail.heard()
        positions = self._summary.positions
        return {
            number: max(0, max(heard.get(number, 0), end) - positions.get(number, 0))
            for number, end in sorted({**heard, **self._ends}.items())
        }
