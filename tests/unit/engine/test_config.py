"""Names that follow from the ledger, and timings that must fit into one another."""

from __future__ import annotations

from pipeline.engine.config import Timing, configure
from pipeline.settings import Settings


def test_group_changelogs_and_transactional_ids_derive_from_the_ledger() -> None:
    """Another ledger on the same Kafka shares nothing (CONTRACT §6)."""
    config = configure(Settings(ledger="staging"))

    assert (config.group, config.changelog, config.markers, config.transactional_id(3)) == (
        "staging",
        "staging-requests-changelog",
        "staging-markers-changelog",
        "staging-llm.chunks-3",
    )
    assert (config.source, config.records, config.dead) == ("llm.chunks", "llm.accumulated", "llm.chunks.dead")


def test_durations_come_in_the_engines_units() -> None:
    """Intervals in seconds, the closing clock in milliseconds."""
    config = configure(Settings(checkpoint_interval=1_500, clock_slack=7_000, clock="create"))

    assert (config.checkpoint_interval, config.clock_slack, config.append_clock) == (1.5, 7_000, False)


def test_we_give_up_before_the_broker_does() -> None:
    """Deadlines of a checkpoint, a transaction and a rebalance lie one inside the other."""
    timing = Timing()

    assert timing.checkpoint < timing.transaction
    assert timing.checkpoint + 5 < timing.rebalance
    assert timing.heartbeat * 3 <= timing.session
    assert timing.checkpoint < timing.leave < 10
