"""What comes after a request closed: repeats, revisions, a reused id (CONTRACT §4, after closing)."""

import pytest

from pipeline.core.policy import Policy
from pipeline.core.rows import SourceRecord
from pipeline.testing.chunk import HOUR, chat, encoded, speech, usage
from tests.ledger import START, Ledger

POLICY = Policy()
GRACE = POLICY.finish_grace


def closed_by_finish() -> Ledger:
    """r-1, closed by finish at GRACE, incomplete money."""
    return Ledger().send(chat(0, "a"), chat(1, "b", finish="stop")).until(GRACE)


def test_repeats_after_closing_are_counted_and_make_no_record() -> None:
    """Content is not compared any more (CONTRACT §4)."""
    ledger = closed_by_finish().send(chat(0, "a"), chat(1, "other", finish="stop"), at=5_000).until(HOUR)

    assert (len(ledger.records), ledger.dead, ledger.partition.counts) == (1, [], {"late_repeats": 2, "late_empty": 0})


def test_late_chunks_that_add_nothing_are_counted() -> None:
    """No revision for an empty delta."""
    ledger = closed_by_finish().send(chat(2), at=5_000).until(HOUR)

    assert (len(ledger.records), ledger.dead, ledger.partition.counts["late_empty"]) == (1, [], 1)


def test_late_chunks_gather_to_one_revision() -> None:
    """Until finish_grace after the last of them (CONTRACT §4)."""
    ledger = closed_by_finish()
    for index, at in ((2, 10_000), (3, 11_500), (4, 13_000)):
        ledger.send(usage(index, {"total_tokens": index}), at=at)

    assert len(ledger.until(13_000 + GRACE - 1).records) == 1
    assert ledger.until(13_000 + GRACE).closings[1:] == [("late", 13_000 + GRACE)]
    assert [record["token_usage"] for record in ledger.records] == [None, {"total_tokens": 4}]


def test_repeats_of_gathered_chunks_are_compared() -> None:
    """A revision counts its own repeats and conflicts."""
    ledger = closed_by_finish().send(usage(2), usage(2), usage(2, {"total_tokens": 9}), at=5_000).until(HOUR)

    assert ledger.reasons == [("conflict", 4)]
    assert (ledger.records[1]["duplicate_count"], ledger.records[1]["conflict_count"]) == (1, 1)


def test_later_chunks_make_the_next_revision() -> None:
    """Each supersedes the one before; indexes and chunks of all of them count."""
    ledger = closed_by_finish().send(chat(2, "c"), at=10_000).send(chat(3, "d"), at=20_000).until(HOUR)

    assert [(record["revision"], record["output_message"]["content"]) for record in ledger.records] == [
        (0, "ab"), (1, "abc"), (2, "abcd"),
    ]  # fmt: skip
    assert ledger.records[2]["supersedes"] == ledger.records[1]["record_id"]
    assert ledger.records[2]["chunk_count"] == 4


def test_a_due_revision_is_closed_before_the_chunk_that_made_it_due() -> None:
    """As a request is."""
    ledger = closed_by_finish().send(chat(2, "c"), at=10_000).send(chat(3, "d"), at=10_000 + GRACE)

    assert ledger.closings[1:] == [("late", 10_000 + GRACE)]


def test_the_revise_window_ends() -> None:
    """An hour of append time after the first close, revisions or not."""
    ledger = (
        closed_by_finish().send(chat(2, "c"), at=GRACE + HOUR - 1).send(chat(3, "d"), at=GRACE + HOUR).until(2 * HOUR)
    )

    assert ledger.reasons == [("late", 3)]
    assert [record["output_message"]["content"] for record in ledger.records] == ["ab", "abc"]


@pytest.mark.parametrize("policy", [POLICY, Policy(late_policy="dead_letter")], ids=["final and complete", "by policy"])
def test_what_is_not_revised_is_a_dead_letter(policy: Policy) -> None:
    """New data of a request closed final and complete, or any with late_policy=dead_letter."""
    ledger = Ledger(policy).send(chat(0, "a"), chat(1, "b", finish="stop", is_final=policy is POLICY)).until(GRACE)

    ledger.send(chat(2, "c"), at=5_000).until(HOUR)

    assert ledger.reasons == [("late", 2)]
    assert len(ledger.records) == 1


def test_a_reused_id_is_never_merged() -> None:
    """A seen identity with another time; from then on all outside the span (CONTRACT §4)."""
    ledger = closed_by_finish().send(
        chat(0, "A", sent=HOUR), chat(1, "B", sent=HOUR), chat(7, "C", sent=HOUR), at=9_000
    )

    assert ledger.reasons == [("request_id_reused", 2), ("request_id_reused", 3), ("request_id_reused", 4)]
    assert len(ledger.until(HOUR).records) == 1


def test_a_revision_between_does_not_forget_the_reuse() -> None:
    """Late chunks inside the span still revise; those outside stay refused."""
    ledger = closed_by_finish().send(chat(0, "A", sent=HOUR), usage(2, sent=50), at=9_000).until(20_000)
    ledger.send(chat(7, "C", sent=HOUR), at=20_000).until(HOUR)

    assert ledger.reasons == [("request_id_reused", 2), ("request_id_reused", 4)]
    assert len(ledger.records) == 2


def test_a_late_chunk_of_another_type_is_refused() -> None:
    """Whatever it holds."""
    assert closed_by_finish().send(speech(7, b"a", sent=50), at=9_000).reasons == [("stream_type_conflict", 2)]


def test_a_late_chunk_does_not_wait_for_the_finalizer() -> None:
    """Closing is decided in apply: a request that still waits for finalize takes the late path (DESIGN §4)."""
    work = Ledger().partition
    chunks = [chat(0, "a", is_final=True), chat(1, "late"), chat(0, "a", is_final=True)]

    work.apply([SourceRecord(b"r-1", encoded(each), offset, START) for offset, each in enumerate(chunks)], 3)

    records, dead = work.take_output()
    assert ([letter.reason for letter in dead], len(records)) == (["late"], 1)
    assert work.counts["late_repeats"] == 1
