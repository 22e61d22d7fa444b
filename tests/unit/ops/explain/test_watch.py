"""One request under observation: what became of each record, how it closed, and that watching changes nothing."""

from __future__ import annotations

import json

from pipeline.core.policy import Policy
from pipeline.core.rows import SourceRecord
from pipeline.ops.explain.watch import Moment, Watch
from pipeline.testing.chunk import Document, chat, encoded, error, marker, usage
from tests.ledger import NUMBER, START, TOPIC, Ledger

DUPLICATE = "duplicate"


def watch(policy: Policy | None = None) -> Watch:
    """A watch of r-1, before the first record."""
    return Watch("r-1", policy or Policy(), (TOPIC, NUMBER))


def take(seen: Watch, *chunks: Document | bytes | None, at: int = 0, key: bytes = b"r-1") -> Watch:
    """Records of the request at `at` ms."""
    for document in chunks:
        value = document if document is None or isinstance(document, bytes) else encoded(document)
        seen.take(SourceRecord(key, value, seen.position, START + at))
    return seen


def outcomes(seen: Watch) -> list[tuple[str, str | None]]:
    """(outcome, reason) of each record."""
    return [(entry.outcome, entry.reason) for entry in seen.entries]


def test_new_chunks_repeats_and_conflicts_are_told_apart() -> None:
    """The first one stays; the conflict is a dead letter, found when the repeats are compared."""
    seen = take(watch(), chat(0, "a"), chat(1, "b"), chat(1, "b"), chat(0, "other"), marker(2))

    assert outcomes(seen) == [
        ("new", None),
        ("new", None),
        (DUPLICATE, None),
        ("conflict", "conflict"),
        ("new", None),
    ]


def test_what_is_no_chunk_is_refused_with_its_reason() -> None:
    """Each reason by which a record never gets into the fold."""
    seen = take(
        watch(Policy(max_chunk_bytes=1_000)),
        b"no json",
        chat(-1, "a"),
        None,
        chat(0, "x" * 1_000),
        chat(0, "a", schema_version=2),
        chat(0, "a", request_id="other"),
        chat(0, "a"),
        chat(1, "b", stream_type="text.completion"),
    )

    assert [reason for outcome, reason in outcomes(seen) if outcome == "refused"] == [
        "not_json",
        "invalid",
        "not_json",
        "oversize",
        "unsupported_version",
        "key_mismatch",
        "stream_type_conflict",
    ]
    assert [entry.chunk is None for entry in seen.entries] == [True, True, True, False, True, False, False, False]


def test_a_record_under_another_key_is_refused() -> None:
    """It names the request, but its key does not."""
    assert outcomes(take(watch(), chat(0, "a"), key=b"r-2")) == [("refused", "key_mismatch")]


def test_late_chunks_are_repeats_or_empty_or_make_a_revision_or_are_refused() -> None:
    """All four fates of CONTRACT §4, after closing."""
    seen = take(watch(), chat(0, "a", finish="stop"), usage(1))
    seen.tick(seen.position, START + 5_000)
    take(seen, chat(0, "a", finish="stop"), chat(2, None), chat(3, "more"), at=6_000)
    seen.tick(seen.position, START + 10_000)
    take(seen, chat(4, "too late"), at=2 * 3_600_000)

    assert outcomes(seen)[2:] == [("late_duplicate", None), ("late_empty", None), ("new", None), ("refused", "late")]
    assert [entry.revision for entry in seen.entries] == [0, 0, 0, 0, 1, 1]
    assert [closing.head.revision for closing in seen.closings] == [0, 1]


def test_each_closing_knows_the_record_by_which_the_clock_passed() -> None:
    """The final chunk itself, a record of another request, or none at the end of the input."""
    at_once = take(watch(), chat(0, "a"), marker(1))
    by_clock = take(watch(), chat(0, "a", finish="stop"))
    by_clock.tick(7, START + 3_000)
    by_end = take(watch(), chat(0, "a"))
    by_end.end()

    assert at_once.closings[0].seen_at == Moment(1, START)
    assert by_clock.closings[0].seen_at == Moment(7, START + 3_000)
    assert by_end.closings[0].seen_at is None
    assert [seen.closings[0].head.closed_by for seen in (at_once, by_clock, by_end)] == ["final", "finish", "expiry"]


def test_a_closing_holds_all_chunks_of_its_revision() -> None:
    """Those of the revision before come from the segments that are kept."""
    seen = take(watch(), chat(0, "a", finish="stop"), chat(1, "b"))
    seen.tick(seen.position, START + 5_000)
    take(seen, usage(2), at=6_000)
    seen.end()

    assert [[offset for offset, _ in closing.chunks] for closing in seen.closings] == [[0, 1], [0, 1, 3]]


def test_an_open_request_can_be_looked_at_without_closing_it() -> None:
    """Its repeats are compared as at any checkpoint, and it goes on as if nobody had looked."""
    seen = take(watch(), chat(0, "a"), chat(0, "a"), chat(0, "b"))
    preview = seen.preview()
    take(seen, usage(1), marker(2))

    assert preview is not None
    assert (preview.record["chunk_count"], preview.record["duplicate_count"], preview.value) == (1, 1, None)
    assert outcomes(seen)[1:3] == [(DUPLICATE, None), ("conflict", "conflict")]
    assert seen.closings[0].record == Ledger().send(*_delivered()).record


def test_watching_changes_no_byte_of_the_record() -> None:
    """The record is that of the working set which folds the same offsets, those of others included."""
    other = chat(0, "a", request_id="r-2")
    ledger = Ledger().send(chat(0, "a"), other, at=5).send(chat(1, "b", finish="stop"), at=9).until(5_000)
    seen = take(watch(), chat(0, "a"), at=5)
    seen.tick(1, START + 5)
    take(seen, chat(1, "b", finish="stop"), at=9)
    seen.tick(3, START + 5_000)

    assert [closing.value for closing in seen.closings] == [record.value for record in ledger.outgoing]


def test_a_request_whose_fold_raised_is_told_as_refused() -> None:
    """CONTRACT G4: its chunks are dead letters `internal`, its record says error."""
    seen = take(watch(), chat(0, "a"), error(1))
    head = seen.open_head
    assert head is not None
    head.poisoned = True
    seen.end()

    assert outcomes(seen) == [("refused", "internal"), ("refused", "internal")]
    assert json.loads(seen.closings[0].value or b"")["status"] == "error"


def test_nothing_is_known_of_a_request_that_never_came() -> None:
    """A watch of an empty partition says so."""
    seen = watch()
    seen.tick(0, START)
    seen.end()

    assert (seen.last, seen.entries, seen.source_records) == (None, [], 1)


def _delivered() -> list[Document]:
    return [chat(0, "a"), chat(0, "a"), chat(0, "b"), usage(1), marker(2)]
