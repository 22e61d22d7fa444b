"""What a request's record was made of is told by its letters and receipts."""

from __future__ import annotations

from pipeline.ops.dead.history import History
from pipeline.ops.dead.letter import Place
from schemas.deadletter import Way
from tests.unit.ops.dead.letters import letter, receipt_for


def test_letters_and_receipts_tell_what_was_admitted() -> None:
    """Refused chunks are none of it, conflicts are refused again by the fold; rebuilt ones were given back."""
    history = History()
    late = letter("late", offset=44)
    for each in (letter("invalid", offset=41), letter("conflict", offset=42), late):
        history.add(each)
    history.add(letter("internal", detail="rebuilt", offset=43))
    history.add(letter("internal", detail="LookupError", offset=45))
    history.add(receipt_for(late, Way.CORRECTION, b"chunk"))
    history.add(receipt_for(letter("invalid", offset=41), Way.CHUNKS))
    assert history.refused == {Place(3, offset) for offset in (41, 43, 44, 45)}
    assert history.stood == history.refused | {Place(3, 42)}
    assert history.quarantined == {Place(3, 43)}
    assert [(each.stood, each.value) for each in history.taken] == [(Place(3, 44), b"chunk")]
