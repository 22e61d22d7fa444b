"""The rhythm of checkpoints."""

from __future__ import annotations

from pipeline.engine.cadence import Cadence


def cadence() -> Cadence:
    """A second between checkpoints, a fifth of one while records wait, at most a fifth of the time."""
    made = Cadence(1.0, hurry=0.2, share=0.2)
    made.ran(100.0, 100.0)
    return made


def test_without_records_the_interval_counts() -> None:
    """Nothing waits, so a checkpoint comes when the interval is over."""
    assert not cadence().due(100.9, waiting=False)
    assert cadence().due(101.0, waiting=False)


def test_waiting_records_hurry_it() -> None:
    """A record that waits is committed after a fifth of a second."""
    assert not cadence().due(100.15, waiting=True)
    assert cadence().due(100.21, waiting=True)


def test_slow_checkpoints_come_less_often() -> None:
    """Checkpoints take at most their share of the time, however urgent they are."""
    slow = cadence()
    for start in range(200, 260):
        slow.ran(float(start), start + 0.5)

    assert not slow.due(259.0 + 2.4, waiting=True)
    assert slow.due(259.0 + 2.6, waiting=True)


def test_one_slow_checkpoint_does_not_stretch_it_for_long() -> None:
    """A single stalled commit is forgotten after a few good ones."""
    once = cadence()
    once.ran(200.0, 204.0)
    for start in range(210, 230):
        once.ran(float(start), start + 0.01)

    assert once.due(229.0 + 0.21, waiting=True)


def test_the_budget_of_all_partitions_is_a_floor() -> None:
    """With many partitions each one waits for its turn."""
    assert not cadence().due(100.3, waiting=True, floor=0.8)
    assert cadence().due(100.81, waiting=True, floor=0.8)


def test_hurry_is_never_slower_than_the_interval() -> None:
    """A shorter interval than the hurry wins."""
    brisk = Cadence(0.05, hurry=0.2, share=1.0)
    brisk.ran(100.0, 100.0)

    assert brisk.due(100.06, waiting=True)
