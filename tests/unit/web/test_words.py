"""Numbers, times and strips in words."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ops.live.view import Gap
from pipeline.web import words
from tests.unit.web.snapshots import box, strip


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (Decimal(0), "0.00"),
        (Decimal("0.0012"), "0.0012"),
        (Decimal("0.000053719"), "0.0000537"),
        (Decimal("0.25"), "0.25"),
        (Decimal("0.9996"), "1.00"),
        (Decimal("1.005"), "1.00"),
        (Decimal("1234567.891"), "1,234,567.89"),
        (Decimal("-0.0031"), "-0.0031"),
        (None, "–"),
    ],
)
def test_money_shows_what_tells_something(amount: Decimal | None, shown: str) -> None:
    """Two decimals from a dollar on, three telling digits below: a cheap request is not 0.00."""
    assert words.usd(amount) == shown


@given(st.decimals(min_value=Decimal("1e-9"), max_value=10**9, allow_nan=False, allow_infinity=False))
def test_money_is_shown_near_to_what_it_is(amount: Decimal) -> None:
    """Within one per cent or half a cent, whatever its size."""
    told = Decimal(words.usd(amount).replace(",", ""))

    assert abs(told - amount) <= max(amount / 100, Decimal("1e-12"))


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (999, "999"), (1_000, "1k"), (12_345, "12.3k"), (999_999, "1M"), (1_900_000, "1.9M"), (10**12, "1000G")],
)
def test_large_numbers_are_short(number: int, shown: str) -> None:
    """A tile has room for a few characters."""
    assert words.short(number) == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_240, "1.24 s"),
        (12_340, "12.3 s"),
        (125_000, "2 m 05 s"),
        (11_400_000, "3 h 10 m"),
    ],
)
def test_spans_have_the_unit_that_fits(ms: int, shown: str) -> None:
    """Milliseconds for a first token, hours for a request that was forgotten."""
    assert words.duration(ms) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(90, "90 s"), (900, "15 min"), (86_400, "24 h"), (3_660, "61 min")])
def test_windows_are_said_as_they_were_chosen(seconds: int, shown: str) -> None:
    """15 min, not 15 m 00 s."""
    assert words.window(seconds) == shown


def test_a_single_failure_is_never_rounded_away() -> None:
    """100 % is said only where it is all."""
    assert words.share(0.99999) == "99.9 %"
    assert words.share(1.0) == "100 %"
    assert words.share(None) == "–"


def test_a_strip_is_said_as_it_is_drawn() -> None:
    """Who does not see it is told the same: chunks, gap, duplicate, status, tokens, cost."""
    assert words.said(strip()) == (
        "request r1, chat, openai/gpt-4o, 6 chunks, first token after 180 ms, gap 3–4, 1 duplicate, success, "
        "10 in 5 out, 0.0012 USD"
    )


def test_an_unknown_cost_is_said_with_its_reason() -> None:
    """Unpriced is not free."""
    told = words.said(
        strip(box=box(cost=None, unpriced_reason="no_usage", tokens_in=None, tokens_out=None, revision=2))
    )

    assert told.endswith("success, revision 2, unpriced: no_usage")


def test_an_open_strip_has_no_tokens_yet() -> None:
    """Only a record has."""
    told = words.said(strip(box=None, provider=None, model=None, chunks=1, duplicates=0, gaps=(Gap(1, 2, 2, 0),)))

    assert told == "request r1, chat, 1 chunk, first token after 180 ms, gap 2 of image 0 of attempt 1, open"


def test_ids_that_begin_alike_are_told_apart_by_their_ends() -> None:
    """A gateway's ids share a prefix."""
    assert words.tail("load-1-1a22aa0c84a-00000185") == "00000185"
    assert words.tail("req-7") == ""
