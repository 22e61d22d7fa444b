"""The columns of a FOCUS 1.2 dataset: their types, and how a charge stands in them.

The spec's own columns first (mandatory, then those that apply to usage with unit prices), ours after them with `x_`.
What has no value is null, also where the spec allows none: no 0 and no word stands for what nobody knows (FOCUS, null
handling). Owns that table. Imports charges, payers and the core's cost.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from pipeline.core.cost import CURRENCY, GATEWAY, PROVIDER
from pipeline.sinks.export.focus.charge import CORRECTION, Charge
from pipeline.sinks.export.payer import Payer

_NAMES: Final = {
    "anthropic": "Anthropic",
    "azure": "Microsoft",
    "bedrock": "AWS",
    "cohere": "Cohere",
    "deepseek": "DeepSeek",
    "elevenlabs": "ElevenLabs",
    "gemini": "Google",
    "google": "Google",
    "groq": "Groq",
    "mistral": "Mistral AI",
    "openai": "OpenAI",
    "openrouter": "OpenRouter",
    "perplexity": "Perplexity",
    "vertex": "Google",
    "xai": "xAI",
}
"""Names of companies, where they differ from how providers are called in chunks."""


class Kind(StrEnum):
    """The spec's types of values."""

    TEXT = "text"
    MOMENT = "moment"
    NUMBER = "number"
    MONEY = "money"
    FLAG = "flag"
    COUNT = "count"
    JSON = "json"


class Span(NamedTuple):
    """Charge period and billing period, their ends exclusive."""

    begin: datetime
    end: datetime
    month: datetime
    next_month: datetime


@dataclass(frozen=True)
class Accounts:
    """Who is charged.

    Attributes:
        billing: the account that pays; `owner` where it says nothing.
        sub: a part of it.
        owner: whose ledger it is.
    """

    billing: Payer
    sub: Payer
    owner: str


class Row(NamedTuple):
    """What a column is taken out of."""

    charge: Charge
    span: Span
    accounts: Accounts


class Column(NamedTuple):
    """One column.

    Attributes:
        name: as the spec has it, or `x_…`.
        kind: of its values.
        take: its value; None is null.
        summed: added up where rows are gathered.
        single: of one request: left out where rows are gathered.
    """

    name: str
    kind: Kind
    take: Callable[[Row], Any]
    summed: bool = False
    single: bool = False


def span_of(charge: Charge, by: timedelta | None) -> Span:
    """When a charge counts: in the second, hour or day, and in the month, in which its request ended.

    Args:
        charge: of one request.
        by: the length of periods that divide a day; None: the request's own time, in whole seconds.
    """
    ended = charge.entry.end
    month = ended.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    next_month = (month + timedelta(days=32)).replace(day=1)
    if by is None:
        begin = min(charge.entry.start, ended).replace(microsecond=0)
        return Span(begin, ended.replace(microsecond=0) + timedelta(seconds=1), month, next_month)
    midnight = ended.replace(hour=0, minute=0, second=0, microsecond=0)
    begin = midnight + (ended - midnight) // by * by
    return Span(begin, begin + by, month, next_month)


def _of_entry(*path: str) -> Callable[[Row], Any]:
    return lambda row: row.charge.entry.inside(*path)


def _billing(row: Row) -> str:
    return row.accounts.billing.of_labels(row.charge.entry.record["labels"]) or row.accounts.owner


def _sub(row: Row) -> str | None:
    return row.accounts.sub.of_labels(row.charge.entry.record["labels"])


def _company(row: Row) -> str | None:
    provider = row.charge.provider
    return None if not provider else _NAMES.get(provider, provider)


def _service(row: Row) -> str:
    company = _company(row)
    return "LLM API" if company is None else f"{company} API"


def _description(row: Row) -> str:
    charge = row.charge
    return f"{charge.provider or 'provider not named'} {charge.model or 'model not named'}: {charge.meter}"


def _sku(row: Row) -> str | None:
    charge = row.charge
    return None if not charge.provider or not charge.model else f"{charge.provider}/{charge.model}"


def _version(row: Row) -> str | None:
    details = row.charge.entry.record.get("cost_details") or {}
    version: str | None = details.get("price_version") or details.get("price_hash")
    return version


def _sku_price(row: Row) -> str | None:
    sku, source = _sku(row), row.charge.entry.inside("cost_details", "source")
    if sku is None or source is None:
        return None
    return f"{sku}/{row.charge.meter}@{_version(row) or source}"


def _details(row: Row) -> str | None:
    entry = row.charge.entry
    if _sku_price(row) is None:
        return None
    found = {
        "x_PriceId": entry.inside("cost_details", "price_id"),
        "x_PriceHash": entry.inside("cost_details", "price_hash"),
        "x_ServiceTier": entry.record.get("service_tier"),
    }
    return _json({name: value for name, value in found.items() if value is not None})


def _category(row: Row) -> str | None:
    """How the price came about: by a list or agreement, or by whoever stated the cost."""
    source = row.charge.entry.inside("cost_details", "source")
    if source is None or row.charge.cost is None:
        return None
    return "Other" if source in (GATEWAY, PROVIDER) else "Standard"


def _tags(row: Row) -> str | None:
    labels = row.charge.entry.record["labels"]
    return _json(labels) if labels else None


def _trace(row: Row) -> str | None:
    trace = row.charge.entry.trace
    return None if trace is None else trace[0]


def _json(value: Any) -> str | None:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")) if value else None


def _cost(row: Row) -> Decimal | None:
    return row.charge.cost


def _quantity(row: Row) -> Decimal | None:
    return row.charge.quantity


def _unit(row: Row) -> str | None:
    return row.charge.unit


_T, _M, _N, _USD = Kind.TEXT, Kind.MOMENT, Kind.NUMBER, Kind.MONEY

COLUMNS: Final = (
    Column("BilledCost", _USD, _cost, summed=True),
    Column("BillingAccountId", _T, _billing),
    Column("BillingAccountName", _T, _billing),
    Column("BillingCurrency", _T, lambda _: CURRENCY),
    Column("BillingPeriodEnd", _M, lambda row: row.span.next_month),
    Column("BillingPeriodStart", _M, lambda row: row.span.month),
    Column("ChargeCategory", _T, lambda _: "Usage"),
    Column("ChargeClass", _T, lambda row: CORRECTION if row.charge.entry.amendment else None),
    Column("ChargeDescription", _T, _description),
    Column("ChargeFrequency", _T, lambda _: "Usage-Based"),
    Column("ChargePeriodEnd", _M, lambda row: row.span.end),
    Column("ChargePeriodStart", _M, lambda row: row.span.begin),
    Column("ConsumedQuantity", _N, _quantity, summed=True),
    Column("ConsumedUnit", _T, _unit),
    Column("ContractedCost", _USD, _cost, summed=True),
    Column("ContractedUnitPrice", _USD, lambda row: row.charge.price),
    Column("EffectiveCost", _USD, _cost, summed=True),
    Column("InvoiceId", _T, lambda _: None),
    Column("InvoiceIssuerName", _T, _company),
    Column("ListCost", _USD, lambda row: row.charge.list_cost, summed=True),
    Column("ListUnitPrice", _USD, lambda row: row.charge.list_price),
    Column("PricingCategory", _T, _category),
    Column("PricingQuantity", _N, _quantity, summed=True),
    Column("PricingUnit", _T, _unit),
    Column("ProviderName", _T, _company),
    Column("PublisherName", _T, _company),
    Column("ServiceCategory", _T, lambda _: "AI and Machine Learning"),
    Column("ServiceName", _T, _service),
    Column("ServiceSubcategory", _T, lambda _: "Generative AI"),
    Column("SkuId", _T, _sku),
    Column("SkuMeter", _T, lambda row: None if _sku(row) is None else row.charge.meter),
    Column("SkuPriceDetails", Kind.JSON, _details),
    Column("SkuPriceId", _T, _sku_price),
    Column("SubAccountId", _T, _sub),
    Column("SubAccountName", _T, _sub),
    Column("Tags", Kind.JSON, _tags),
    Column("x_CacheHit", Kind.FLAG, _of_entry("cache_debug", "cache_hit")),
    Column("x_CostReason", _T, _of_entry("cost_details", "reason")),
    Column("x_CostSource", _T, _of_entry("cost_details", "source")),
    Column("x_Operation", _T, _of_entry("stream_type")),
    Column("x_Status", _T, _of_entry("status")),
    Column("x_UsageSource", _T, _of_entry("usage_source")),
    Column("x_Complete", Kind.FLAG, _of_entry("complete"), single=True),
    Column("x_EvidenceDigest", _T, _of_entry("digest"), single=True),
    Column("x_RecordId", _T, _of_entry("record_id"), single=True),
    Column("x_RequestId", _T, _of_entry("request_id"), single=True),
    Column("x_Revision", Kind.COUNT, _of_entry("revision"), single=True),
    Column("x_TraceId", _T, _trace, single=True),
)
"""In the order in which they stand in a file."""

GATHERED: Final = Column("x_Charges", Kind.COUNT, lambda _: 1, summed=True)
"""How many charges a gathered row is of; stands last."""
