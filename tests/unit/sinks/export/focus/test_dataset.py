"""Rows of a FOCUS dataset."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from pipeline.errors import FoundProblem
from pipeline.sinks.export.focus.charge import Tariff
from pipeline.sinks.export.focus.columns import COLUMNS, Accounts
from pipeline.sinks.export.focus.dataset import PERIODS, Dataset
from pipeline.sinks.export.focus.file import Csv, parquet
from tests.unit.sinks.export.focus.prices import LIST, priced
from tests.unit.sinks.export.records import GOLDEN, KEY, TENANT, TRACEPARENT, entries, entry, example, revised

TARIFF: Final = Tariff(LIST, LIST)
ACCOUNTS: Final = Accounts(TENANT, KEY, "main")
MANDATORY: Final = {
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
}
"""By the specification's tag v1.2."""

Row = dict[str, str]


def text(records: list[Any], by: str | None = None) -> str:
    """The CSV file of entries, or of records."""
    file = io.StringIO()
    dataset = Dataset(TARIFF, ACCOUNTS, None if by is None else PERIODS[by])
    table = Csv(file, dataset.columns)
    for record in records:
        for row in dataset.add(entry(record) if isinstance(record, dict) else record):
            table.write(row)
    for row in dataset.rest():
        table.write(row)
    return file.getvalue()


def rows(records: list[Any], by: str | None = None) -> list[Row]:
    """The same, read."""
    return list(csv.DictReader(io.StringIO(text(records, by))))


@pytest.mark.parametrize(("name", "by"), [("focus.csv", None), ("focus-day.csv", "day")])
def test_the_examples_are_the_golden_rows(name: str, by: str | None) -> None:
    """Every change of a column or a value is seen."""
    assert text(entries(), by) == (GOLDEN / name).read_text(encoding="utf-8")


def test_the_mandatory_columns_stand_before_ours() -> None:
    """All 21 of FOCUS 1.2; ours begin with x_ and stand last."""
    names = [column.name for column in COLUMNS]
    assert set(names) >= MANDATORY
    ours = [name.startswith("x_") for name in names]
    assert ours == sorted(ours)


def test_a_row_says_who_what_when_and_how_much() -> None:
    """In the specification's words and formats."""
    row = rows([entry(priced(provider="openai", model="gpt-4o", labels={"tenant": "acme", "key": "k1"}), TRACEPARENT)])[
        0
    ]
    assert (row["BillingAccountId"], row["SubAccountId"]) == ("acme", "k1")
    assert (row["ProviderName"], row["ServiceCategory"]) == ("OpenAI", "AI and Machine Learning")
    assert (row["ChargeCategory"], row["ChargeClass"], row["BillingCurrency"]) == ("Usage", "", "USD")
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == ("2026-03-02T09:15:05Z", "2026-03-02T09:15:06Z")
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
    assert (row["SkuId"], row["SkuMeter"]) == ("openai/gpt-4o", "Cache Read Tokens")
    assert (row["ListUnitPrice"], row["PricingQuantity"], row["ListCost"]) == ("0.00000125", "300.0", "0.000375")
    assert json.loads(row["Tags"]) == {"tenant": "acme", "key": "k1"}
    assert row["x_TraceId"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_request_counts_in_the_month_in_which_it_ended() -> None:
    """As it does by the time of its event; December has a next month, too."""
    record = example("tool-call", start_timestamp="2026-12-31T23:59:59.900000Z", end_timestamp="2027-01-01T00:00:01Z")
    (row,) = rows([record])
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z")
    (row,) = rows([record], "day")
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == ("2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z")


def test_without_its_label_a_request_is_charged_to_the_ledger() -> None:
    """The account may not be null; a sub account is."""
    (row,) = rows([example("sea")])
    assert (row["BillingAccountId"], row["SubAccountId"], row["SubAccountName"]) == ("main", "", "")


def test_a_revision_is_a_correction() -> None:
    """With the difference, which may be negative."""
    first = example("tool-call")
    (row,) = rows([revised(first, first["token_usage"], "0.0001925")])
    assert (row["ChargeClass"], row["BilledCost"], row["ConsumedQuantity"]) == ("Correction", "-0.0002", "0.0")


def test_an_unknown_cost_is_null_and_says_why() -> None:
    """Null handling of FOCUS: no 0 in its place, though the column should have a value."""
    (row,) = rows([example("unfinished")])
    assert [row[name] for name in ("BilledCost", "ListCost", "EffectiveCost", "ContractedCost")] == [""] * 4
    assert row["x_CostReason"] == "no_usage"


@pytest.mark.parametrize("by", ["hour", "day"])
def test_gathered_rows_are_alike_in_all_that_is_not_summed(by: str) -> None:
    """Price × quantity is the cost of a gathered row; each period, account and model has its own."""
    records = [
        priced(
            provider="openai",
            model=model,
            labels={"tenant": tenant},
            end_timestamp=f"2026-03-02T{hour:02}:30:00Z",
            request_id=f"{model} {tenant} {number}",
        )
        for model in ("gpt-4o", "gpt-5")
        for tenant in ("a", "b")
        for number, hour in enumerate((9, 9, 10))
    ]
    found = rows(records, by)
    meters = {row["SkuMeter"] for row in found}
    assert len(found) == 2 * 2 * len(meters) * (2 if by == "hour" else 1)
    for row in found:
        assert Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"]) == Decimal(row["ListCost"])
    assert sum(int(row["x_Charges"]) for row in found) == len(records) * len(meters)
    total = sum((Decimal(record["cost_details"]["total"]) for record in records), Decimal(0))
    assert sum((Decimal(row["BilledCost"]) for row in found), Decimal(0)) == total
    assert "x_RequestId" not in found[0]


def test_an_unknown_cost_is_never_gathered_with_a_known_one() -> None:
    """It would make it unknown, or look like 0."""
    details = {**example("tool-call")["cost_details"], "total": None}
    unknown = {"cost": None, "cost_details": details}
    records = [example("tool-call", request_id=str(number), **(unknown if number % 2 else {})) for number in range(4)]
    assert sorted(row["BilledCost"] for row in rows(records, "day")) == ["", "0.000785"]


@pytest.mark.parametrize("by", [None, "day"])
def test_a_record_that_comes_again_is_not_counted_again(by: str | None) -> None:
    """In a file of sums nobody could drop repeats; a revision is none."""
    first = example("tool-call")
    second = revised(first, first["token_usage"], "0.0004")
    assert text([first, second, first, second], by) == text([first, second], by)


def test_rows_are_in_one_order_whatever_order_records_come_in() -> None:
    """Two exports of the same range can be compared."""
    records = [
        priced(provider="openai", model="gpt-4o", labels={"tenant": str(number)}, request_id=str(number))
        for number in range(9)
    ]
    assert text(records, "hour") == text(records[::-1], "hour")


def test_parquet_has_the_values_of_the_csv_in_types(tmp_path: Path) -> None:
    """Exact decimals, times in UTC, null for null."""
    source, target = tmp_path / "rows.csv", tmp_path / "o'rows.parquet"
    written = text(entries())
    source.write_text(written, encoding="utf-8", newline="")
    parquet(source, target, COLUMNS)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        names = ("BilledCost", "ListUnitPrice", "ConsumedQuantity", "ChargeClass", "Tags", "x_Revision")
        found = connection.execute(f"SELECT {', '.join(names)} FROM read_parquet(?)", [str(target)]).fetchall()  # noqa: S608 (our own names)
        ((kinds,),) = connection.execute(
            "SELECT list(DISTINCT typeof(ChargePeriodStart)) FROM read_parquet(?)", [str(target)]
        ).fetchall()
    assert kinds == ["TIMESTAMP WITH TIME ZONE"]
    for row, values in zip(csv.DictReader(io.StringIO(written)), found, strict=True):
        cells = [row[name] or None for name in names]
        expected = [None if cell is None else Decimal(cell) for cell in cells[:3]]
        assert [*expected, cells[3], cells[4], int(cells[5] or 0)] == list(values)


def test_what_does_not_fit_into_parquet_is_told(tmp_path: Path) -> None:
    """And no value of it is in the text."""
    source = tmp_path / "rows.csv"
    source.write_text(text([entry(example("tool-call"))]).replace("0.0003925", "9" * 40), encoding="utf-8")
    with pytest.raises(FoundProblem, match="can't be written as Parquet") as refused:
        parquet(source, tmp_path / "rows.parquet", COLUMNS)
    assert "999" not in str(refused.value)
