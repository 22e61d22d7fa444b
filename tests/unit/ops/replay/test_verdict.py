"""Two records in one class: what explains a difference, and what does not."""

from __future__ import annotations

import json
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from pipeline.core.canonical import canonical, encode
from pipeline.core.cost import Price
from pipeline.core.policy import Policy
from pipeline.core.valuation import Call, Valuation
from pipeline.ops.replay.verdict import ALTERED, Kind, compared, verdict
from pipeline.testing.chunk import Document, chat, error
from tests.ledger import fold


class List:
    """A price list that asks one price for everything."""

    def __init__(self, total: str, digest: str) -> None:
        """Of this total, out of data with this hash."""
        self._price = Price(total=Decimal(total), source="catalog", price_hash=digest)

    def price(self, call: Call) -> Price:  # noqa: ARG002 (the signature is the port's)
        """Always the same."""
        return self._price


def record(price: str = "1", digest: str = "a", **policy: Any) -> Document:
    """A record of two attempts, priced."""
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    chunks = [
        chat(0, "a", usage=usage, attempt=0, provider="p", model="m"),
        error(1, attempt=0),
        chat(0, "b", usage=usage, attempt=1, is_final=True, finish="stop", provider="p", model="m"),
    ]
    return fold(*chunks, policy=Policy(**policy), valuation=Valuation(List(price, digest)))


def sealed(record: Document) -> bytes:
    """A changed record under a digest that holds."""
    return encode(record | {"digest": sha256(canonical(record)).hexdigest()})


def test_equal_bytes_and_equal_canonical_records_are_the_same() -> None:
    """What depends on delivery alone is no difference."""
    mine = record()
    again = mine | {"duplicate_count": 7, "closed_by": "expiry", "source": {"topic": "x"}}
    assert verdict(encode(mine), encode(mine)).kind is Kind.SAME
    assert verdict(encode(again), encode(mine)).kind is Kind.SAME


def test_other_settings_are_told_by_the_digest_of_the_settings() -> None:
    """Whatever differs then."""
    found = verdict(encode(record(capture="metadata")), encode(record()))
    assert found.kind is Kind.CONFIG
    assert "output_message" in found.fields


def test_other_prices_are_told_by_where_they_are_from() -> None:
    """Cost, its parts, and the costs of the attempts may differ; nothing else."""
    found = verdict(encode(record("2", "b")), encode(record()))
    assert found.kind is Kind.PRICE
    assert {"cost", "cost_details.total", "attempts"} <= set(found.fields)


def test_another_cost_out_of_the_same_prices_is_different() -> None:
    """Somebody changed it, however well."""
    assert verdict(encode(record("2")), encode(record())).kind is Kind.DIFFERENT


def test_other_prices_do_not_excuse_another_usage() -> None:
    """Of the request or of one of its attempts."""
    other = record("2", "b")
    other["token_usage"] = other["token_usage"] | {"total_tokens": 8}
    assert verdict(sealed(other), encode(record())).kind is Kind.DIFFERENT
    other = record("2", "b")
    other["attempts"][0]["token_usage"]["total_tokens"] = 8
    assert verdict(sealed(other), encode(record())).kind is Kind.DIFFERENT


@pytest.mark.parametrize("policy", [{}, {"capture": "metadata"}])
def test_a_record_whose_digest_does_not_hold_is_different_whatever_else(policy: dict[str, Any]) -> None:
    """Neither settings nor prices change a record after it was made."""
    other = record("2", "b", **policy) | {"cost": 0.5}
    found = verdict(encode(other), encode(record()))
    assert found.kind is Kind.DIFFERENT
    assert ALTERED in found.fields


def test_a_correction_is_judged_by_what_it_says_and_not_by_its_names() -> None:
    """Its revision and its delta are its own."""
    mine = record()
    names = {"record_id": "x", "revision": 1, "supersedes": mine["record_id"], "delta": {"cost": 0}}
    correction = json.loads(sealed(mine | names))
    assert compared(correction, mine, correction=True).kind is Kind.SAME
    assert compared(correction, mine).kind is Kind.DIFFERENT
