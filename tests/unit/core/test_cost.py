"""Stated cost, and the sum over attempts: exact, explained, null when anything is unknown."""

from decimal import Decimal
from typing import Any

import pytest

from pipeline.core.cost import NO_USAGE, Price, Unpriced, decimal_of, plain, provider_price, total_cost
from schemas.record import CostDetails


def price(total: str, source: str = "gateway", *parts: str) -> Price:
    """A price in decimal text."""
    given, received = (Decimal(part) for part in parts) if parts else (None, None)
    return Price(Decimal(total), source, given, received)


def details_of(*worths: Price | Unpriced | None) -> dict[str, Any]:
    """cost_details, held to the contract."""
    details = total_cost(worths)
    CostDetails.model_validate(details)
    return details


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(0.1, "0.1", id="as it was written"),
        pytest.param(0, "0", id="zero is a value"),
        pytest.param(1e-7, "1E-7", id="small"),
        pytest.param(True, None, id="a flag is no number"),
        pytest.param("0.1", None, id="text"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_a_number_becomes_the_decimal_it_was_written_as(value: object, expected: str | None) -> None:
    """No binary rounding enters: 0.1 is one tenth."""
    assert decimal_of(value) == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param({"cost": {"total_cost": 0.7}}, price("0.7", "provider"), id="total"),
        pytest.param(
            {"cost": {"total_cost": 0.3, "input_cost": 0.1, "output_cost": 0.2}},
            price("0.3", "provider", "0.1", "0.2"),
            id="parts",
        ),
        pytest.param(
            {"cost": {"total_cost": 0.9, "input_cost": 0.1, "output_cost": 0.2}},
            price("0.9", "provider"),
            id="parts that do not add up are left out",
        ),
        pytest.param({"cost": {"total_cost": 0.1, "input_cost": 0.1}}, price("0.1", "provider"), id="one part alone"),
        pytest.param({"cost": {"input_cost": 0.1}}, None, id="no total"),
        pytest.param({"cost": 0.1}, None, id="not normalised"),
        pytest.param({}, None, id="usage without cost"),
        pytest.param(None, None, id="no usage"),
    ],
)
def test_a_provider_may_state_its_own_cost(usage: dict[str, Any] | None, expected: Price | None) -> None:
    """With parts, where they add up (S-META-5)."""
    assert provider_price(usage) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("0.00406500", "0.004065", id="zeros that say nothing"),
        pytest.param("1E-7", "0.0000001", id="no exponent"),
        pytest.param("1E+2", "100", id="zeros that say something"),
        pytest.param("0.000", "0", id="nothing"),
        pytest.param("10", "10", id="ten"),
    ],
)
def test_amounts_are_written_plainly(value: str, text: str) -> None:
    """As a person would write them."""
    assert plain(Decimal(value)) == text


def test_nothing_known_to_be_used_is_the_reason_for_no_cost() -> None:
    """Null, never zero, and it says why."""
    details = details_of(None, None)

    assert (details["total"], details["source"], details["reason"]) == (None, None, NO_USAGE)


def test_an_unpriced_attempt_makes_the_total_unknown() -> None:
    """A sum that leaves an attempt out would be too low: null, with that attempt's reason."""
    details = details_of(price("0.5"), Unpriced("unknown_model"))

    assert (details["total"], details["source"], details["reason"]) == (None, None, "unknown_model")


def test_an_attempt_that_used_nothing_costs_nothing() -> None:
    """It failed before it began."""
    details = details_of(None, price("0.5"))

    assert (details["total"], details["reason"]) == ("0.5", None)


def test_totals_are_exact_and_plain() -> None:
    """Tenths add up to tenths, and small amounts are written without an exponent."""
    details = details_of(price("0.1"), price("0.2"), price("1E-7"))

    assert (details["total"], details["source"], details["input"]) == ("0.3000001", "gateway", None)


def test_parts_are_summed_where_every_attempt_has_them() -> None:
    """Input and output of several attempts add up to their total."""
    details = details_of(price("0.3", "provider", "0.1", "0.2"), price("0.7", "provider", "0.3", "0.4"))

    assert (details["input"], details["output"], details["total"]) == ("0.4", "0.6", "1")
    assert details["source"] == "provider"


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (("gateway", "provider"), "provider"),
        (("catalog", "gateway"), "catalog"),
        (("overlay", "provider"), "overlay"),
        (("overlay", "catalog"), "catalog"),
    ],
)
def test_a_sum_is_as_certain_as_the_least_certain_of_its_parts(sources: tuple[str, str], expected: str) -> None:
    """An estimate from a list is never sold as a figure of the gateway."""
    details = details_of(*(price("0.1", source) for source in sources))

    assert (details["source"], details["input"], details["total"]) == (expected, None, "0.2")


def test_a_sum_names_every_price_that_is_in_it() -> None:
    """Each once, in the order of the attempts; the first reason stays."""
    first = price("1", "catalog")._replace(price_id="openai/gpt-4o", price_version="0.2.3", price_hash="aa")
    second = price("2", "overlay")._replace(price_id="openai/gpt-5", price_hash="bb", reason="gateway_zero")

    details = details_of(first, first, second)

    assert details["price_id"] == "openai/gpt-4o, openai/gpt-5"
    assert (details["price_version"], details["price_hash"]) == ("0.2.3", "aa, bb")
    assert details["reason"] == "gateway_zero"
