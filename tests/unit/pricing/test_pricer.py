"""The pricer: what it counts, whom it tells, what it remembers, and that an exception stays its own."""

from __future__ import annotations

import decimal
import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.cost import Price, Unpriced
from pipeline.core.valuation import Call
from pipeline.errors import UsageError
from pipeline.pricing import notice, valuation
from pipeline.pricing.notice import Notice
from pipeline.pricing.pricer import PriceList
from pipeline.pricing.quantity import quantities_of
from pipeline.pricing.rates import Line, Rate, Rates, sums
from pipeline.pricing.unit import UNITS
from pipeline.settings import Settings
from tests.unit.pricing.calls import call, catalog, price_list, tokens

USED = tokens(1000, 100)


class _Broken(PriceList):
    """Prices that raise."""

    def terms(self, call: Call) -> Any:  # noqa: ARG002 (the signature is that of the class)
        """As if the list were damaged."""
        raise KeyError("the user's own words")


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    """The events of notices, as keys."""
    events: list[dict[str, Any]] = []

    class _Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert isinstance(record.msg, dict)
            events.append(record.msg | {"level": record.levelname})

    handler, logger = _Keep(), logging.getLogger("pipeline.pricing.notice")
    logger.addHandler(handler)
    yield events
    logger.removeHandler(handler)


def test_what_is_priced_and_what_is_not_is_counted() -> None:
    """By reason."""
    prices = price_list()

    for model in ("openai/gpt-4o", "openai/gpt-4o", "openai/none", "harbour/m"):
        prices.price(call(model, USED))

    assert prices.counts == {"priced": 2, "unknown_model": 1, "unknown_provider": 1}


def test_an_exception_is_no_price_and_is_told() -> None:
    """CONTRACT G4; whoever listens gets the exception."""
    told: list[tuple[str, type]] = []
    prices = _Broken(report=lambda _, reason, failure: told.append((reason, type(failure))))

    assert prices.price(call("openai/gpt-4o", USED)) == Unpriced("price_error")
    assert told == [("price_error", KeyError)]
    assert prices.quote(call("openai/gpt-4o", USED)).lines == ()
    assert prices.counts == {"price_error": 1}


def test_each_model_without_a_price_is_warned_of_once(logged: list[dict[str, Any]]) -> None:
    """Not once per request (ECOSYSTEM §5, 11): names, reason, and what to do; no content."""
    prices = price_list(report=Notice())

    for model in ("openai/none", "openai/none", "openai/other", "openai/gpt-4o", "openai/none"):
        prices.price(call(model, USED, tier="a tier of theirs" if model.endswith("other") else "default"))

    assert [(event["provider"], event["model"], event["reason"]) for event in logged] == [
        ("openai", "none", "unknown_model"),
        ("openai", "other", "unknown_model"),
    ]
    assert [(event["level"], event["tier"]) for event in logged] == [("WARNING", "standard"), ("WARNING", "other")]
    assert "price_overlay" in logged[0]["hint"]


def test_a_failure_is_logged_where_it_happened(logged: list[dict[str, Any]]) -> None:
    """The exception goes along; the log shows its place and not its text (G7)."""
    _Broken(report=Notice()).price(call("openai/gpt-4o", USED))

    assert (logged[0]["reason"], type(logged[0]["exc_info"])) == ("price_error", KeyError)


def test_a_producer_of_odd_names_does_not_fill_the_log(
    logged: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last one that is named there is one more line, and then silence."""
    monkeypatch.setattr(notice, "MOST", 2)
    prices = price_list(report=Notice())

    for number in range(5):
        prices.price(call(f"openai/none-{number}", USED))
    prices.price(call("openai/" + "x" * 1000, USED))

    assert [event["event"] for event in logged] == ["no price", "no price", "more models without a price"]


def test_offline_prices_are_loaded_when_one_is_needed() -> None:
    """`fold` of streams that state their cost starts as fast as ever; a service loads first and tells the log."""
    lazy, eager = valuation(Settings()).pricer, valuation(Settings(), service=True).pricer

    assert isinstance(lazy, PriceList)
    assert isinstance(eager, PriceList)
    assert ("catalog" in vars(lazy), "catalog" in vars(eager)) == (False, True)
    assert isinstance(lazy.price(call("openai/gpt-4o", USED)), Price)
    assert "catalog" in vars(lazy)


def test_an_overlay_that_cannot_be_used_ends_the_start(tmp_path: Path) -> None:
    """Before the first chunk, not at the first price."""
    with pytest.raises(UsageError, match="No such file"):
        valuation(Settings(price_overlay=tmp_path / "none.toml"))


def test_names_are_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred requests of a model go through the list's patterns once."""
    asked: list[str] = []
    prices = price_list()
    found = catalog().find

    def find(provider: str, model: str) -> Any:
        asked.append(model)
        return found(provider, model)

    monkeypatch.setattr(prices.catalog, "find", find)

    for _ in range(100):
        prices.price(call("openai/gpt-4o-2024-08-06", USED))

    assert asked == ["gpt-4o-2024-08-06"]


def test_a_model_known_by_many_names_is_one_entry() -> None:
    """Memory does not grow with dated names."""
    assert catalog().find("openai", "gpt-4o") is catalog().find("openai", "gpt-4o-2024-08-06")


# ---- arithmetic --------------------------------------------------------------------------------------------------


def rates(**prices: str) -> Rates:
    """Rates per million, in decimal text."""
    return Rates(Rate(UNITS[name], Decimal(price), 1_000_000) for name, price in prices.items())


def amounts(found: Rates, usage: dict[str, Any]) -> dict[str, str]:
    """The lines of a bill."""
    lines = found.lines(quantities_of(call("p/m", usage)))
    assert not isinstance(lines, Unpriced), lines
    return {line.unit: f"{line.amount:f}" for line in lines}


def test_parts_with_a_price_are_taken_out_of_the_whole() -> None:
    """Once each, however many parts there are."""
    all_of_it = rates(
        input_tokens="1",
        cache_read_tokens="0.1",
        input_audio_tokens="10",
        cache_audio_read_tokens="5",
        output_tokens="2",
        output_reasoning_tokens="3",
    )
    usage = tokens(
        1000,
        500,
        cached_read_tokens=400,
        audio_tokens=300,
        cached_tokens_details={"audio_tokens": 100},
        output={"reasoning_tokens": 200},
    )

    assert amounts(all_of_it, usage) == {
        "cache_audio_read_tokens": "0.000500",  # 100 × 5
        "cache_read_tokens": "0.0000300",  # 400 but 100
        "input_audio_tokens": "0.002000",  # 300 but 100
        "input_tokens": "0.000400",  # 1000 but 600
        "output_reasoning_tokens": "0.000600",
        "output_tokens": "0.000600",
    }


def test_parts_without_a_price_cost_what_the_whole_costs() -> None:
    """Cached input at the input's price where the list has none for it (SYMPTOMS 9)."""
    usage = tokens(1000, 0, cached_read_tokens=400, cached_write_tokens=100)

    assert amounts(rates(input_tokens="1"), usage) == {"input_tokens": "0.001000"}


def test_amounts_do_not_depend_on_the_threads_decimal_context() -> None:
    """Some other library may have changed it."""
    with decimal.localcontext() as context:
        context.prec = 3
        found = amounts(rates(input_tokens="1.23456789"), tokens(123_456_789, 0))

    assert found == {"input_tokens": "152.41578750190521"}


def test_sums_keep_the_sides_apart() -> None:
    """What is charged by the request is on the side of the input, by the search on that of the output."""
    lines = [
        Line("requests", 1, Decimal(1), 1, Decimal(1), UNITS["requests"].side),
        Line("web_searches", 1, Decimal(2), 1, Decimal(2), UNITS["web_searches"].side),
    ]

    assert sums(lines) == (Decimal(1), Decimal(2))
    assert sums([]) == (Decimal(0), Decimal(0))


def test_sound_without_a_direction_is_of_the_side_it_came_from() -> None:
    """A price per second of speech is output, of a transcript input."""
    by_second = Rates([Rate(UNITS["audio_seconds"], Decimal(100), 1_000_000)])
    sides = {}
    for kind in ("audio.speech", "audio.transcription"):
        used = quantities_of(call("p/m", kind=kind)._replace(units=call("p/m").units._replace(seconds=Decimal(60))))
        lines = by_second.lines(used)
        assert not isinstance(lines, Unpriced)
        sides[kind] = [(line.side, line.amount) for line in lines]

    assert sides == {
        "audio.speech": [("output", Decimal("0.006"))],
        "audio.transcription": [("input", Decimal("0.006"))],
    }


def test_steps_are_chosen_by_the_prompt_for_both_sides() -> None:
    """Above the border all tokens have the other price; without a count of the prompt there is none."""
    stepped = Rates([Rate(UNITS["output_tokens"], Decimal(1), 1_000_000, ((200, Decimal(2)), (400, Decimal(3))))])

    assert [stepped.rates[0].price(prompt) for prompt in (0, 200, 201, 400, 401)] == [1, 1, 2, 2, 3]
    assert amounts(stepped, tokens(0, 1)) == {"output_tokens": "0.000001"}
    open_prompt = quantities_of(call("p/m", {"completion_tokens": 1}))
    assert stepped.lines(open_prompt) == Unpriced("unknown_count: input_tokens")
