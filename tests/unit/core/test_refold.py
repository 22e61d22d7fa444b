"""A closed request folded anew is what it would have been, had all of its chunks been admitted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core import finish
from pipeline.core import refold as module
from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.refold import refold
from pipeline.core.rows import MemoryRows, SourceRecord
from pipeline.testing.chunk import Document, chat, encoded, marker, usage

CHAT = ("r-1", "chat.completion")
WHOLE = [chat(0, "a"), chat(1, "b", finish="stop"), usage(2, cost=0.5), marker(3)]
SAME = ("output_message", "token_usage", "cost", "cost_details", "status", "finish_reason", "chunk_count", "complete")


def placed(chunks: list[Document]) -> list[SourceRecord]:
    """Chunks at offsets of their own."""
    return [SourceRecord(b"r-1", encoded(each), offset, 0) for offset, each in enumerate(chunks)]


def by_worker(chunks: list[Document]) -> dict[str, Any]:
    """The record of the worker's own fold."""
    partition = Partition(Policy(), MemoryRows(), "t", 0)
    partition.apply(placed(chunks), len(chunks))
    partition.close_now()
    partition.finalize("r-1")
    (record,), _ = partition.take_output()
    told: dict[str, Any] = json.loads(record.value or b"")
    return told


@given(st.permutations(WHOLE))
def test_order_decides_nothing(chunks: list[Document]) -> None:
    """What ends the request may come first: no chunk is late here."""
    told, expected = refold(CHAT, placed(chunks), Policy()), by_worker(WHOLE)
    assert told.record is not None
    assert {name: told.record[name] for name in SAME} == {name: expected[name] for name in SAME}
    assert told.record["closed_by"] == "late"
    assert (told.refused, told.repeats, told.bug) == ({}, set(), None)


def test_repeats_and_conflicts_are_told_by_their_offsets() -> None:
    """The first of an identity counts, as on admission."""
    told = refold(CHAT, placed([WHOLE[0], WHOLE[0], chat(0, "other"), *WHOLE[1:]]), Policy())
    assert told.record is not None
    assert told.repeats == {1}
    assert told.refused == {2: ("conflict", "other content under an identity seen before")}
    assert (told.record["duplicate_count"], told.record["conflict_count"]) == (1, 1)
    assert told.record["output_message"]["content"] == "ab"


def test_what_is_no_chunk_of_the_request_is_refused() -> None:
    """For the reasons of the contract, each under its offset; nothing at all gives no record."""
    odd = [
        SourceRecord(b"r-1", b"no json", 0, 0),
        SourceRecord(b"r-1", None, 1, 0),
        SourceRecord(b"r-1", encoded(chat(0, "a", request_id="r-2")), 2, 0),
        SourceRecord(b"r-1", encoded(chat(0, "a") | {"stream_type": "text.completion"}), 3, 0),
        SourceRecord(b"r-1", encoded(chat(0, "x" * 5_000)), 4, 0),
    ]
    told = refold(CHAT, odd, Policy(max_chunk_bytes=4_096))
    assert [told.refused[offset][0] for offset in range(5)] == [
        *("not_json", "not_json", "key_mismatch", "stream_type_conflict", "oversize"),
    ]
    assert told.record is None
    assert refold(CHAT, [], Policy()).record is None


@pytest.mark.parametrize(("owner", "name"), [(module, "admit"), (finish, "fold")], ids=["admission", "fold"])
def test_an_exception_belongs_to_the_request(owner: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named by its type, and there is no record."""

    def failing(*_: Any) -> None:
        raise LookupError("planted-secret-words")

    monkeypatch.setattr(owner, name, failing)
    told = refold(CHAT, placed(WHOLE), Policy())
    assert (told.bug, told.record) == ("LookupError", None)
