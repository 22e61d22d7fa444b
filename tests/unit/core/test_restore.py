"""A head comes back from its segments as it was, however many there are."""

import random

import msgspec
import pytest

from pipeline.core.admission import admit
from pipeline.core.head import MAIN_RUN, Head
from pipeline.core.identity import Slot
from pipeline.core.journal import Journal
from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rest import wake
from pipeline.core.restore import SHARED, flat, head_of, merge, segment_head, settle_run
from pipeline.core.rows import MemoryRows, Snapshot
from pipeline.core.segment import (
    CHECKPOINT_KEY,
    FORMAT,
    Checkpoint,
    RunHead,
    SegmentHead,
    pack,
    pack_segments,
    unpack_head,
)
from pipeline.core.tally import Tally
from pipeline.errors import InvariantBroken, OurFault
from pipeline.testing.chunk import CHAT, Document, chat, encoded, error, marker, usage
from schemas.decode import decode

POLICY = Policy()
NOT_STORED = {
    "held", "offsets", "repeats", "fresh", "dirty", "queued", "segments", "request_id", "run_start",
    "plain", "oldest",
    "saved_size", "changed",
}  # fmt: skip
STREAM = [
    *(chat(index, "a", choice=index % 3) for index in range(8)),
    *(chat(index, "b", attempt=1) for index in (0, 2, 5)),
    error(9),
    chat(6, finish="stop", attempt=1, raw_request={"n": 2}),
    usage(8, attempt=1),
    marker(3, is_final=False),
]


def after(head: Head, *chunks: Document) -> Head:
    """Admit chunks to a head."""
    for offset, document in enumerate(chunks, len(head.offsets)):
        value = encoded(document)
        admit(head, decode(value), 5 * offset, offset, len(value), POLICY)
    return head


def saved(head: Head) -> SegmentHead:
    """What a segment keeps of a head, read back from its bytes; what is fresh is saved then."""
    (value,) = pack_segments(segment_head(head, kept=False), [], [], 0)
    head.fresh = {}
    again = unpack_head(value)
    assert isinstance(again, SegmentHead)
    return again


def facts(head: Head) -> dict[str, object]:
    """All that a restore must bring back."""
    head.flush_run()
    head.note_offset()
    return {name: getattr(head, name) for name in Head.__slots__ if name not in NOT_STORED}


@pytest.mark.parametrize("cuts", [[], [1], [3, 9], list(range(1, len(STREAM)))])
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_head_comes_back_from_any_number_of_segments(cuts: list[int], seed: int | None) -> None:
    """Scalars are those of the last segment, indexes those of all."""
    chunks = STREAM if seed is None else random.Random(seed).sample(STREAM, len(STREAM))
    head, segments, start = Head("r-1", CHAT, now=0, offset=0), list[SegmentHead | RunHead](), 0
    for end in [*cuts, len(chunks)]:
        after(head, *chunks[start:end])
        segments.append(saved(head))
        start = end

    again = head_of("r-1", segments)

    assert facts(again) == facts(head)
    assert (again.request_id, again.segments, again.saved_size) == ("r-1", len(segments), head.size)


@pytest.mark.parametrize("cuts", [[1], [2, 5], [1, 2, 3, 4, 5, 6]])
@pytest.mark.parametrize("first", [0, 1, 4])
def test_a_head_comes_back_from_plain_segments(cuts: list[int], first: int) -> None:
    """What a run of plain chunks changes is told by its segments alone."""
    chunks = [chat(index, "a") for index in range(first, first + 7)]
    head, rows, start = Head("r-1", CHAT, now=0, offset=0), MemoryRows(), 0
    journal = Journal(rows)
    for end in [*cuts, len(chunks)]:
        wake(head)
        for offset, document in enumerate(chunks[start:end], start):
            value = encoded(document)
            admit(head, decode(value), 5 * offset, offset, len(value), POLICY)
        journal.write(head)
        start = end
    rows.write(Snapshot(journal.take(), [], [], [], [], 0, Tally()))

    ((key, segments),) = Journal(rows).load()
    again = head_of(key.decode(), segments)

    wake(head)
    assert [type(each) for each in segments] == [SegmentHead, *[RunHead] * len(cuts)]
    assert facts(again) == facts(head)
    assert (again.segments, again.saved_size) == (head.segments, head.size)


def test_a_request_without_its_first_head_is_refused() -> None:
    """A run alone tells nothing of the request."""
    with pytest.raises(InvariantBroken, match="no head"):
        head_of("r-1", [RunHead(0, 1, 0, 0, 0, 0)])


@pytest.mark.parametrize("indexes", [[0, 1, 2], [1, 2], [0, 5, 6], [7]])
def test_the_run_goes_on_after_a_restore(indexes: list[int]) -> None:
    """What was seen stays seen, and the next index is new."""
    head = after(Head("r-1", CHAT, now=0, offset=0), *(chat(index, "a") for index in indexes))

    again = head_of("r-1", [saved(head)])

    assert not any(again.remember(MAIN_RUN, index) for index in indexes)
    assert again.remember(MAIN_RUN, max(indexes) + 1)
    assert again.next_index == max(indexes) + 2


def test_a_head_without_data_begins_its_run_at_0() -> None:
    """A marker alone leaves the main slot empty."""
    again = head_of("r-1", [saved(after(Head("r-1", CHAT, now=0, offset=0), marker(4, is_final=False)))])

    assert (again.run_start, again.next_index) == (0, 0)
    assert again.remember(MAIN_RUN, 0)


def test_shared_fields_end_a_segment_head_in_their_order() -> None:
    """They are handed over by position."""
    names = [field.name for field in msgspec.structs.fields(SegmentHead)]

    assert names[-len(SHARED) :] == list(SHARED)


def test_bounds_can_be_stored_and_merged() -> None:
    """Merging is a union: what is there stays."""
    seen = {Slot(0, 0, -1): [0, 2], Slot(1, 0, -1): [5, 6]}

    merge(seen, [(0, 0, -1, [2, 4, 9, 10]), (2, 3, 1, [0, 1])])

    assert seen == {Slot(0, 0, -1): [0, 4, 9, 10], Slot(1, 0, -1): [5, 6], Slot(2, 3, 1): [0, 1]}
    assert flat({Slot(1, 0, -1): [5, 6]}) == [(1, 0, -1, [5, 6])]


def test_stored_bounds_are_a_copy() -> None:
    """A head that goes on does not change what was stored."""
    seen = {Slot(0, 0, -1): [0, 2]}

    stored = flat(seen)
    seen[Slot(0, 0, -1)].append(9)

    assert stored == [(0, 0, -1, [0, 2])]


def test_settling_the_run_moves_it_to_the_top() -> None:
    """The run begins where the bounds of the main slot end."""
    head = Head("r-1", CHAT, now=0, offset=0)
    head.seen[MAIN_RUN] = [0, 3, 7, 9]

    settle_run(head)

    assert (head.run_start, head.next_index) == (9, 9)


def test_state_of_another_format_is_refused() -> None:
    """A version that can't read the rows says so, instead of failing somewhere inside of them."""
    rows = MemoryRows()
    place = Checkpoint(0, 0, 1, b"life", -1, -1, FORMAT - 1)
    rows.write(Snapshot([(CHECKPOINT_KEY, pack(place))], [], [], [], [], 0, Tally()))

    with pytest.raises(OurFault, match=f"format {FORMAT - 1}"):
        Partition(POLICY, rows, "t", 0).load()
