"""What a record costs, meter by meter."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline.pricing.overlay_file import read
from pipeline.pricing.pricer import PriceList
from pipeline.sinks.export.focus.charge import Charge, Tariff
from tests.unit.sinks.export.focus.prices import LIST, priced
from tests.unit.sinks.export.records import EXAMPLES, entry, example, revised

TARIFF: Final = Tariff(LIST, LIST)

OVERLAY: Final = """
[models."openai/gpt-4o"]
input = 2.00
cache_read = 1.00
output = 8.00
"""


def charges(record: dict[str, Any], tariff: Tariff = TARIFF) -> list[Charge]:
    """The charges of a record, whose costs add up to it."""
    found = tariff.charges(entry(record))
    if record["cost"] is None:
        assert [charge.cost for charge in found] == [None]
    else:
        total = Decimal(record["cost_details"]["total"])
        assert sum((charge.cost or Decimal(0) for charge in found), Decimal(0)) == total
    for charge in found:
        for price, cost in ((charge.price, charge.cost), (charge.list_price, charge.list_cost)):
            assert price is None or (charge.quantity or 0) * price == cost
    return found


@pytest.mark.parametrize(
    ("provider", "model"),
    [("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("gemini", "gemini-2.5-pro"), ("openai", "gpt-5")],
)
def test_a_list_price_is_one_charge_for_each_meter(provider: str, model: str) -> None:
    """Unit price × quantity is the cost of each to the last digit, and they add up to the record's."""
    found = charges(priced(provider=provider, model=model))
    assert {charge.meter for charge in found} >= {"Input Tokens", "Cache Read Tokens", "Output Tokens"}
    assert {charge.unit for charge in found} == {"Tokens"}
    assert sum((charge.quantity or Decimal(0) for charge in found), Decimal(0)) == 1_050
    assert all(charge.price is not None for charge in found)


def test_a_stated_total_is_one_charge_without_a_unit_price() -> None:
    """Nothing is split by guess."""
    (charge,) = charges(example("tool-call"))
    assert (charge.meter, charge.cost, charge.price) == ("Total", Decimal("0.0003925"), None)
    assert (charge.quantity, charge.unit) == (Decimal(100), "Tokens")


def test_a_total_that_todays_prices_do_not_give_is_not_split() -> None:
    """A record that was priced by another list keeps its cost, as one charge."""
    record = priced(provider="openai", model="gpt-4o")
    details = {**record["cost_details"], "total": "0.5", "input": "0.25", "output": "0.25"}
    (charge,) = charges(record | {"cost": 0.5, "cost_details": details})
    assert (charge.meter, charge.price) == ("Total", None)


def test_a_cost_that_nobody_knows_is_null_and_its_usage_is_there() -> None:
    """Never a 0."""
    (charge,) = charges(priced(provider="openai", model="no-such-model"))
    assert (charge.cost, charge.list_cost, charge.quantity, charge.unit) == (None, None, Decimal(1_050), "Tokens")
    (charge,) = charges(example("unfinished"))
    assert (charge.cost, charge.quantity, charge.unit) == (None, Decimal(1), "Requests")


@pytest.mark.parametrize(
    ("provider", "model", "ends"), [("openai", "whisper-1", True), ("groq", "whisper-large-v3", False)]
)
def test_a_unit_price_that_does_not_end_is_null(provider: str, model: str, *, ends: bool) -> None:
    """Seconds at a price an hour: the rounded amount is right, a rounded unit price would not give it."""
    heard = {"text": "x", "usage": {"type": "duration", "seconds": 17.5}}
    changes: dict[str, Any] = {"stream_type": "audio.transcription", "token_usage": None, "choices": None}
    (charge,) = charges(priced(**changes, provider=provider, model=model, transcription_output=heard))
    assert (charge.quantity, charge.unit, charge.meter) == (Decimal("17.5"), "Seconds", "Input Audio Seconds")
    assert (charge.price is not None) is ends


def test_each_attempt_has_the_charges_of_its_own_model() -> None:
    """A fallback to another provider is not billed to the first."""
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    attempts = [
        {"number": 0, "provider": "openai", "model": "gpt-4o", "status": "error", "token_usage": usage},
        {"number": 1, "provider": "anthropic", "model": "claude-sonnet-4-5", "status": "success", "token_usage": usage},
    ]
    found = charges(priced(attempts=attempts))
    assert [(charge.provider, charge.meter) for charge in found] == [
        ("openai", "Input Tokens"),
        ("openai", "Output Tokens"),
        ("anthropic", "Input Tokens"),
        ("anthropic", "Output Tokens"),
    ]


def test_what_was_sampled_beside_the_answer_is_charged_to_the_model_that_was_asked() -> None:
    """An advisor has another model's price, a compaction that of the answer."""
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    beside = {"compaction": usage, "advisors": {"claude-opus-4-7": usage}}

    found = charges(priced(provider="anthropic", model="claude-sonnet-4-5", token_usage=usage | beside))

    models = [*["claude-sonnet-4-5"] * 4, *["claude-opus-4-7"] * 2]
    assert [charge.model for charge in found] == models
    assert [charge.meter for charge in found] == ["Input Tokens", "Output Tokens"] * 3
    assert [charge.list_price for charge in found] == [charge.price for charge in found]


def test_an_overlay_is_agreed_and_the_list_stays_what_it_says(tmp_path: Path) -> None:
    """List cost is by the list's own price for the same quantity: what was saved can be seen."""
    path = tmp_path / "prices.toml"
    path.write_text(OVERLAY, encoding="utf-8")
    own = PriceList(read(path))
    record = priced(own, provider="openai", model="gpt-4o", token_usage=priced()["token_usage"])
    found = {charge.meter: charge for charge in charges(record, Tariff(own, LIST))}
    output = found["Output Tokens"]
    assert (output.price, output.list_price) == (Decimal("0.000008"), Decimal("0.00001"))
    assert (output.cost, output.list_cost) == (Decimal("0.0004"), Decimal("0.0005"))


def test_a_revision_is_one_charge_with_the_difference() -> None:
    """Of tokens and cost; where nobody counted, of cost alone."""
    first = priced(provider="openai", model="gpt-4o")
    usage = {**first["token_usage"], "completion_tokens": 60, "total_tokens": 1_060}
    (charge,) = TARIFF.charges(entry(revised(first, usage, first["cost_details"]["total"] + "1")))
    assert (charge.meter, charge.quantity, charge.price) == ("Correction", Decimal(10), None)
    assert (charge.cost or 0) > 0
    (charge,) = TARIFF.charges(entry(revised(example("unfinished"), None, "0.1")))
    assert (charge.quantity, charge.unit, charge.cost) == (None, None, Decimal("0.1"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_the_examples_add_up(path: Path) -> None:
    """Of every stream type."""
    record = json.loads(path.read_text(encoding="utf-8"))
    if record["revision"] == 0:
        charges(record)
