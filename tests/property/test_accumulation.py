"""G3: over chunk sets without conflicts in which all are admitted, delivery leaves no trace in a record."""

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.core.admission import admit, close_due
from pipeline.core.canonical import canonical
from pipeline.core.head import Head
from pipeline.core.policy import Policy
from pipeline.core.ranges import Bounds, add, contains, gaps, union
from pipeline.core.record import fold
from pipeline.testing.chunk import IMAGE, Document, encoded
from schemas.decode import decode, decode_strict
from tests.ledger import START, valid
from tests.property.deliveries import chunk_sets, deliveries
from tests.property.worker import Worker, delivered, straight

POLICY = Policy()


def canonicals(worker: Worker) -> dict[str, bytes]:
    """Canonical bytes by request, of which each has one record; all are held to the contract."""
    records = [valid(record.value) for record in worker.sent]
    found = {record["request_id"]: canonical(record) for record in records}
    assert len(found) == len(records)
    return found


@given(st.data(), chunk_sets("r-1"), chunk_sets("r-2"))
def test_delivery_leaves_no_trace(data: st.DataObject, first: list[Document], second: list[Document]) -> None:
    """Any order, repeats, batches, checkpoints, restarts and crashes: one record each, the same canonical bytes."""
    delivery = data.draw(deliveries([first, second]))

    reference, worker = straight(first + second), delivered(delivery)

    assert reference.dead == worker.dead == []
    assert sum(valid(record.value)["chunk_count"] for record in reference.sent) == len(first) + len(second)
    assert canonicals(worker) == canonicals(reference)


@given(st.data(), chunk_sets(most_attempts=1))
def test_a_dropped_chunk_is_reported(data: st.DataObject, chunks: list[Document]) -> None:
    """Any that has others of its image below and above: index 0 may belong to no stream, the highest to nobody."""
    candidates = [each for each in chunks if _is_between(each, chunks)]
    assume(candidates)
    dropped = data.draw(st.sampled_from(candidates))

    record = valid(straight([each for each in chunks if each is not dropped]).sent[0].value)

    picture = [dropped["image_index"] or 0] if dropped["stream_type"] == IMAGE else []
    assert any(
        place == picture and first <= dropped["chunk_index"] <= last
        for *place, first, last in record["missing_indexes"]
    )
    assert not record["complete"]


def _is_between(chunk: Document, chunks: list[Document]) -> bool:
    """Whether others of the same image lie below and above."""
    others = [each["chunk_index"] for each in chunks if each.get("image_index") == chunk.get("image_index")]
    return bool(min(others) < chunk["chunk_index"] < max(others))


@given(chunk_sets())
def test_both_decoders_give_the_same_record(chunks: list[Document]) -> None:
    """Chunks read by pydantic fold to the same canonical bytes as compiled ones."""
    values = [encoded(each) for each in chunks]
    head = Head("r-1", chunks[0]["stream_type"], now=START, offset=0)
    for offset, value in enumerate(values):
        admit(head, decode(value), START, offset, len(value), POLICY)
    if head.closed_by is None:
        close_due(head, POLICY)

    compiled, strict = (fold(head, list(map(read, values)), None, POLICY).record for read in (decode, decode_strict))

    assert canonical(compiled) == canonical(strict)
    assert json.loads(canonical(compiled))["chunk_count"] == len(chunks)


spans = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=12)


def bounds_of(pairs: list[tuple[int, int]]) -> tuple[Bounds, set[int]]:
    """The same indexes as bounds and as a plain set."""
    bounds: Bounds = []
    plain: set[int] = set()
    for start, length in pairs:
        add(bounds, start, start + length)
        plain |= set(range(start, start + length))
    return bounds, plain


@given(spans, spans)
def test_ranges_are_sets(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    """Adding, asking, joining and looking for gaps agree with a plain set."""
    (bounds, plain), (more, others) = bounds_of(one), bounds_of(other)

    assert bounds == sorted(set(bounds))
    assert {index for index in range(40) if contains(bounds, index)} == plain
    assert union([bounds, more]) == bounds_of([(index, 1) for index in plain | others])[0]
    missing = {index for first, last in gaps(bounds) for index in range(first, last + 1)}
    ignored = {0} if plain and min(plain) == 1 else set[int]()
    assert missing == set(range(max(plain, default=0))) - plain - ignored
