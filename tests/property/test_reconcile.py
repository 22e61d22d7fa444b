"""The reconciler's own count against the fold, over random streams: either of them wrong would show in the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.policy import Policy
from pipeline.core.rows import Outgoing, SourceRecord
from pipeline.ops.reconcile.chunk import read
from pipeline.ops.reconcile.claim import Claim, Place, claim_of
from pipeline.ops.reconcile.clock import Clock
from pipeline.ops.reconcile.envelope import Refused
from pipeline.ops.reconcile.judge import Scope, Verdict, judge
from pipeline.ops.reconcile.price import Prices
from pipeline.ops.reconcile.tally import Tally, decode, encode
from pipeline.testing.chunk import Document, encoded
from tests.ledger import START
from tests.property.chunk_json import chunks as any_chunks
from tests.property.chunk_json import written
from tests.property.deliveries import chunk_sets, deliveries
from tests.property.worker import Worker, delivered, worked

LIMIT: Final = Policy().max_chunk_bytes
PRICES: Final = Prices()
LONG_AFTER: Final = Clock(START + 10**12, None, 300_000, 2_000, 86_400_000, 0)


def counted(source: Sequence[SourceRecord], dead: Sequence[Outgoing]) -> dict[str, Tally]:
    """The tallies of a partition, each stored and read again at every chunk."""
    refused = {}
    for letter in dead:
        headers = dict(letter.headers)
        refused[int(headers["dl.offset"])] = headers["dl.reason"].decode()
    tallies: dict[str, Tally] = {}
    for record in source:
        try:
            chunk = read(record.key, record.value, LIMIT)
        except Refused:
            assert record.offset in refused
            continue
        tally = tallies.setdefault(chunk.request_id, Tally(chunk.request_id, chunk.stream_type, record.timestamp))
        if record.offset in refused:
            tally.refused.append((record.offset, refused[record.offset]))
        else:
            tally.take(chunk, record.offset, record.timestamp)
        tallies[chunk.request_id] = decode(encode(tally))
    return tallies


def verdicts(worker: Worker) -> dict[str, Verdict]:
    """What is said of each request of a worker."""
    tallies = counted(worker.source, worker.dead)
    claims: dict[str, list[Claim]] = {}
    for offset, record in enumerate(worker.sent):
        claim = claim_of(record.key, record.value, Place(0, offset, START), PRICES)
        claims.setdefault(claim.request_id, []).append(claim)
    scope = Scope("main", "t", "r", 0, 0, len(worker.source))
    names = tallies.keys() | claims.keys()
    return {name: judge(tallies.get(name), claims.get(name, ()), scope, LONG_AFTER) for name in names}


@given(st.data(), chunk_sets("r-1"), chunk_sets("r-2"))
def test_the_count_is_what_the_fold_gives(data: st.DataObject, first: list[Document], second: list[Document]) -> None:
    """Any order, repeats, batches, crashes: chunks, repeats, usage, cost, attribution, gaps, ids, digests agree."""
    delivery = data.draw(deliveries([first, second]))

    for name, verdict in verdicts(delivered(delivery)).items():
        assert not verdict.findings, (name, verdict.findings)


@given(st.lists(any_chunks, min_size=1, max_size=5))
def test_odd_chunks_are_counted_as_the_fold_counts_them(documents: list[Document]) -> None:
    """Whatever the schemas accept, under one request id: conflicts, other stream types and odd leaves included."""
    kind = documents[0]["stream_type"]
    for document in documents:
        document["request_id"] = "r-1"
    records = [SourceRecord(b"r-1", written(each).encode(), offset, START) for offset, each in enumerate(documents)]
    worker = worked(records, [""] * len(records))

    for name, verdict in verdicts(worker).items():
        assert not verdict.findings, (name, kind, verdict.findings)


steps = st.sampled_from([0, 0, 0, 100, 2_500, 61_000, 301_000, 3_700_000])
"""Ms of append time between two chunks: within and beyond the graces, the session window, the revise window."""


@st.composite
def stretched(draw: st.DrawFn) -> list[SourceRecord]:
    """A chunk set in any order over a long time, some of it twice, some of the repeats with another content."""
    chunks = draw(chunk_sets())
    again = [dict(each) for each in draw(st.lists(st.sampled_from(chunks), max_size=4))]
    for each in again:
        if draw(st.booleans()):
            each["cost"] = draw(st.sampled_from([0.125, 0.25]))
    now, records = START, []
    for offset, each in enumerate(draw(st.permutations([*chunks, *again]))):
        now += draw(steps)
        records.append(SourceRecord(b"r-1", encoded(each), offset, now))
    return records


@given(records=stretched(), data=st.data())
def test_time_is_counted_alike(records: list[SourceRecord], data: st.DataObject) -> None:
    """Late chunks, revisions, conflicts, repeats after the close: dead letters and records account for all of them."""
    told = st.sampled_from(["", "", "finalize", "checkpoint", "restart"])
    between = data.draw(st.lists(told, min_size=len(records), max_size=len(records)))

    for verdict in verdicts(worked(records, between)).values():
        assert not verdict.findings, verdict.findings
