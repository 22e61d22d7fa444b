"""G1, G3: whatever happens on the way, a topic has the same records and dead letters, to the byte."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from pipeline.core.policy import Policy
from pipeline.core.rows import SourceRecord
from pipeline.testing.chunk import HOUR, Document, chat, chunk, encoded, error, marker, speech, usage
from tests.ledger import START, valid
from tests.property.deliveries import STEPS
from tests.property.worker import POLICY, Worker, worked

PAUSES = [0, 0, 0, 1, 1_500, 2_000, 2_500, 59_000, 300_000, HOUR, 2 * HOUR, 30 * HOUR]
INDEXES = st.integers(0, 4)


@st.composite
def bad_chunks(draw: DrawFn) -> Document:
    """Any chunk of a few requests: conflicts, late ones, reused ids, wrong types and all."""
    index = draw(INDEXES)
    envelope: Any = {
        "request_id": draw(st.sampled_from(["r-1", "r-2"])),
        "sent": draw(st.sampled_from([100 * index, 100 * index, 10**6])),
    }
    if draw(st.booleans()):
        envelope["attempt"] = draw(st.integers(0, 1))
    kind = draw(st.integers(0, 9))
    makers = {
        0: lambda: usage(index, **envelope),
        1: lambda: error(index, is_final=draw(st.booleans()), **envelope),
        2: lambda: marker(index, **envelope),
        3: lambda: speech(index, b"a", **envelope),
        4: lambda: chat(index, "a", finish="stop", **envelope),
        5: lambda: chunk(index, {"choices": "odd"}, **envelope),
        6: lambda: chat(index, draw(st.sampled_from("ab")), is_final=True, **envelope),
        7: lambda: chat(index, **envelope),
    }
    return makers.get(kind, lambda: chat(index, draw(st.sampled_from("ab")), **envelope))()


@st.composite
def topics(draw: DrawFn) -> list[SourceRecord]:
    """A source partition over hours."""
    records, now = [], START
    for offset, document in enumerate(draw(st.lists(bad_chunks(), min_size=1, max_size=14))):
        now += draw(st.sampled_from(PAUSES))
        records.append(SourceRecord(document["request_id"].encode(), encoded(document), offset, now))
    return records


def output(worker: Worker) -> list[Any]:
    """Records and dead letters, without the order in which requests were finalized."""
    return sorted(map(repr, worker.sent + worker.dead))


@given(st.data(), topics(), st.sampled_from([POLICY, Policy(max_chunks=2), Policy(capture="metadata")]))
def test_a_replay_decides_the_same(data: st.DataObject, records: list[SourceRecord], policy: Policy) -> None:
    """Batches, checkpoints, restarts and crashes anywhere: the same bytes as straight through, at limits too."""
    steps = data.draw(st.lists(st.sampled_from(STEPS), min_size=len(records), max_size=len(records)))

    straight, worker = worked(records, [""] * len(records), policy), worked(records, steps, policy)

    assert output(worker) == output(straight)


@given(topics())
def test_every_chunk_is_accounted_for(records: list[SourceRecord]) -> None:
    """Each is in a record, counted as a repeat or as empty, or a dead letter; each request has one revision 0 a day."""
    worker = worked(records, ["checkpoint"] * len(records))

    made = [valid(record.value) for record in worker.sent]
    latest = {(each["request_id"], each["source"]["first_offset"]): each for each in made}.values()
    taken = sum(each["chunk_count"] + each["duplicate_count"] for each in latest)
    assert taken + len(worker.dead) + sum(worker.partition.counts.values()) == len(records)
    assert len({(each["record_id"], each["source"]["first_offset"]) for each in made}) == len(made)
