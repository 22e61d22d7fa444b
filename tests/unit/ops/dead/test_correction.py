"""A record is corrected by letters only where it is understood; the figures come from one fold of all chunks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.core import finish
from pipeline.core.rows import SourceRecord
from pipeline.core.valuation import UNVALUED
from pipeline.errors import FoundProblem
from pipeline.ops.correction import Latest, Stored
from pipeline.ops.dead.correction import ADDS_NOTHING, CHANGED, MISSING, Made, Workshop
from pipeline.ops.dead.examination import Ticket
from pipeline.ops.dead.history import apart
from pipeline.ops.dead.letter import Place
from pipeline.testing.chunk import Document, chat, encoded, marker, usage
from tests.unit.ops.dead.letters import folded, settings, source_records

BASE = [chat(0, "a", finish="stop"), marker(1)]


def ticket(number: int, stood: Place) -> Ticket:
    """Of a letter."""
    return Ticket(Place(3, number), "late", "r-1", "chat.completion", 3, stood, 0, 10, rebuilt=False)


def corrected(
    letters: Sequence[Document],
    *,
    base: Sequence[Document] = BASE,
    record: dict[str, Any] | None = None,
    as_of_now: bool = False,
    partition: int = 3,
    first: int = 40,
) -> Made:
    """The correction of the record of BASE by letters that stood at `first` and after, in a partition."""
    stood = [Place(partition, first + number) for number in range(len(letters))]
    chunks = {
        ticket(number, place): SourceRecord(b"r-1", encoded(each), apart(len(base) + number), 0)
        for number, (place, each) in enumerate(zip(stood, letters, strict=True))
    }
    stored = Stored(Latest(0, 5, 0), folded(BASE) if record is None else record, "00-trace")
    return Workshop(settings(), UNVALUED, as_of_now).correction(stored, source_records(base), chunks)


def read(made: Made) -> dict[str, Any]:
    """The record of a correction."""
    assert made.record is not None
    told: dict[str, Any] = json.loads(made.record.value or b"")
    return told


def test_a_late_chunk_makes_the_next_revision() -> None:
    """With the delta of what it brings, under the worker's names and headers, over the range of both."""
    made = corrected([usage(2, cost=0.5)])
    told = read(made)
    assert (told["revision"], told["supersedes"]) == (1, folded(BASE)["record_id"])
    assert (told["delta"]["cost"], told["delta"]["token_usage"]["total_tokens"]) == (0.5, 7)
    assert (told["closed_by"], told["chunk_count"], told["output_message"]["content"]) == ("late", 3, "a")
    assert told["source"] == {"topic": "llm.chunks", "partition": 3, "first_offset": 20, "last_offset": 40}
    assert made.record is not None
    assert dict(made.record.headers)["traceparent"] == b"00-trace"
    assert (list(made.taken), made.refused) == ([ticket(0, Place(3, 40))], {})


def test_a_chunk_that_stood_elsewhere_leaves_the_range_as_it_was() -> None:
    """Its offset is of another partition."""
    assert read(corrected([usage(2, cost=0.5)], partition=1))["source"]["last_offset"] == 21


def test_what_adds_nothing_is_said_to() -> None:
    """A repeat of what was admitted changes no figure and is no correction."""
    made = corrected([BASE[0]])
    assert made.record is None
    assert list(made.refused.values()) == [ADDS_NOTHING]


def test_a_conflict_stays_refused_beside_what_is_taken() -> None:
    """What was admitted comes first, whatever offset the letter has."""
    made = corrected([chat(0, "other"), usage(2, cost=0.5)])
    assert read(made)["output_message"]["content"] == "a"
    assert list(made.refused) == [ticket(0, Place(3, 40))]
    assert next(iter(made.refused.values())).startswith("conflict")
    alone = corrected([chat(0, "other")])
    assert (alone.record, alone.taken) == (None, {})


def test_a_conflict_that_was_mended_is_not_taken_for_the_chunk_that_stood_there() -> None:
    """The old form is refused again where it stands, the mended one is taken in."""
    base = [*BASE, chat(0, "other")]
    made = corrected([usage(2, cost=0.5)], base=base, first=22)
    assert read(made)["conflict_count"] == 1
    assert (len(made.taken), made.refused) == (1, {})


def test_a_record_that_its_chunks_do_not_give_is_not_corrected() -> None:
    """Chunks are missing, or settings and prices have changed; the latter only where one says so."""
    with pytest.raises(FoundProblem, match=MISSING):
        corrected([usage(2)], base=BASE[:1])
    with pytest.raises(FoundProblem, match=MISSING):
        corrected([usage(2)], base=[chat(0, "a", request_id="other")])
    other = folded(BASE) | {"cost": 9.0}
    with pytest.raises(FoundProblem) as told:
        corrected([usage(2, cost=0.5)], record=other)
    assert told.value.message == CHANGED
    assert read(corrected([usage(2, cost=0.5)], record=other, as_of_now=True))["delta"]["cost"] == -8.5


def test_a_quarantined_request_is_made_of_its_letters() -> None:
    """Nothing was left of it: there is nothing to compare."""
    told = read(corrected([*BASE, usage(2, cost=0.5)], base=[]))
    assert (told["chunk_count"], told["cost"], told["revision"]) == (3, 0.5, 1)


def test_while_folding_still_raises_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exception is named by its type."""

    def failing(*_: Any) -> None:
        raise LookupError("planted-secret-words")

    monkeypatch.setattr(finish, "fold", failing)
    with pytest.raises(FoundProblem, match="LookupError") as told:
        corrected(BASE, base=[])
    assert "planted" not in told.value.message
