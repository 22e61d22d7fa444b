"""Cost: the gateway's figure, else the provider's own; sums of decimals; null when anything is unknown."""

from decimal import Decimal
from typing import Any

import pytest

from pipeline.core.cost import Price, cost_of, decimal_of, total_cost
from schemas.record import CostDetails


def price(total: str, source: str = "gateway", *parts: str) -> Price:
    """A price in decimal text."""
    return Price(Decimal(total), source, *(Decimal(part) for part in parts))


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
    ("gateway", "usage", "expected"),
    [
        pytest.param(0.5, {"cost": {"total_cost": 0.7}}, price("0.5"), id="gateway before provider"),
        pytest.param(0.0, None, price("0.0"), id="a gateway's zero is a value"),
        pytest.param(None, {"cost": {"total_cost": 0.7}}, price("0.7", "provider"), id="provider total"),
        pytest.param(
            None,
            {"cost": {"total_cost": 0.3, "input_cost": 0.1, "output_cost": 0.2}},
            price("0.3", "provider", "0.1", "0.2"),
            id="provider parts",
        ),
        pytest.param(
            None,
            {"cost": {"total_cost": 0.9, "input_cost": 0.1, "output_cost": 0.2}},
            price("0.9", "provider"),
            id="parts that do not add up are left out",
        ),
        pytest.param(
            None, {"cost": {"total_cost": 0.1, "input_cost": 0.1}}, price("0.1", "provider"), id="one part alone"
        ),
        pytest.param(None, {"cost": {"input_cost": 0.1}}, None, id="no total"),
        pytest.param(None, {"cost": 0.1}, None, id="not normalised"),
        pytest.param(None, {}, None, id="usage without cost"),
        pytest.param(None, None, None, id="nobody says"),
    ],
)
def test_cost_is_the_gateways_else_the_providers(gateway: float | None, usage: dict[str, Any], expected: Price) -> None:
    """CONTRACT §2: null when unknown, never 0 for unknown."""
    assert cost_of(gateway, usage) == expected


def test_nothing_known_and_nothing_used_has_no_details() -> None:
    """A request without usage and cost says nothing about money."""
    assert total_cost([], unpriced=False) is None


def test_an_unpriced_attempt_makes_the_total_unknown() -> None:
    """A sum that leaves an attempt out would be too low: null, with the reason."""
    details = total_cost([price("0.5")], unpriced=True)

    assert details is not None
    assert (details["total"], details["source"], details["reason"]) == (None, None, "unpriced")
    CostDetails.model_validate(details)


def test_totals_are_exact_and_plain() -> None:
    """Tenths add up to tenths, and small amounts are written without an exponent."""
    details = total_cost([price("0.1"), price("0.2"), price("1E-7")], unpriced=False)

    assert details is not None
    assert (details["total"], details["source"], details["input"]) == ("0.3000001", "gateway", None)
    CostDetails.model_validate(details)


def test_parts_are_summed_where_every_attempt_has_them() -> None:
    """Input and output of several attempts add up to their total."""
    parts = [price("0.3", "provider", "0.1", "0.2"), price("0.7", "provider", "0.3", "0.4")]

    details = total_cost(parts, unpriced=False)

    assert details is not None
    assert (details["input"], details["output"], details["total"]) == ("0.4", "0.6", "1.0")
    assert details["source"] == "provider"
    CostDetails.model_validate(details)


def test_the_gateway_answers_for_a_mixed_sum() -> None:
    """Where attempts were priced by different sources, the sum is the gateway's to explain."""
    details = total_cost([price("0.3", "provider", "0.1", "0.2"), price("0.5")], unpriced=False)

    assert details is not None
    assert (details["input"], details["output"], details["total"], details["source"]) == (None, None, "0.8", "gateway")
    CostDetails.model_validate(details)
