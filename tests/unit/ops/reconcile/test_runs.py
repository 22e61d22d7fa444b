"""Sets of indexes as runs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ops.reconcile.runs import Runs, below, has, holes, joined, put

indexes = st.lists(st.integers(0, 25))


def runs_of(listed: list[int]) -> Runs:
    """Indexes put in one by one; each `put` says whether it was new."""
    runs: Runs = []
    seen: set[int] = set()
    for index in listed:
        assert put(runs, index) == (index not in seen)
        seen.add(index)
    return runs


@given(indexes, indexes)
def test_runs_are_sets(one: list[int], other: list[int]) -> None:
    """Membership, union, smallest form, and what is missing below the highest from 0 or 1."""
    runs, more = runs_of(one), runs_of(other)

    assert [index for index in range(27) if has(runs, index)] == sorted(set(one))
    assert runs == sorted(set(runs))
    assert joined([runs, more]) == runs_of([*one, *other])
    base = 1 if one and min(one) == 1 else 0
    assert holes(runs) == len(set(range(base, max(one, default=0))) - set(one))


@given(st.lists(st.integers(0, 50), unique=True), st.integers(-1, 51))
def test_below_counts_the_offsets_up_to_a_limit(offsets: list[int], limit: int) -> None:
    """Of rising offsets."""
    assert below(sorted(offsets), limit) == sum(offset <= limit for offset in offsets)
