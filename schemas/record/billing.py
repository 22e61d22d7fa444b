"""Who pays how much and why: cost, its provenance, attempts and corrections."""

from __future__ import annotations

import decimal
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from schemas.leaves import Count, Integer, JsonObject, Model, Number
from schemas.record.part import Decimal, Part
from schemas.record.status import Status
from schemas.record.usage import BifrostLLMUsage


class UsageSource(StrEnum):
    """Where token_usage comes from."""

    PROVIDER = "provider"
    ESTIMATED = "estimated"


class CostSource(StrEnum):
    """Where cost comes from."""

    GATEWAY = "gateway"
    PROVIDER = "provider"
    CATALOG = "catalog"
    OVERLAY = "overlay"


class CostDetails(Model):
    """Cost as exact amounts, and what it was computed from."""

    currency: str | None
    input: Decimal | None
    """Part of the total for the prompt; null where only the total is known."""
    output: Decimal | None
    total: Decimal | None
    source: CostSource | None = Field(strict=False)
    price_id: str | None = None
    price_version: str | None = None
    """Version of the price data."""
    price_hash: str | None = None
    """Hash of the price data."""
    reason: str | None = None
    """Why cost is null, or why a gateway's zero was overruled."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        """Refuse parts that do not add up to the total (CONTRACT §2)."""
        if self.input is None or self.output is None or self.total is None:
            return self
        if decimal.Decimal(self.input) + decimal.Decimal(self.output) != decimal.Decimal(self.total):
            raise ValueError("input and output do not add up to total")
        return self


class UsageDelta(Part):
    """Change of token counts against the superseded record; null there counts as 0."""

    prompt_tokens: Integer | None = None
    prompt_tokens_details: JsonObject | None = None
    completion_tokens: Integer | None = None
    completion_tokens_details: JsonObject | None = None
    total_tokens: Integer | None = None


class RecordDelta(Model):
    """What a revision adds to the bill of the superseded record, or takes from it."""

    token_usage: UsageDelta | None
    cost: Number | None


class Attempt(Model):
    """One fallback or retry inside a request."""

    number: Count
    provider: str | None
    model: str | None
    status: Status = Field(strict=False)
    finish_reason: str | None
    token_usage: BifrostLLMUsage | None
    cost: Number | None
