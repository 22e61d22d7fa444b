"""The cost of a record in lines: parts, units, attempts, what they were made with, and whether they add up."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from pipeline.core.cost import Price
from pipeline.core.valuation import UNVALUED, Call, Valuation
from pipeline.ops.explain.listener import Listener
from pipeline.ops.explain.prices import Json, price_lines
from pipeline.testing.chunk import SENT, USAGE, Document, chat, error, marker, usage
from tests.unit.ops.explain.telling import of

SILENT = Listener(UNVALUED)
CALL = Call("openai", "gpt-4o", "chat.completion", SENT, USAGE, "flex")


class Line(NamedTuple):
    """One line of a test's bill."""

    unit: str
    quantity: int
    amount: Decimal


class Quote(NamedTuple):
    """A price and its lines."""

    answer: Price
    lines: Sequence[Line]


class Flat:
    """A price list with one price for a token, whoever asks."""

    def price(self, call: Call) -> Price:
        """The sum of the lines."""
        return self.quote(call).answer

    def quote(self, call: Call) -> Quote:
        """A line for all tokens."""
        count = (call.usage or {})["total_tokens"]
        amount = count * Decimal("0.0000001")
        return Quote(Price(amount, "catalog"), [Line("tokens", count, amount)])


class Lump:
    """A price list that tells no lines."""

    def price(self, _: Call) -> Price:
        """One dollar."""
        return Price(Decimal(1), "catalog")


def details(**fields: object) -> Document:
    """A record with cost details."""
    unknown = dict.fromkeys(("input", "output", "total", "source", "price_id", "price_version", "price_hash", "reason"))
    return {"attempts": None, "cost_details": {"currency": "USD", **unknown, **fields}}


def lines_of(listener: Listener = SILENT, calls: Sequence[Call] = (), **fields: object) -> Json:
    """The cost of such a record."""
    found = price_lines(details(**fields), calls, listener)
    assert found is not None
    return found


def test_parts_and_their_sum_are_those_of_the_record() -> None:
    """To the last decimal, by decimals."""
    lines = lines_of(input="0.1", output="0.2", total="0.3", source="catalog", price_id="openai/gpt-4o")

    assert lines["parts"] == [{"part": "input", "amount": "0.1"}, {"part": "output", "amount": "0.2"}]
    assert (lines["adds_up"], lines["price_id"], lines["asked"]) == (True, "openai/gpt-4o", [])


def test_parts_that_do_not_add_up_are_told() -> None:
    """A record that was changed after it was made may say anything."""
    assert lines_of(input="0.1", output="0.2", total="0.30000001")["adds_up"] is False
    assert lines_of(total="0.3")["adds_up"] is None


def test_what_the_fold_asked_the_price_list_is_told_line_by_line() -> None:
    """Provider, model, tier and time of the question, and the units that were charged, in decimals."""
    listener = Listener(Valuation(Flat()))
    pricer = listener.valuation.pricer
    assert pricer is not None
    answer = pricer.price(CALL)
    (asked,) = lines_of(listener, listener.take(), total="0.0000007")["asked"]

    assert answer == Flat().price(CALL)
    assert asked == {
        "provider": "openai",
        "model": "gpt-4o",
        "service_tier": "flex",
        "at": "2026-01-01T00:00:00.000000Z",
        "lines": [{"unit": "tokens", "quantity": 7, "amount": "0.0000007"}],
    }


def test_a_price_list_without_lines_is_asked_for_none() -> None:
    """What it was asked is known all the same."""
    listener = Listener(Valuation(Lump()))
    (asked,) = lines_of(listener, [CALL], total="1")["asked"]

    assert (asked["provider"], asked["lines"]) == ("openai", [])


def test_what_was_heard_is_taken_once() -> None:
    """The questions of one revision are not those of the next."""
    listener = Listener(Valuation(Lump()))
    pricer = listener.valuation.pricer
    assert pricer is not None
    pricer.price(CALL)

    assert (listener.take(), listener.take()) == ([CALL], [])


def test_without_a_price_list_the_fold_gets_none() -> None:
    """Or it would take our ear for one."""
    assert SILENT.valuation == UNVALUED


def test_a_provider_that_splits_its_cost_gives_two_parts() -> None:
    """The record's own arithmetic, end to end."""
    cost = {"input_cost": 0.001, "output_cost": 0.002, "total_cost": 0.003}
    document = of(chat(0, "a"), usage(1, USAGE | {"cost": cost}), marker(2))

    assert [part["amount"] for part in document["cost"]["parts"]] == ["0.001", "0.002"]
    assert (document["cost"]["total"], document["cost"]["source"]) == ("0.003", "provider")


def test_each_attempt_has_its_line() -> None:
    """The total is their sum."""
    document = of(chat(0, "a", cost=0.5), error(1), chat(0, "b", attempt=1, cost=0.25, model="m"), marker(1, attempt=1))

    assert [(each["number"], each["cost"]) for each in document["cost"]["attempts"]] == [(0, 0.5), (1, 0.25)]
    assert document["cost"]["total"] == "0.75"


def test_without_anything_to_price_there_are_no_lines() -> None:
    """Neither usage nor cost: a record may leave the details out."""
    assert price_lines({"attempts": None, "cost_details": None}, [], SILENT) is None
    assert (of(chat(0, "a"), marker(1))["cost"] or {"parts": []})["parts"] == []
