"""Whoever adds up events has what the latest records say, in every format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pricing.pricer import PriceList
from pipeline.sinks.export.cloudevent import Metering
from pipeline.sinks.export.entry import Entry
from pipeline.sinks.export.focus.charge import Tariff
from pipeline.sinks.export.focus.columns import Accounts
from pipeline.sinks.export.focus.dataset import PERIODS, Dataset
from pipeline.sinks.export.focus.file import Csv
from pipeline.sinks.export.otlp import LogEvents
from pipeline.sinks.row import exact_cost
from tests.unit.sinks.export.records import KEY, TENANT, entry, example, revised

Json = dict[str, Any]
Sums = dict[str, Decimal]

METERING: Final = Metering("streamledger/main/records", TENANT)
LOGS: Final = LogEvents("1.0.0")
PRICES: Final = PriceList()
FIRST: Final = example("tool-call", cost_details={**example("tool-call")["cost_details"], "source": "gateway"})

_counts = st.integers(0, 10**9)


@st.composite
def _totals(draw: st.DrawFn) -> str | None:
    """Costs below 1,000 USD with up to 12 digits behind the point: all that a record's delta holds exactly."""
    places = draw(st.integers(3, 12))
    units = draw(st.none() | st.integers(0, 10 ** (3 + places) - 1))
    return None if units is None else format(Decimal(units).scaleb(-places), "f")


@st.composite
def _usages(draw: st.DrawFn) -> Json | None:
    if draw(st.booleans()) and draw(st.booleans()):
        return None
    read, fresh, written = draw(_counts), draw(_counts), draw(_counts)
    return {
        "prompt_tokens": read + fresh,
        "prompt_tokens_details": {"cached_read_tokens": read},
        "completion_tokens": written,
        "total_tokens": read + fresh + written,
    }


@st.composite
def histories(draw: st.DrawFn) -> list[Json]:
    """The revisions of a few requests, one after the other, each as the core makes them."""
    records = []
    for number in range(draw(st.integers(1, 3))):
        record = revised(FIRST, draw(_usages()), draw(_totals())) | {"revision": 0, "delta": None, "supersedes": None}
        record["request_id"] = f"r{number}"
        records.append(record)
        for _ in range(draw(st.integers(0, 3))):
            record = revised(record, draw(_usages()), draw(_totals()))
            records.append(record)
    return records


def expected(records: list[Json]) -> Sums:
    """What the latest record of each request says; what is unknown is nothing in a sum."""
    latest = {record["request_id"]: record for record in records}.values()
    usages = [record["token_usage"] or {} for record in latest]
    details = [usage.get("prompt_tokens_details", {}) for usage in usages]
    return {
        "input": Decimal(sum(usage.get("prompt_tokens", 0) for usage in usages)),
        "output": Decimal(sum(usage.get("completion_tokens", 0) for usage in usages)),
        "cache_read": Decimal(sum(detail.get("cached_read_tokens", 0) for detail in details)),
        "cost": sum((exact_cost(record) or Decimal(0) for record in latest), Decimal(0)),
    }


def metered(entries: Iterable[Entry]) -> Sums:
    """By a meter that drops repeats by id."""
    events = {event["id"]: event["data"] for event in (json.loads(METERING.event(each).value) for each in entries)}
    sums = {
        name: Decimal(sum(data.get("tokens", {}).get(name, 0) for data in events.values()))
        for name in ("input", "output", "cache_read")
    }
    return sums | {"cost": sum((Decimal(data.get("cost_usd", "0")) for data in events.values()), Decimal(0))}


def logged(entries: Iterable[Entry]) -> Sums:
    """By a store of logs."""
    names = {
        "gen_ai.usage.input_tokens": "input",
        "gen_ai.usage.output_tokens": "output",
        "gen_ai.usage.cache_read.input_tokens": "cache_read",
        "streamledger.cost.total": "cost",
    }
    events = {}
    for each in entries:
        request = json.loads(LOGS.line(LOGS.event(each)))
        (log,) = request["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
        found = {pair["key"]: next(iter(pair["value"].values())) for pair in log["attributes"]}
        events[found["streamledger.event.id"]] = found
    return {
        name: sum((Decimal(found.get(key, "0")) for found in events.values()), Decimal(0))
        for key, name in names.items()
    }


def reported(entries: Iterable[Entry], by: str | None) -> Sums:
    """By a cost report out of the CSV file."""
    text = io.StringIO()
    dataset = Dataset(Tariff(PRICES, PRICES), Accounts(TENANT, KEY, "main"), None if by is None else PERIODS[by])
    table = Csv(text, dataset.columns)
    for each in entries:
        for row in dataset.add(each):
            table.write(row)
    for row in dataset.rest():
        table.write(row)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    cost = {
        name: sum((Decimal(row[name] or 0) for row in rows), Decimal(0))
        for name in ("BilledCost", "EffectiveCost", "ContractedCost", "ListCost")
    }
    assert len(set(cost.values())) == 1
    tokens = sum((Decimal(row["ConsumedQuantity"] or 0) for row in rows if row["ConsumedUnit"] == "Tokens"), Decimal(0))
    return {"tokens": tokens, "cost": cost["BilledCost"]}


@given(histories())
@settings(deadline=None, max_examples=60)
def test_the_sum_over_events_is_the_sum_over_the_latest_records(records: list[Json]) -> None:
    """Exactly, whatever was corrected how often, up and down, from and to unknown; repeats change nothing."""
    entries = [entry(record) for record in records]
    wanted = expected(records)
    assert metered([*entries, *entries]) == wanted
    assert logged([*entries, *entries]) == wanted
    for by in (None, "hour", "day"):
        assert reported([*entries, *entries], by) == {
            "tokens": wanted["input"] + wanted["output"],
            "cost": wanted["cost"],
        }
