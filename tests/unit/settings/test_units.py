"""Durations and sizes: what people write, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settings.units import DURATION, SIZE


class TestUnits:
    """CONTRACT §6: durations as `2s`, `300s`, `24h`, sizes as `8MiB`."""

    @pytest.mark.parametrize(
        ("text", "milliseconds"),
        [("500ms", 500), ("2s", 2_000), ("300s", 300_000), ("24h", 86_400_000), ("5m", 300_000), ("7d", 604_800_000)],
    )
    def test_a_duration_is_whole_milliseconds(self, text: str, milliseconds: int) -> None:
        """Every unit of the contract, and minutes and days besides, mean what they say."""
        assert milliseconds == DURATION.parse(text)

    @pytest.mark.parametrize(
        ("text", "size"), [("8MiB", 8 << 20), ("64KiB", 64 << 10), ("1GiB", 1 << 30), ("12B", 12), ("4096", 4096)]
    )
    def test_a_size_is_bytes(self, text: str, size: int) -> None:
        """A bare number of bytes is unambiguous."""
        assert size == SIZE.parse(text)

    @pytest.mark.parametrize("text", [" 1.5s ", "1.5 S", "1500ms"])
    def test_fractions_blanks_and_case_are_forgiven(self, text: str) -> None:
        """What a person would read as one and a half seconds is read so."""
        assert DURATION.parse(text) == 1_500

    def test_zero_needs_no_unit(self) -> None:
        """Zero is the same in every unit."""
        assert DURATION.parse("0") == 0

    @pytest.mark.parametrize(
        ("text", "why_not"),
        [
            ("30", "has no unit"),
            ("", "not a duration"),
            ("-2s", "not a duration"),
            ("2 weeks", "unknown unit weeks"),
            ("1h30m", "not a duration"),
            ("0.5ms", "finer than one ms"),
            ("٣s", "not a duration"),
            ("nans", "not a duration"),
        ],
    )
    def test_what_is_no_amount_is_refused_in_words(self, text: str, why_not: str) -> None:
        """The message says what is missing, with examples where they help."""
        with pytest.raises(ValueError, match=why_not):
            DURATION.parse(text)

    def test_a_decimal_megabyte_is_not_taken_for_a_binary_one(self) -> None:
        """`8MB` could mean two things, so it means none."""
        with pytest.raises(ValueError, match="unknown unit MB"):
            SIZE.parse("8MB")

    @pytest.mark.parametrize("value", [True, None, 1.5, ["2s"]])
    def test_only_texts_and_integers_are_amounts(self, value: object) -> None:
        """A flag or a list is a mistake, not a number of milliseconds."""
        with pytest.raises(ValueError, match="not a duration"):
            DURATION.parse(value)

    @given(st.integers(min_value=0, max_value=10**14))
    def test_what_is_printed_is_read_back(self, amount: int) -> None:
        """Printing loses nothing, for any whole number of milliseconds or bytes."""
        assert DURATION.parse(DURATION.show(amount)) == amount
        assert SIZE.parse(SIZE.show(amount)) == amount

    def test_a_printed_value_looks_as_in_the_contract(self) -> None:
        """300s stays 300s, not five minutes; a day is 24h."""
        assert DURATION.show(300_000) == "300s"
        assert DURATION.show(86_400_000) == "24h"
        assert DURATION.show(0) == "0ms"
        assert SIZE.show(8 << 20) == "8MiB"
