"""Requests that were open at a moment, with what they had used by then: what an invoice of that day does not contain.

The chunks up to the moment are folded, deadlines up to it have passed, and what is left is closed provisionally to see
its usage and cost so far. A request is closed at an age, so reading begins that age before the moment. Imports the core
through the passage, the engine's spill and the reader of topics; joins no group.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from pipeline.core.head import Head
from pipeline.engine.spill import Spill, memory
from pipeline.ops.replay.observed import Observed
from pipeline.ops.replay.order import Share, shortest_look_back
from pipeline.ops.replay.passage import CHECKPOINT_BYTES, CHECKPOINT_CHUNKS
from pipeline.ops.replay.window import Part, Window
from pipeline.pricing import valuation
from pipeline.settings import Settings
from pipeline.topics.bound import Bound
from pipeline.topics.reader import Progress, Topics, reading
from pipeline.topics.selection import Selection


@dataclass(frozen=True)
class Opening:
    """A request that is open at a moment; times are append times in ms since the epoch.

    Attributes:
        request_id: which.
        partition, first_offset: where its first chunk lies in the chunk topic.
        revision: 0; above it the request is billed already, and late chunks gather for this revision.
        labels, provider, model, stream_type: so far.
        first, last: of its first and of its last new chunk.
        chunks: distinct ones so far.
        token_usage: so far, null if nobody has said anything; most providers say it at the end.
        cost: USD so far, exact; None if it has none.
        closed_by: the rule that closes it if nothing more comes.
        due: when that would be.
        whole: its beginning was read; otherwise more may have been used.
    """

    request_id: str
    partition: int
    first_offset: int
    revision: int
    labels: dict[str, str]
    provider: str | None
    model: str | None
    stream_type: str
    first: int
    last: int
    chunks: int
    token_usage: dict[str, Any] | None
    cost: Decimal | None
    closed_by: str
    due: int
    whole: bool


async def openings(settings: Settings, at: int, selection: Selection, progress: Progress) -> AsyncIterator[Opening]:
    """The requests that are open at append time `at` (ms since the epoch), one partition after the other.

    Args:
        settings: of the ledger.
        at: the moment; chunks appended from then on are not looked at.
        selection: partitions, request ids and labels; its range counts for nothing.
        progress: told how far reading is.

    Raises:
        UsageError: the topic or a partition does not exist.
        KafkaUnreachable: no broker answers any more.
        OurFault: the temporary store can't be used.
    """
    with tempfile.TemporaryDirectory(prefix="streamledger-open-") as folder:
        async with reading(settings, progress) as topics:
            count, budget = topics.partitions(settings.chunk_topic), memory()
            for number in selection.numbers(count, settings.chunk_topic):
                spill = Spill(Path(folder) / str(number), budget)
                try:
                    partition, window = await _folded(topics, settings, (number, at), spill)
                    for opening in _open(partition, window):
                        if selection.wants(opening.request_id, opening.labels):
                            yield opening
                finally:
                    spill.close()


async def _folded(topics: Topics, settings: Settings, where: tuple[int, int], spill: Spill) -> tuple[Observed, Window]:
    """A partition as it was at a moment."""
    (number, at), policy, topic = where, settings.policy(), settings.chunk_topic
    look_back = shortest_look_back(policy)
    since = Bound("its longest age before", time=max(at - policy.max_request_age - look_back, 0))
    begin, end = await topics.bounds(topic, number, since, Bound("the moment", time=at))
    share = Share(number, begin, begin, end, end, whole=begin == 0, closable=False)
    window = Window(share, look_back)
    partition = Observed(policy, spill, topic, number, valuation=valuation(settings), window=window)
    async with aclosing(topics.batches(f"chunks of partition {number}", topic, number, begin, end)) as batches:
        async for batch in batches:
            window.see(batch.records)
            partition.apply(batch.records, batch.end)
            _pass(partition, partition.clock)
            if partition.pending >= CHECKPOINT_CHUNKS or partition.pending_bytes >= CHECKPOINT_BYTES:
                spill.write(partition.snapshot(), b"")
                partition.settled()
    _pass(partition, at)
    return partition, window


def _pass(partition: Observed, now: int) -> None:
    """Close what is due; its records are not what is asked for."""
    more = True
    while more:
        more = bool(partition.expire(now))
        for request_id in list(partition.closing):
            partition.finalize(request_id)
        partition.take_output()
    partition.headless.clear()


def _open(partition: Observed, window: Window) -> Iterator[Opening]:
    """Close what is left, one by one, to see what it comes to."""
    for head in list(partition.heads()):
        told = head.first_ms, head.last_ms, head.due
        partition.close_now(head.request_id)
        whole = window.part(head.first_offset) is Part.INSIDE and (head.revision > 0 or window.begins(head))
        partition.finalize(head.request_id)
        for record in partition.take_output()[0]:
            yield _opening(head, told, msgspec.json.decode(record.value or b""), whole=whole)


def _opening(head: Head, told: tuple[int, int, int], record: dict[str, Any], *, whole: bool) -> Opening:
    first, last, due = told
    details = record["cost_details"] or {}
    total = details.get("total")
    return Opening(
        request_id=head.request_id,
        partition=record["source"]["partition"],
        first_offset=head.first_offset,
        revision=head.revision,
        labels=record["labels"] or {},
        provider=record["provider"],
        model=record["model"],
        stream_type=head.stream_type,
        first=first,
        last=last,
        chunks=record["chunk_count"],
        token_usage=record["token_usage"],
        cost=None if total is None else Decimal(total),
        closed_by=record["closed_by"],
        due=due,
        whole=whole,
    )
