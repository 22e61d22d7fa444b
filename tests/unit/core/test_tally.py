"""What snapshots count: each chunk, repeat, letter and record once, over any number of checkpoints."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rows import MemoryRows, SourceRecord
from pipeline.core.tally import Sums, Tally
from pipeline.testing.chunk import HOUR, USAGE, Document, chat, encoded, error, speech, usage
from tests.ledger import START

POLICY = Policy()
GRACE = POLICY.finish_grace


class Counted:
    """A partition that only ever gives out what it counts, by snapshots."""

    def __init__(self) -> None:
        self.rows, self.tallies = MemoryRows(), list[Tally]()
        self.partition = Partition(POLICY, self.rows, "chunks", 0)

    def send(self, *chunks: Document | bytes, at: int = 0) -> Counted:
        """Append chunks."""
        made = []
        for offset, chunk in enumerate(chunks, self.partition.position):
            key = b"r-1" if isinstance(chunk, bytes) else str(chunk["request_id"]).encode()
            made.append(SourceRecord(key, chunk if isinstance(chunk, bytes) else encoded(chunk), offset, START + at))
        self.partition.apply(made, self.partition.position + len(made))
        return self

    def until(self, at: int) -> Counted:
        """Let append time pass, and make the records."""
        self.partition.expire(START + at)
        for request_id in list(self.partition.closing):
            self.partition.finalize(request_id)
        return self

    def checkpoint(self) -> Tally:
        """A checkpoint, and what it counted."""
        taken = self.partition.snapshot()
        assert taken is not None
        self.rows.write(taken)
        self.partition.settled()
        self.tallies.append(taken.tally)
        return taken.tally

    def restart(self) -> Counted:
        """Lose what no checkpoint holds."""
        self.partition = Partition(POLICY, self.rows, "chunks", 0)
        self.partition.load()
        return self


def test_chunks_are_counted_with_the_snapshot_that_writes_them() -> None:
    """Open, then closed, then restored: none twice, none never."""
    counted = Counted().send(chat(0, "a"), chat(1, "b"), speech(0, b"x", request_id="s"))
    first = counted.checkpoint()
    assert (first.opened, first.chunks) == (2, {"chat.completion": 2, "audio.speech": 1})
    second = counted.restart().send(chat(2, "c", finish="stop")).until(GRACE).checkpoint()
    assert (second.opened, second.chunks) == (0, {"chat.completion": 1})
    assert second.records == {("chat.completion", "success", "finish"): 1}


def test_repeats_and_conflicts_are_counted_when_they_are_settled() -> None:
    """Before the close, at it, and after it."""
    counted = Counted().send(chat(0, "a"), chat(0, "a"), chat(0, "other"))
    first = counted.checkpoint()
    assert (first.duplicates, first.conflicts, first.dead) == (1, 1, {"conflict": 1})
    second = counted.send(chat(0, "a"), chat(1, finish="stop")).until(GRACE).checkpoint()
    assert (second.duplicates, second.conflicts) == (1, 0)
    third = counted.send(chat(0, "a"), at=5_000).checkpoint()
    assert (third.duplicates, third.late, third.chunks) == (1, 0, {})


def test_late_chunks_are_those_that_are_no_repeats() -> None:
    """Of a revision, adding nothing, or too late; a revision is no second record."""
    counted = Counted().send(chat(0, "a", finish="stop")).until(GRACE)
    counted.checkpoint()
    empty = counted.send(chat(1), at=5_000).checkpoint()
    assert (empty.late, empty.chunks) == (1, {})
    revised = counted.send(usage(2), at=6_000).until(6_000 + GRACE).checkpoint()
    assert (revised.late, revised.chunks, revised.records) == (1, {"chat.completion": 1}, {})
    assert revised.revisions == {"chat.completion": 1}
    refused = counted.send(chat(9, "b"), at=2 * HOUR).checkpoint()
    assert (refused.late, refused.dead) == (1, {"late": 1})


def test_gaps_anomalies_and_letters() -> None:
    """By stream type and reason."""
    counted = Counted().send(chat(0, "a"), chat(3, "b", finish="stop"), b"{", b"[]")
    tally = counted.until(GRACE).checkpoint()
    assert (tally.gaps, tally.dead) == ({"chat.completion": 1}, {"not_json": 1, "invalid": 1})
    odd = chat(0, "a", finish="stop", request_id="odd")
    odd["response"]["choices"][0]["delta"]["role"] = 7
    assert counted.send(odd).until(GRACE).checkpoint().anomalies == 1


@pytest.mark.parametrize("known", [True, False], ids=["open request", "no request"])
def test_an_exception_is_counted_whether_or_not_a_request_is_open(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a request that was given up has neither times nor money."""
    counted = Counted().send(*[chat(0, "a")] * known)
    counted.checkpoint() if known else None

    def bug(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("pipeline.core.partition.decode", bug)
    tally = counted.send(chat(1, "b")).until(0).checkpoint()
    assert (tally.internal, tally.dead["internal"], tally.models) == (1, 2 if known else 1, {})
    assert tally.records == ({("chat.completion", "error", "error"): 1} if known else {})


def test_times_tokens_and_money_by_provider_and_model() -> None:
    """First tokens only of what showed anything; usage without a cost has its reason."""
    counted = Counted().send(
        chat(0, "a", provider="p", model="m"),
        usage(1, is_final=True, provider="p", model="m"),
        error(0, request_id="e", is_final=True),
    )
    tally = counted.until(GRACE).checkpoint()
    sums = tally.models["p", "m"]
    assert (sums.latency, sums.first_token) == ([100], [0])
    assert (sums.tokens, sums.unpriced) == ({"input": 5, "output": 2}, {"no_price_list": 1})
    assert (tally.models[None, None].latency, tally.models[None, None].first_token) == ([0], [])


def bill(cost: float | None, tokens: int, **fields: Any) -> dict[str, Any]:
    """What sums look at in a record."""
    counts = {"prompt_tokens": tokens, "completion_tokens": 0}
    return {
        "revision": 0, "delta": None, "latency": 10, "time_to_first_token": 1, "time_to_first_content": 1,
        "token_usage": counts, "cost": cost, "cost_details": {"reason": None}, **fields,
    }  # fmt: skip


def test_what_a_revision_takes_back_is_counted_apart() -> None:
    """A counter never falls."""
    sums = Sums()
    sums.add(bill(2.0, 10))
    sums.add(bill(0.5, 4, revision=1, delta={"token_usage": {"prompt_tokens": -6}, "cost": -1.5}))
    assert (sums.cost, sums.cost_back, sums.tokens, sums.tokens_back) == (2.0, 1.5, {"input": 10}, {"input": 6})
    assert (sums.latency, sums.unpriced) == ([10], {})


def test_a_request_without_a_price_counts_once() -> None:
    """With the revision that brings its usage, if its first record had none."""
    sums = Sums()
    sums.add(bill(None, 0, token_usage=None))
    whole = {"prompt_tokens": 4, "completion_tokens": 0}
    sums.add(bill(None, 4, revision=1, delta={"token_usage": whole, "cost": 0.0}, cost_details=None))
    nothing = {"prompt_tokens": 0, "completion_tokens": 0}
    sums.add(bill(None, 4, revision=2, delta={"token_usage": nothing, "cost": 0.0}))
    sums.add(bill(None, 4, revision=3, delta=None))
    assert sums.unpriced == {"": 1}


@given(st.lists(st.sampled_from(["chunk", "repeat", "checkpoint", "restart"]), max_size=30))
def test_sums_over_checkpoints_are_what_the_record_says(steps: list[str]) -> None:
    """However often state is written, and read again in between."""
    counted, index = Counted().send(chat(0, "a")), 1
    counted.checkpoint()
    for step in steps:
        if step == "chunk":
            counted.send(chat(index, "b"))
            index += 1
        elif step == "repeat":
            counted.send(chat(0, "a"))
        elif counted.partition.dirty:
            counted.checkpoint()
        if step == "restart":
            counted.restart()
    counted.send(usage(index, USAGE, is_final=True)).until(0)
    head_of_it = counted.partition._outbox.records[-1]
    counted.checkpoint()
    assert head_of_it.value is not None
    assert sum(tally.chunks.total() for tally in counted.tallies) == index + 1
    assert sum(tally.opened for tally in counted.tallies) == 1
    assert sum(tally.duplicates for tally in counted.tallies) == steps.count("repeat")


def test_the_oldest_request_is_known_also_after_a_restart() -> None:
    """By append time, though the store has requests by name."""
    counted = Counted()
    nothing = counted.partition.oldest
    counted.send(chat(0, "a", request_id="z"), at=1).send(chat(0, "a", request_id="a"), at=2)
    counted.checkpoint()
    assert (nothing, counted.partition.oldest) == (None, START + 1)
    assert counted.restart().partition.oldest == START + 1


def test_a_record_is_unsent_until_its_snapshot_is_settled() -> None:
    """Closed, made, in flight, through."""
    counted = Counted().send(chat(0, "a", finish="stop"))
    counted.partition.expire(START + GRACE)
    seen = [counted.partition.unsent]
    counted.until(GRACE)
    seen.append(counted.partition.unsent)
    counted.partition.snapshot()
    seen.append(counted.partition.unsent)
    counted.partition.settled()
    assert [*seen, counted.partition.unsent] == [1, 1, 1, 0]
