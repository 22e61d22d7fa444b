"""Segments between working set and store: read as one, written once."""

import pytest

from pipeline.core.admission import admit
from pipeline.core.head import Head
from pipeline.core.journal import Journal
from pipeline.core.policy import Policy
from pipeline.core.rest import wake
from pipeline.core.rows import MemoryRows, Row, Snapshot
from pipeline.core.segment import RunHead, SegmentHead, segment_key, unpack_head, unpack_scalars
from pipeline.core.tally import Tally
from pipeline.errors import InvariantBroken
from pipeline.testing.chunk import CHAT, chat, encoded
from schemas.decode import decode

POLICY = Policy()


def grow(head: Head, *indexes: int) -> Head:
    """Admit plain chunks, as to a head that was touched before."""
    wake(head)
    for index in indexes:
        value = encoded(chat(index, f"{index}"))
        admit(head, decode(value), 0, index, len(value), POLICY)
    return head


def opened(*indexes: int, request_id: str = "r-1") -> Head:
    """A head with plain chunks."""
    return grow(Head(request_id, CHAT, now=0, offset=0), *indexes)


def store(rows: MemoryRows, taken: list[Row]) -> None:
    """Put a journal's rows into the store."""
    rows.write(Snapshot(taken, [], [], [], [], 0, Tally()))


def offsets(journal: Journal, segments: int) -> list[int]:
    """Source offsets of the stored chunks of r-1, which are their indexes here."""
    return [offset for offset, _ in journal.stored(b"r-1", segments)]


def test_segments_are_readable_wherever_they_are() -> None:
    """Waiting, in flight or in the store: finalize reads them all."""
    rows = MemoryRows()
    journal, head = Journal(rows), opened(0, 1)

    journal.write(head)
    store(rows, journal.take())
    journal.settled()
    journal.write(grow(head, 2))
    taken = journal.take()
    journal.write(grow(head, 3, 4))

    assert head.segments == 3
    assert offsets(journal, 3) == [0, 1, 2, 3, 4]
    store(rows, taken)
    journal.settled()
    assert offsets(journal, 3) == [0, 1, 2, 3, 4]


def test_plain_chunks_write_no_scalars() -> None:
    """A segment of plain chunks says only how far they went; one of a closed request says all."""
    journal, head = Journal(MemoryRows()), opened(0, 1)
    journal.write(head)

    journal.write(grow(head, 2, 3))
    size = head.size
    journal.write(grow(head, 4), kept=True)

    values = [value for _, value in journal.take() if value is not None]
    heads = [unpack_head(value) for value in values]
    assert [type(each) for each in heads] == [SegmentHead, RunHead, SegmentHead]
    assert heads[1] == RunHead(2, 4, last_ms=0, due=POLICY.session_window, size=size, last_offset=3)
    assert journal.last_head(b"r-1", 3).chunk_count == 5
    with pytest.raises(InvariantBroken, match="no head"):
        journal.last_head(b"r-1", 2)


def test_writing_empties_the_head() -> None:
    """A chunk is written once: the head keeps only what is not yet in a segment."""
    journal, head = Journal(MemoryRows()), opened(0, 1)
    journal.touch(head)

    journal.write(head)

    assert [len(held) for held in (head.held, head.offsets, head.fresh)] == [0, 0, 0]
    assert (head.dirty, head.saved_size) == (False, head.size)


def test_a_head_is_touched_once() -> None:
    """However many chunks come between two checkpoints."""
    journal, head = Journal(MemoryRows()), opened(0)
    assert bool(journal.waiting) is False

    journal.touch(head)
    journal.touch(head)

    assert bool(journal.waiting) is True
    assert list(journal.touched()) == [head]


def test_a_finished_head_is_not_written_again() -> None:
    """A request that opened and closed between two checkpoints touches no disk (DESIGN §3)."""
    journal, head = Journal(MemoryRows()), opened(0)
    journal.touch(head)

    head.dirty = False

    assert list(journal.touched()) == []


def test_cleared_segments_get_tombstones() -> None:
    """A tombstone covers a row that is in flight or in the store."""
    rows = MemoryRows()
    journal, head = Journal(rows), opened(0)
    journal.write(head)
    store(rows, journal.take())

    journal.clear(b"r-1", 1)

    with pytest.raises(InvariantBroken, match="r-1"):
        journal.stored(b"r-1", 1)
    assert journal.take() == [(segment_key(b"r-1", 0), None)]


def test_a_missing_segment_is_a_broken_invariant() -> None:
    """State that is not there is never passed over (DESIGN §4)."""
    journal = Journal(MemoryRows())

    with pytest.raises(InvariantBroken, match="segment 0"):
        journal.stored(b"r-1", 1)
    with pytest.raises(InvariantBroken, match="segment 1"):
        journal.last_head(b"r-1", 2)


def test_taking_hands_out_each_row_once() -> None:
    """What was handed out is not waiting any more."""
    journal = Journal(MemoryRows())
    journal.touch(opened(0))
    journal.write(opened(0))

    assert len(journal.take()) == 1
    assert bool(journal.waiting) is False
    assert journal.take() == []


def test_loading_groups_segments_by_request() -> None:
    """In key order, with the heads of each request in the order of their segments."""
    rows = MemoryRows()
    journal, first = Journal(rows), opened(0, request_id="a")
    journal.write(first)
    journal.write(grow(first, 1))
    journal.write(opened(0, request_id="b"), kept=True)
    store(rows, journal.take())

    loaded = dict(Journal(rows).load())

    assert {key: [type(head) for head in heads] for key, heads in loaded.items()} == {
        b"a": [SegmentHead, RunHead],
        b"b": [SegmentHead],
    }
    assert [head.kept for heads in loaded.values() for head in heads if isinstance(head, SegmentHead)] == [False, True]


def test_an_empty_store_has_nothing_to_load() -> None:
    """A new partition."""
    assert list(Journal(MemoryRows()).load()) == []


@pytest.mark.parametrize("kept", [[1], [0, 2]], ids=["the first is missing", "one between is missing"])
def test_a_hole_in_the_store_is_a_broken_invariant(kept: list[int]) -> None:
    """A restore never takes a part of a request for the whole."""
    rows = MemoryRows()
    journal = Journal(rows)
    journal.write(opened(0))
    ((_, value),) = journal.take()
    store(rows, [(segment_key(b"r-1", number), value) for number in kept])

    assert value is not None
    assert unpack_scalars(value).chunk_count == 1
    with pytest.raises(InvariantBroken, match="missing"):
        list(Journal(rows).load())
