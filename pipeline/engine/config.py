"""What the engine needs to know: names and limits that follow from the settings, and its own timings with reasons.

Owns no default of a setting. Imports `schemas.topics`, the settings, the prices and the core's policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pipeline.core.policy import Policy
from pipeline.core.valuation import UNVALUED, Valuation
from pipeline.engine.origin import EARLIEST, Origin
from pipeline.pricing import valuation
from pipeline.settings import Settings, client
from schemas.topics import Role, Topic, topics

MIB: Final = 1 << 20


@dataclass(frozen=True)
class Timing:
    """Times in seconds that nobody should have to set; tests shorten them."""

    session: float = 10.0
    """After so long without a heartbeat the group gives a dead worker's partitions away."""
    heartbeat: float = 2.0
    """Five heartbeats a session: a busy machine may lose a few."""
    rebalance: float = 30.0
    """Others wait so long for a final checkpoint; longer than its deadline and the stop of a producer together."""
    transaction: float = 8.0
    """The broker aborts a transaction that is older: how long readers can be held back by a worker that vanished."""
    checkpoint: float = 5.0
    """Deadline of a checkpoint: below `transaction`, so that it is always we who give up first."""
    hurry: float = 0.2
    """Interval of checkpoints while records wait: a fifth of a second is what a live view notices."""
    share: float = 0.2
    """Checkpoints take at most this share of the time; slower ones come less often."""
    request: float = 15.0
    """Time for one request to a broker."""
    restore: float = 60.0
    """A restore may take as long as it likes, but not stand still for longer than this."""
    stall: float = 10.0
    """Records wait and the position stands still: read again; after `stalls` of these the process ends."""
    fenced: float = 30.0
    """After being fenced the group has so long to tell us of the new owner, else the process ends."""
    outside: float = 90.0
    """The group may keep us waiting so long: two rebalances and a session; what lasts longer needs a new start."""
    leave: float = 9.0
    """From SIGTERM to the end, whatever hangs: orchestrators allow 10 s."""
    blocked: float = 60.0
    """The event loop may stand still so long; the longest fold is some seconds."""


@dataclass(frozen=True)
class Config:
    """Names, limits and clients of one worker; all topics are those of `schemas.topics`."""

    client: Mapping[str, Any]
    policy: Policy
    topics: Mapping[Role, Topic]
    group: str
    data_dir: Path
    checkpoint_interval: float
    clock_slack: int
    append_clock: bool
    valuation: Valuation = UNVALUED
    instance: str | None = None
    origin: Origin = EARLIEST
    timing: Timing = field(default_factory=Timing)
    stalls: int = 3
    max_pending_chunks: int = 200_000
    """Chunks of a partition that no checkpoint holds yet; above it nothing is fetched until one does."""
    max_pending_bytes: int = 64 * MIB
    """The same in bytes: what a restart at most folds again, and what chunks cost in memory until then."""
    sweep: int = 10_000
    """Requests closed by time in one transaction."""
    max_closing: int = 1_000
    """Closed requests of a partition that wait for the finalizer; above it nothing is fetched until it catches up."""
    batches_ahead: int = 2
    """Batches of a partition on their way to be folded: the next is there when one is done, and no more."""
    poll: int = 2_000
    """Records taken from the client at once: ten milliseconds of folding between two turns of the loop."""
    restores: int = 4
    """Partitions restored at the same time."""
    transactions: int = 50
    """Checkpoints a second that a worker makes at most, over all its partitions."""

    @property
    def source(self) -> str:
        """Topic of the chunks."""
        return self.topics["chunks"].name

    @property
    def changelog(self) -> str:
        """Topic of the requests table's rows."""
        return self.topics["requests"].name

    @property
    def markers(self) -> str:
        """Topic of the packed markers."""
        return self.topics["markers"].name

    @property
    def records(self) -> str:
        """Topic of the records."""
        return self.topics["records"].name

    @property
    def dead(self) -> str:
        """Topic of the dead letters."""
        return self.topics["dead_letters"].name

    def transactional_id(self, partition: int) -> str:
        """Identity under which the state of a partition changes, whoever owns it."""
        return f"{self.group}-{self.source}-{partition}"


def configure(
    settings: Settings, *, instance: str | None = None, origin: Origin = EARLIEST, timing: Timing | None = None
) -> Config:
    """The configuration that settings stand for.

    Args:
        settings: Of the ledger.
        instance: Name of a static member of the group.
        origin: Where the ledger begins if it is new.
        timing: Other times than the defaults.

    Raises:
        UsageError: A certificate, a key or the price overlay can't be used.
    """
    defined = topics(
        ledger=settings.ledger,
        chunk_topic=settings.chunk_topic,
        record_topic=settings.record_topic,
        dead_topic=settings.dead_topic,
        partitions=settings.partitions,
        replication=settings.replication,
        marker_retention=settings.marker_retention,
        clock=settings.clock,
    )
    return Config(
        client=client(settings),
        policy=settings.policy(),
        valuation=valuation(settings, service=True),
        topics={topic.role: topic for topic in defined},
        group=settings.ledger,
        data_dir=settings.data_dir,
        checkpoint_interval=settings.checkpoint_interval / 1_000,
        clock_slack=settings.clock_slack,
        append_clock=settings.clock == "append",
        instance=instance,
        origin=origin,
        timing=timing or Timing(),
    )
