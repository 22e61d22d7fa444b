"""Sets of indexes: they behave as sets, and cost by their gaps alone."""

import pytest

from pipeline.core.ranges import Bounds, add, contains, gaps, open_base, union

HUGE = 2**53 - 1


def bounds_of(*indexes: int) -> Bounds:
    """The bounds of single indexes, added in this order."""
    bounds: Bounds = []
    for index in indexes:
        add(bounds, index, index + 1)
    return bounds


@pytest.mark.parametrize(
    ("indexes", "expected"),
    [
        pytest.param([], [], id="empty"),
        pytest.param([0, 1, 2], [0, 3], id="rising"),
        pytest.param([2, 1, 0], [0, 3], id="falling"),
        pytest.param([0, 2, 1], [0, 3], id="hole filled"),
        pytest.param([0, 5], [0, 1, 5, 6], id="hole"),
        pytest.param([3, 3], [3, 4], id="twice"),
    ],
)
def test_bounds_depend_on_the_indexes_alone(indexes: list[int], expected: Bounds) -> None:
    """Neighbours are joined whatever the order in which they came."""
    assert bounds_of(*indexes) == expected


def test_a_range_may_cover_several_others() -> None:
    """What lies inside an added range disappears in it."""
    bounds = bounds_of(1, 3, 5, 9)

    add(bounds, 2, 8)

    assert bounds == [1, 8, 9, 10]


def test_a_huge_index_costs_two_bounds() -> None:
    """A forged index costs neither memory nor time (S-ORD-4)."""
    bounds = bounds_of(0, HUGE)

    assert bounds == [0, 1, HUGE, HUGE + 1]
    assert gaps(bounds) == [(1, HUGE - 1)]


def test_contains_is_half_open() -> None:
    """The end of a range is not in it."""
    bounds = [2, 4]

    assert [contains(bounds, index) for index in range(6)] == [False, False, True, True, False, False]


def test_a_union_has_what_any_set_has() -> None:
    """Sets that touch are joined."""
    assert union([[0, 2], [5, 6], [2, 3]]) == [0, 3, 5, 6]
    assert union([]) == []


@pytest.mark.parametrize(
    ("indexes", "base_open", "expected"),
    [
        pytest.param([], False, [], id="nothing seen"),
        pytest.param([0, 1], False, [], id="from 0"),
        pytest.param([1, 2], True, [], id="from 1"),
        pytest.param([2, 3], False, [(0, 1)], id="from 2"),
        pytest.param([0, 3, 5], False, [(1, 2), (4, 4)], id="two holes"),
        pytest.param([1, 3], True, [(2, 2)], id="from 1 with a hole"),
    ],
)
def test_gaps_are_what_is_missing_below_the_highest(
    indexes: list[int], base_open: bool, expected: list[tuple[int, int]]
) -> None:
    """A stream may be counted from 0 or 1; any later beginning is a gap (CONTRACT §2, S-ORD-6)."""
    bounds = bounds_of(*indexes)

    assert gaps(bounds) == expected
    assert open_base(bounds) is base_open
