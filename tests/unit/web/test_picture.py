"""Strips drawn on a line of time."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ops.live.view import Dot, Gap
from pipeline.web.picture import APART, EDGE, LEAST_GAP, WIDTH, Scale, picture, span_of
from tests.unit.web.snapshots import NOW, dot, strip

TIMES = st.integers(0, 10**8)


@given(TIMES, TIMES, st.lists(TIMES))
def test_earlier_is_further_left_and_nothing_leaves_the_page(one: int, other: int, spans: list[int]) -> None:
    """The scale is monotone, and clamps what is longer than the axis."""
    scale = Scale.of(spans)
    places = [scale.at(ms) for ms in sorted((one, other))]

    assert places == sorted(places)
    assert all(EDGE <= place <= WIDTH - EDGE for place in places)
    assert all(scale.at(span) < WIDTH - EDGE for span in spans if span < scale.longest * 0.99)


@given(st.lists(TIMES, max_size=5))
def test_ticks_begin_at_zero_and_leave_each_other_room(spans: list[int]) -> None:
    """An axis can be read on a telephone."""
    scale = Scale.of(spans)
    places = [tick.at * WIDTH / 100 for tick in scale.ticks]

    assert places[0] == EDGE
    assert round(places[-1]) == WIDTH - EDGE
    assert all(second - first >= APART - 1 for first, second in pairwise(places))


DOTS = st.lists(
    st.builds(
        Dot,
        at_ms=st.integers(0, 60_000),
        kind=st.sampled_from(("data", "usage", "error", "marker")),
        index=st.integers(0, 50),
        attempt=st.integers(0, 2),
        duplicate=st.booleans(),
        final=st.booleans(),
        offset=st.integers(0, 1_000),
    ),
    max_size=60,
)


@given(DOTS, st.lists(st.builds(Gap, attempt=st.integers(0, 2), first=st.integers(0, 9), last=st.integers(9, 40))))
def test_whatever_comes_is_drawn_within_the_page(dots: list[Dot], gaps: list[Gap]) -> None:
    """Any chunks and gaps give places inside, gaps that are seen, and an end at the last chunk."""
    shown = strip(dots=tuple(dots), gaps=tuple(gaps), box=None)
    scale = Scale.of([span_of(shown, NOW)])
    drawn = picture(shown, scale, NOW)
    places = [*drawn.dots, *drawn.squares, *drawn.rings, drawn.end, *(g.first for g in drawn.gaps)]

    assert all(0 <= place <= WIDTH for place in places)
    assert all(gap.last - gap.first >= LEAST_GAP for gap in drawn.gaps)
    assert drawn.until is not None
    assert drawn.until >= drawn.end
    assert bool(drawn.dots) == any(each.kind == "data" and not each.duplicate for each in dots)


def test_a_gap_reaches_from_the_chunk_before_it_to_the_one_behind() -> None:
    """Red is where something is missing, not where nothing came for a while."""
    scale = Scale(2_000)
    drawn = picture(strip(), scale, NOW)

    assert [(gap.first, gap.last) for gap in drawn.gaps] == [(scale.at(400), scale.at(1_500))]


def test_repeats_are_rings_and_ends_are_squares() -> None:
    """Kinds of chunks differ by shape, not by colour alone."""
    drawn = picture(strip(), Scale(2_000), NOW)

    assert (len(drawn.dots), len(drawn.squares), len(drawn.rings)) == (4, 1, 1)
    assert drawn.flag == Scale(2_000).at(180)


def test_a_second_attempt_is_marked_where_it_begins() -> None:
    """Who pays for two attempts sees that there were two."""
    drawn = picture(
        strip(dots=(dot(0, 0), dot(500, 1, kind="error"), dot(900, 0, attempt=1), dot(950, 1, attempt=1))),
        Scale(1_000),
        NOW,
    )

    assert len(drawn.retries) == 1
    assert len(drawn.crosses) == 1
    assert drawn.crosses[0] < drawn.retries[0]


def test_an_open_strip_grows_until_now_and_a_closed_one_stands() -> None:
    """The head of an open stream is the present."""
    assert span_of(strip(box=None), NOW) == 100_000
    assert span_of(strip(), NOW) == 2_000
    assert picture(strip(), Scale(2_000), NOW).until is None
