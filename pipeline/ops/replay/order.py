"""What a replay is asked to do, and what that is in offsets, partition by partition.

A request belongs to the range in which its first chunk lies, with all its revisions; `window` decides it. So reading
begins before the range, at the look-back, where every request that may be open at its beginning shows itself, and goes
on after it until no request of the range can change any more, or for the look-ahead. Imports `topics`, the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from pipeline.core.policy import Policy
from pipeline.settings import Settings
from pipeline.topics.bound import Bound
from pipeline.topics.reader import Topics
from pipeline.topics.selection import Selection

LATENCY: Final = 10_000
"""ms in which a worker that lives has written what time closed: closing, checkpoint, and a busy machine."""


class Share(msgspec.Struct, frozen=True):
    """One partition of a replay; offsets of the chunk topic.

    Attributes:
        partition: its number.
        begin: where reading begins.
        first, until: the range, until exclusive.
        end: where the log ended when this was planned; nothing is read from there on.
        whole: nothing was ever written before `begin`.
        closable: no open transaction held chunks back at `end`, so what is due by the clock is closed.
        records: where reading of the record topic begins, for a diff.
    """

    partition: int
    begin: int
    first: int
    until: int
    end: int
    whole: bool
    closable: bool
    records: int = 0


@dataclass(frozen=True)
class Order:
    """What all partitions have in common.

    Attributes:
        settings: of the ledger whose worker is replayed.
        selection: the range, and which requests.
        work: directory for state and output of the partitions.
        now: wall clock in ms, by which the requests at the end of the topic are due or open.
        look_back: ms before the range at which reading begins.
        look_ahead: ms after the range for which reading goes on; None: until nothing of the range can change.
        first_index: what gateways count chunks from, 0 or 1.
        diff: compare with the record topic.
        rows: keep the records as rows, too.
        traces: keep the header `traceparent`, too.
    """

    settings: Settings
    selection: Selection
    work: Path
    now: int
    look_back: int
    look_ahead: int | None = None
    first_index: int = 0
    diff: bool = False
    rows: bool = False
    traces: bool = False

    @property
    def due(self) -> int:
        """Append time in ms up to which deadlines have passed by the clock."""
        return self.now - self.settings.clock_slack


def shortest_look_back(policy: Policy) -> int:
    """Time in ms after which an open request has shown itself: it would be closed, had it been silent for so long."""
    return max(policy.session_window, policy.attempt_grace, policy.finish_grace)


async def shares(topics: Topics, order: Order) -> list[Share]:
    """The order in offsets.

    Raises:
        UsageError: a topic or a partition does not exist.
        KafkaUnreachable: no broker answers any more.
    """
    topic = order.settings.chunk_topic
    numbers = order.selection.numbers(topics.partitions(topic), topic)
    return [await _share(topics, order, number) for number in numbers]


async def _share(topics: Topics, order: Order, number: int) -> Share:
    topic, selection = order.settings.chunk_topic, order.selection
    log_begin, end = await topics.bounds(topic, number)
    written = await topics.written(topic, number)
    first, until = await topics.bounds(topic, number, selection.since, selection.until)
    first, until = min(first, end), min(until, end)
    if first >= until:  # nothing can begin in it
        return Share(number, first, first, first, first, whole=False, closable=False)
    begin, records = first, 0
    if first > log_begin:
        moment = await _moment(topics, order, number, first, end)
        begin = min(first, await _offset(topics, topic, number, moment - order.look_back))
        if order.diff:
            records = await _offset(topics, order.settings.record_topic, number, moment - order.settings.clock_slack)
    return Share(
        partition=number,
        begin=begin,
        first=first,
        until=until,
        end=end,
        whole=begin == log_begin == 0,
        closable=written <= end,
        records=records,
    )


async def _moment(topics: Topics, order: Order, number: int, first: int, end: int) -> int:
    """Append time at which the range begins; of a range after all chunks, now."""
    since = order.selection.since
    if since is not None and since.time is not None:
        return since.time
    moment = await topics.moment(order.settings.chunk_topic, number, first, end)
    return order.now if moment is None else moment


async def _offset(topics: Topics, topic: str, number: int, moment: int) -> int:
    return (await topics.bounds(topic, number, Bound("a time before the range", time=max(moment, 0))))[0]
