"""Chains: what a partition's task may take, and that nothing is skipped unnoticed."""

from __future__ import annotations

from types import SimpleNamespace

from faust.types import TP

from pipeline.engine.delivery import NO_CHAIN, Batch, Chains

HERE = TP("chunks", 0)


def records(*offsets: int) -> list[SimpleNamespace]:
    """Records at these offsets."""
    return [SimpleNamespace(offset=offset) for offset in offsets]


def test_batches_of_a_chain_are_numbered_from_zero() -> None:
    """Each batch carries its chain and the next number."""
    chains = Chains()
    chains.start(HERE, 7, 100)
    first, second = chains.add(HERE, records(100, 101), 102), chains.add(HERE, records(102), 103)

    assert [(b.chain, b.number, b.end) for b in (first, second) if b is not None] == [(7, 0, 102), (7, 1, 103)]


def test_a_seek_starts_another_chain_at_zero() -> None:
    """What was fetched before a seek can be told from what comes after it."""
    chains = Chains()
    chains.start(HERE, 1, 0)
    chains.add(HERE, records(0), 1)
    chains.start(HERE, 2, 0)
    batch = chains.add(HERE, records(0), 1)

    assert batch is not None
    assert (batch.chain, batch.number) == (2, 0)


def test_what_is_fetched_before_any_seek_belongs_to_no_chain() -> None:
    """Faust may fetch before the engine has said where to read; no task expects that."""
    batch = Chains().add(HERE, records(5), 6)

    assert batch == Batch(HERE, batch.records if batch else (), NO_CHAIN, 0, 6)


def test_passed_control_records_make_an_empty_batch() -> None:
    """A transaction's marker moves the position without a record; the task must get to know."""
    chains = Chains()
    chains.start(HERE, 1, 10)
    chains.add(HERE, records(10), 11)

    assert chains.add(HERE, (), 12) == Batch(HERE, (), 1, 1, 12)


def test_nothing_passed_makes_no_batch() -> None:
    """A fetch that brings nothing uses no number."""
    chains = Chains()
    chains.start(HERE, 1, 10)

    assert chains.add(HERE, (), 10) is None
    assert chains.add(HERE, records(10), 11) == Batch(HERE, records(10), 1, 0, 11)
