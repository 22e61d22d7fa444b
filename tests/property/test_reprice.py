"""Any request priced anew, any number of times: the worker's figures under the other list, and deltas that add up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.policy import Policy
from pipeline.ops.correction import altered, amended
from pipeline.ops.reprice.revaluation import Outcome, verdict_on
from pipeline.testing.chunk import Document, chat, chunk, error
from tests.ledger import valid
from tests.unit.ops.reprice.lists import Touchy, money, under

LIMIT = Policy().max_record_bytes

counts = st.integers(0, 10**6)
usages = st.builds(
    lambda prompt, completion, own: (
        {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        | ({} if own is None else {"cost": {"total_cost": own}})
    ),
    counts,
    counts,
    st.sampled_from([None, None, 0, 0.25]),
)
extras = st.sampled_from(
    [None, None, {"cache_debug": {"cache_hit": True, "hit_type": "direct"}}, {"cache_debug": {"cache_hit": False}}]
)
names = st.sampled_from(["A", "B", "C", "D"])


@st.composite
def attempts(draw: st.DrawFn) -> list[Document]:
    """Chunks of one to three attempts, each with whatever decides a price, or without."""
    made = []
    for number in range(draw(st.integers(1, 3))):
        told: dict[str, Any] = {"attempt": number, "model": draw(st.sampled_from(["m", "n"]))}
        cost = draw(st.sampled_from([None, None, 0.0, 0.125]))
        told |= {} if cost is None else {"cost": cost}
        response: Document = {
            "choices": [],
            "usage": draw(st.none() | usages),
            "service_tier": draw(st.sampled_from([None, "flex"])),
        }
        response["extra_fields"] = draw(extras)
        made.append(chunk(0, {name: value for name, value in response.items() if value is not None}, **told))
        if draw(st.booleans()):
            made.append(chat(1, "a", finish="stop", attempt=number))
        elif draw(st.booleans()):
            made.append(error(2, attempt=number))
    return made


@given(chunks=attempts(), first=names, second=names)
def test_what_can_be_priced_anew_costs_what_the_worker_would_have_said(
    chunks: list[Document], first: str, second: str
) -> None:
    """Or nothing is said at all: there is no third way."""
    old, expected = (under(name, *chunks, sure=False) for name in (first, second))

    verdict = verdict_on(old, Touchy(second))

    if verdict.outcome == Outcome.CHANGED:
        assert verdict.record is not None
        assert money(verdict.record) == money(expected)
    elif verdict.outcome == Outcome.NO_PRICE:
        assert (expected["cost"], expected["cost_details"]["reason"]) == (None, verdict.reason)
    elif verdict.outcome == Outcome.SAME:
        assert (old["cost"], money(old)[-1]) == (expected["cost"], money(expected)[-1])
    else:
        assert verdict.outcome == Outcome.STATED or old["attempts"] is not None


@given(chunks=attempts(), lists=st.lists(names, min_size=1, max_size=6))
def test_the_first_cost_and_all_deltas_are_the_latest_cost(chunks: list[Document], lists: list[str]) -> None:
    """Exactly, as decimals of the numbers as they are written; and each revision stands on the one before."""
    record = under("A", *chunks, sure=False)
    total, revision = Decimal(repr(record["cost"] or 0)), 0
    for name in lists:
        new = verdict_on(record, Touchy(name)).record
        if new is None:
            continue
        sent = amended(record, new, ledger="main", limit=LIMIT)
        assert sent is not None
        record, before = valid(sent.value), record
        revision += 1
        total += Decimal(repr(record["delta"]["cost"]))
        assert (record["revision"], record["supersedes"]) == (revision, before["record_id"])
        assert total == Decimal(repr(record["cost"]))
        assert Decimal(record["cost_details"]["total"]) == Decimal(repr(record["cost"]))
        assert altered(record, "main") is None
        assert verdict_on(record, Touchy(name)).outcome in (Outcome.SAME, Outcome.STATED)
