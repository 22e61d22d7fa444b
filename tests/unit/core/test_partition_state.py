"""Checkpoints: what a snapshot holds, that a restart goes on from it, and that state does not grow."""

from collections.abc import Sequence

import pytest

from pipeline.core import closed as markers
from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rows import MemoryRows, Snapshot, SourceRecord
from pipeline.core.segment import CHECKPOINT_KEY, unpack_checkpoint, unpack_chunks, unpack_scalars
from pipeline.testing.chunk import HOUR, Document, chat, encoded, marker, usage
from tests.ledger import START, Ledger

POLICY = Policy()
GRACE = POLICY.finish_grace
DAY = 24 * HOUR


def source(*chunks: Document, at: int = 0, offset: int = 0) -> list[SourceRecord]:
    """Chunks as source records in order."""
    return [
        SourceRecord(str(each["request_id"]).encode(), encoded(each), place, START + at)
        for place, each in enumerate(chunks, offset)
    ]


def work(rows: MemoryRows | None = None, policy: Policy = POLICY) -> Partition:
    """A working set, loaded from its rows if there are any."""
    made = Partition(policy, rows or MemoryRows(), "t", 0, lineage=b"life")
    if rows is not None:
        made.load()
    return made


def applied(partition: Partition, *chunks: Document, at: int = 0) -> Partition:
    """Apply chunks at the partition's position, finalizing nothing."""
    partition.apply(source(*chunks, at=at, offset=partition.position), partition.position + len(chunks))
    return partition


def taken(partition: Partition) -> Snapshot:
    """A snapshot, which there must be."""
    snapshot = partition.snapshot()
    assert snapshot is not None
    return snapshot


def kinds(snapshot: Snapshot) -> list[tuple[bytes, bool]]:
    """(first byte of the key, whether it is a tombstone) of the rows."""
    return [(key[:1], value is None) for key, value in snapshot.rows]


def contents(rows: MemoryRows, prefix: bytes = b"") -> list[bytes]:
    """Keys in a store."""
    return [key for key, _ in rows.scan(prefix)]


# ---- what a snapshot holds ---------------------------------------------------------------------------------------


def test_a_new_partition_has_its_place_to_write() -> None:
    """The first checkpoint row tells where it begins, and whose life it is; then there is nothing new."""
    partition = work()

    snapshot = taken(partition)

    ((key, value),) = snapshot.rows
    place = unpack_checkpoint(value or b"")
    assert (key, place.position, place.sequence, place.lineage) == (CHECKPOINT_KEY, 0, 1, b"life")
    partition.settled()
    assert not partition.dirty
    assert partition.snapshot() is None


def test_the_checkpoint_row_is_last() -> None:
    """Whoever reads the changelog in order knows that all before it belongs to it."""
    snapshot = taken(applied(work(), chat(0, "a"), chat(0, "b", request_id="r-2")))

    assert kinds(snapshot) == [(b"s", False), (b"s", False), (b"c", False)]
    assert snapshot.position == 2


def test_a_position_alone_is_worth_a_checkpoint() -> None:
    """Control records and refused chunks move it, and must not be read again for ever."""
    partition = work()
    taken(partition)

    partition.apply([], 7)

    assert partition.dirty
    assert unpack_checkpoint(taken(partition).rows[-1][1] or b"").position == 7


def test_chunks_are_written_once() -> None:
    """The next segment holds only what came since (DESIGN §3)."""
    partition = applied(work(), chat(0, "a"))
    first = taken(partition)
    partition.settled()

    second = taken(applied(partition, chat(1, "b"), chat(2, "c")))

    stored = [list(unpack_chunks(snapshot.rows[0][1] or b"")) for snapshot in (first, second)]
    assert [[chunk.chunk_index for _, chunk in chunks] for chunks in stored] == [[0], [1, 2]]
    assert [[offset for offset, _ in chunks] for chunks in stored] == [[0], [1, 2]]


def test_counters_of_repeats_survive_a_crash() -> None:
    """A segment is written also when only duplicates came."""
    rows = MemoryRows()
    partition = applied(work(rows), chat(0, "a"))
    rows.write(taken(partition))
    partition.settled()

    value = taken(applied(partition, chat(0, "a"), chat(0, "x"))).rows[0][1] or b""

    assert list(unpack_chunks(value)) == []
    assert (unpack_scalars(value).duplicates, unpack_scalars(value).conflicts) == (1, 1)


def test_a_request_between_two_checkpoints_touches_no_segment() -> None:
    """Unless it may be revised: then its chunks are kept (DESIGN §3)."""
    partition = applied(work(), chat(0, "a", is_final=True))
    partition.finalize("r-1")
    snapshot = taken(partition)
    assert (kinds(snapshot), len(snapshot.markers), len(snapshot.records)) == ([(b"c", False)], 1, 1)

    partition = applied(work(), chat(0, "a", finish="stop"))
    partition.expire(START + GRACE)
    partition.finalize("r-1")
    snapshot = taken(partition)
    assert kinds(snapshot) == [(b"s", False), (b"c", False)]
    assert unpack_scalars(snapshot.rows[0][1] or b"").kept


def test_a_closed_request_gives_its_segments_tombstones() -> None:
    """When no revision is possible."""
    rows = MemoryRows()
    partition = applied(work(rows), chat(0, "a"))
    rows.write(taken(partition))
    partition.settled()
    applied(partition, chat(1, "b", is_final=True)).finalize("r-1")

    assert kinds(taken(partition)) == [(b"s", True), (b"c", False)]


def test_records_and_dead_letters_ride_in_the_next_snapshot_only() -> None:
    """Source position, state, records, markers and dead letters change together (G1)."""
    partition = applied(work(), marker(0), chat(0, request_id=""))
    partition.finalize("r-1")
    assert (partition.waiting, partition.pending) == (2, 2)

    snapshot = taken(partition)

    assert (len(snapshot.records), len(snapshot.dead_letters)) == (1, 1)
    assert dict(snapshot.dead_letters[0].headers)["dl.offset"] == b"1"
    assert (partition.waiting, partition.pending) == (0, 0)
    partition.settled()
    assert partition.snapshot() is None


def test_rows_in_flight_can_be_read() -> None:
    """Folding goes on while a checkpoint is sent: finalize finds chunks that are not yet in the store."""
    partition = applied(work(), chat(0, "a"))
    taken(partition)
    applied(partition, chat(1, "b", is_final=True)).finalize("r-1")

    ((record,), _) = partition.take_output()

    assert b'"content":"ab"' in (record.value or b"")


def test_finalizing_twice_or_nothing_is_harmless() -> None:
    """Signals may be lost or repeated (DESIGN §4)."""
    partition = applied(work(), marker(0))

    for _ in range(2):
        partition.finalize("r-1")
    partition.finalize("nobody")

    assert partition.waiting == 1


# ---- restarts ----------------------------------------------------------------------------------------------------


def crash_points(steps: Sequence[tuple[int, Document]]) -> list[list[Document]]:
    """Records of a timeline: straight, and with a checkpoint and restart after each step, and after all of them."""
    outcomes = []
    for cuts in [set[int](), *({place} for place in range(len(steps))), set(range(len(steps)))]:
        ledger = Ledger()
        for place, (at, document) in enumerate(steps):
            ledger.send(document, at=at)
            if place in cuts:
                ledger.checkpoint().restart()
        outcomes.append(ledger.until(90 * HOUR).records)
    return outcomes


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([(0, chat(0, "a")), (1, chat(2, "c")), (2, chat(1, "b")), (3, marker(3))], id="final"),
        pytest.param([(0, chat(0, "a")), (1, chat(1, "b", finish="stop")), (2, usage(2))], id="finish"),
        pytest.param([(0, chat(0, "a")), (1, chat(0, "a")), (2, chat(0, "x")), (3, chat(1, "b"))], id="repeats"),
        pytest.param(
            [(0, chat(0, "a", finish="stop")), (9_000, chat(1, "b")), (9_500, usage(2)), (30_000, chat(3, "d"))],
            id="revisions",
        ),
        pytest.param([(0, marker(0)), (5, marker(0)), (9, chat(7, "late")), (10, chat(7, "late"))], id="late"),
        pytest.param(
            [(0, chat(0, "a")), (1, chat(0, "b", attempt=1, raw_request={"n": 1})), (2, marker(1))], id="attempts"
        ),
    ],
)  # fmt: skip
def test_a_restart_at_any_checkpoint_changes_nothing(steps: list[tuple[int, Document]]) -> None:
    """Records are the same to the byte, whatever the split (G3)."""
    straight, *restarted = crash_points(steps)

    assert straight
    assert all(outcome == straight for outcome in restarted)


def test_what_came_after_the_last_checkpoint_is_read_again() -> None:
    """The working set is lost, the position is that of the checkpoint, and the replay gives the same bytes."""
    ledger = Ledger().send(chat(0, "a"), chat(0, "x", request_id="r-2")).checkpoint()
    ledger.send(chat(1, "b", is_final=True), chat(1, "x", request_id="r-2"))
    before = ledger.outgoing[-1]

    assert ledger.restart().partition.position == 2
    ledger.send(chat(1, "b", is_final=True))

    assert ledger.outgoing[-1] == before
    assert ledger.partition.open_count == 1


def test_records_below_the_position_are_skipped() -> None:
    """A consumer may deliver again what was folded."""
    partition = applied(work(), chat(0, "a"), chat(1, "b"))

    partition.apply(source(chat(0, "a"), chat(1, "b"), marker(2)), 3)

    partition.finalize("r-1")
    ((record,), _) = partition.take_output()
    assert b'"duplicate_count":0' in (record.value or b"")
    assert partition.position == 3


def test_a_request_that_was_closing_is_finalized_after_the_restart() -> None:
    """Closing is frozen in the segment; the record comes from what is stored."""
    rows = MemoryRows()
    partition = applied(work(rows), chat(0, "a"), chat(1, "b", is_final=True))
    rows.write(taken(partition))

    again = work(rows)

    assert list(again.closing) == ["r-1"]
    again.finalize("r-1")
    ((record,), _) = again.take_output()
    assert b'"closed_by":"final"' in (record.value or b"")


def test_a_kept_request_is_not_open_after_a_restart() -> None:
    """Its segments wait for a revision, no head does (G5)."""
    ledger = Ledger().send(chat(0, "a", finish="stop")).until(GRACE).checkpoint().restart()

    assert (ledger.partition.open_count, ledger.partition.next_deadline, dict(ledger.partition.closing)) == (
        0,
        None,
        {},
    )


def test_deadlines_come_back() -> None:
    """Requests are due after a restart as before; the clock is that of the checkpoint."""
    ledger = Ledger().send(chat(0, "a"), at=0).send(chat(0, "b", request_id="r-2", finish="stop"), at=5)
    ledger.checkpoint().restart()

    assert ledger.partition.clock == START + 5
    assert ledger.partition.next_deadline == START + 5 + GRACE
    assert ledger.until(HOUR).closings == [("finish", 5 + GRACE), ("expiry", POLICY.session_window)]


def test_the_sequence_goes_on() -> None:
    """Checkpoints of one life are numbered without a hole, and the life keeps its name."""
    rows = MemoryRows()
    for number in range(3):
        partition = work(rows)
        rows.write(taken(applied(partition, chat(number, "a"))))

    assert (work(rows).sequence, work(rows).lineage) == (3, b"life")


# ---- state does not grow -----------------------------------------------------------------------------------------


def idle(ledger: Ledger, *hours: int) -> Ledger:
    """Let the clock of the partition reach each of these hours, with a checkpoint there."""
    for hour in hours:
        ledger.send(marker(0, request_id=f"tick-{hour}"), at=hour * HOUR).checkpoint()
    return ledger


def test_kept_segments_are_given_up_after_the_revise_window() -> None:
    """The hour after it is over; their marker stays."""
    ledger = Ledger().send(chat(0, "a", finish="stop")).until(GRACE).checkpoint()
    assert len(contents(ledger.rows, b"s")) == 1

    idle(ledger, 1, 2)
    assert len(contents(ledger.rows, b"s")) == 1
    idle(ledger, 3)
    assert contents(ledger.rows, b"s") == []
    assert any(key.endswith(b"r-1") for key in contents(ledger.rows, b"m"))


def test_markers_are_forgotten_after_marker_retention() -> None:
    """A store holds one day of them, whatever passed through (G5)."""
    ledger = Ledger()
    for hour in range(60):
        ledger.send(*(marker(0, request_id=f"{hour}-{name}") for name in range(3)), at=hour * HOUR).checkpoint()

    assert len(contents(ledger.rows, b"m")) <= 3 * 26
    assert contents(ledger.rows, b"s") == []


def test_a_request_that_closes_long_after_its_deadline_keeps_nothing() -> None:
    """Its revise window was over before it closed: nobody would give its segments up."""
    ledger = Ledger().send(chat(0, "a")).checkpoint()

    idle(ledger, 3, 4).until(4 * HOUR).checkpoint()

    assert contents(ledger.rows, b"s") == []
    assert ledger.send(chat(1, "b"), at=4 * HOUR).reasons == [("late", ledger.partition.position - 1)]


def test_a_request_that_closed_since_the_last_checkpoint_is_swept_later() -> None:
    """The clock may leap over the revise window between two checkpoints."""
    ledger = Ledger().send(chat(0, "a", request_id="r-0", finish="stop")).until(GRACE).checkpoint()
    ledger.send(chat(0, "a", finish="stop"), at=3_000).until(3_000 + GRACE)

    idle(ledger, 5)
    assert len(contents(ledger.rows, b"s")) == 2
    idle(ledger, 6)

    assert contents(ledger.rows, b"s") == []


def test_a_gathering_revision_closes_before_its_segments_go() -> None:
    """Sweeping finds it still gathering when nobody looked at deadlines."""
    ledger = Ledger().send(chat(0, "a", finish="stop")).until(GRACE).checkpoint()
    ledger.send(usage(1), at=5_000).checkpoint()
    ledger.partition.apply(source(marker(0, request_id="r-2"), at=9 * HOUR, offset=2), 3)
    ledger.partition.finalize("r-2")

    snapshot = taken(ledger.partition)

    assert [record.key for record in snapshot.records] == [b"r-2", b"r-1"]
    assert kinds(snapshot) == [(b"s", True), (b"s", True), (b"c", False)]


def test_an_id_may_come_again_after_marker_retention() -> None:
    """A re-publish a day later is a request of its own; kept segments of the first are not mixed into it."""
    stream = [chat(0, "a"), chat(1, "b"), chat(2, "c", finish="stop")]
    ledger = Ledger()
    for document in stream:
        ledger.send(document).checkpoint()
    ledger.until(GRACE).checkpoint()
    assert len(contents(ledger.rows, b"s")) == 4

    for step, document in enumerate(stream):
        ledger.send(document, at=2 * DAY + step).checkpoint().restart()
    ledger.until(3 * DAY).checkpoint()

    assert [record["output_message"]["content"] for record in ledger.records] == ["abc", "abc"]
    assert ledger.records[0]["record_id"] == ledger.records[1]["record_id"]
    assert ledger.dead == []


def test_sweeping_the_first_life_of_an_id_spares_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """The markers of an hour are swept in slices: the second request may be open, or closed, by then."""
    monkeypatch.setattr(markers, "SWEEP_SLICE", 1)
    ledger = Ledger()
    for name in ("a", "b", "c"):
        ledger.send(chat(0, "1", request_id=name, finish="stop"))
    ledger.until(GRACE).checkpoint()

    ledger.send(chat(0, "2", request_id="c"), at=2 * DAY).send(chat(0, "2", request_id="b", finish="stop"), at=2 * DAY)
    ledger.until(2 * DAY + GRACE)
    for _ in range(5):
        ledger.send(chat(9, "tick", request_id="clock"), at=2 * DAY + 5_000).checkpoint()
    ledger.restart()
    ledger.send(chat(1, "3", request_id="c"), chat(1, "3", request_id="b"), at=2 * DAY + 6_000).until(3 * DAY)

    said = [
        (record["request_id"], record["output_message"]["content"], record["revision"]) for record in ledger.records
    ]
    assert said[3:] == [("b", "2", 0), ("b", "23", 1), ("c", "23", 0), ("clock", "tick", 0)]
