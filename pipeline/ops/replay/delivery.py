"""Replayed records to a topic of their own: each once, in transactions, however often the replay is killed.

What a run that was killed had sent is found again on the topic itself: it lies there in the order of our files, from
the offset on at which the topic ended when sending began. Imports the engine's transactions and the reader of topics.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import msgspec

from pipeline.core.revision import headers
from pipeline.core.rows import Outgoing
from pipeline.engine.config import MIB, Timing
from pipeline.engine.transaction import Parcel, Transactions
from pipeline.errors import BrokerFault, UsageError
from pipeline.ops.replay.flow import RECORDS, TRACES, Replayed
from pipeline.ops.replay.job import Outcome
from pipeline.settings import Settings, client
from pipeline.sinks.target import replaced
from pipeline.topics.admin import counts
from pipeline.topics.reader import Progress, Seen, Topics, reading

BATCH: Final = 1_000
BATCH_BYTES: Final = 4 * MIB
"""Records of one transaction at most, and their bytes; a larger one goes alone."""

BEGINNINGS: Final = "beginnings.json"
"""Where the topic ended, partition by partition, before anything was sent."""

_OURS: Final = ("chunk_topic", "record_topic", "dead_topic")


def refuse(settings: Settings, topic: str) -> None:
    """Keep a replay away from the topics of the ledger: its records are there already, and would be billed twice.

    Raises:
        UsageError: it is one of them.
    """
    for name in _OURS:
        if topic == getattr(settings, name):
            hint = "name a topic of your own" + ("; --emit sends what differs" if name == "record_topic" else "")
            raise UsageError(f"{topic} is the {name} of this ledger", hint=hint)


async def deliver(replayed: Replayed, topic: str, progress: Progress) -> int:
    """Send all records that are not there yet; how many those were.

    Raises:
        UsageError: the topic does not exist, or has fewer partitions than the chunks.
        BrokerFault: the broker failed; what was committed is found again.
    """
    settings = replayed.order.settings
    partitions = (await counts(client(settings), [topic])).of(topic, "WRITE")
    beyond = [outcome.share.partition for outcome in replayed.outcomes if outcome.share.partition >= partitions]
    if beyond:
        text = f"topic {topic} has {partitions} partitions, and records go to those of their chunks"
        raise UsageError(text, hint=f"it needs partition {max(beyond)}, too")
    total = sum(outcome.counts.records for outcome in replayed.outcomes)
    done = sent = 0
    async with _sending(settings, topic) as transactions, reading(settings, lambda _: None) as topics:
        beginnings = await _beginnings(topics, replayed, topic)
        for outcome in replayed.outcomes:
            number = outcome.share.partition
            there = await _there(topics, topic, number, beginnings[number], _records(replayed, outcome))
            done += there
            for batch in _batches(itertools.islice(_records(replayed, outcome), there, None)):
                await transactions.commit("replay", [Parcel("records", topic, number, batch)])
                sent, done = sent + len(batch), done + len(batch)
                progress(Seen("sending", done, total))
    return sent


@asynccontextmanager
async def _sending(settings: Settings, topic: str) -> AsyncIterator[Transactions]:
    """One identity for ledger and topic: a second run fences the first, and finishes what it left open."""
    identity = f"{settings.ledger}-replay-{topic}"
    transactions = Transactions(client(settings), identity, group=identity, timing=Timing())
    try:
        await transactions.fence()
        yield transactions
    except BrokerFault as error:
        hint = "run again with the same --resume directory: what is there is not sent twice"
        raise BrokerFault(error.message, hint=error.hint or hint) from error
    finally:
        await transactions.stop()


async def _beginnings(topics: Topics, replayed: Replayed, topic: str) -> dict[int, int]:
    """Where to look for what was sent: noted before the first record is."""
    path = replayed.order.work / BEGINNINGS
    if path.exists():
        known = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[int, int]])
        if topic in known:
            return known[topic]
        raise UsageError(
            f"{replayed.order.work} was sending to {', '.join(known)}", hint="give it the same --to-topic again"
        )
    numbers = [outcome.share.partition for outcome in replayed.outcomes]
    ends = {number: await topics.written(topic, number) for number in numbers}
    with replaced(path) as draft:
        draft.write_bytes(msgspec.json.encode({topic: ends}))
    return ends


async def _there(topics: Topics, topic: str, number: int, begin: int, records: Iterator[Outgoing]) -> int:
    """How many of the records lie on the topic from `begin` on; those of others in between don't count."""
    end = await topics.written(topic, number)
    awaited, found = next(records, None), 0
    async with aclosing(topics.batches("records", topic, number, begin, end)) as batches:
        async for batch in batches:
            for record in batch.records:
                if awaited is not None and record.key == awaited.key and record.value == awaited.value:
                    awaited, found = next(records, None), found + 1
    return found


def _records(replayed: Replayed, outcome: Outcome) -> Iterator[Outgoing]:
    """The records of a partition as the worker would send them."""
    folder = replayed.order.work / f"{outcome.share.partition:04d}"
    with (folder / f"{RECORDS}.jsonl").open("rb") as values, (folder / f"{TRACES}.jsonl").open("rb") as traces:
        for value, trace in zip(values, traces, strict=True):
            record: dict[str, Any] = msgspec.json.decode(value)
            yield Outgoing(
                record["request_id"].encode(), value.rstrip(b"\n"), headers(record, msgspec.json.decode(trace))
            )


def _batches(records: Iterator[Outgoing]) -> Iterator[list[Outgoing]]:
    batch: list[Outgoing] = []
    size = 0
    for record in records:
        length = len(record.value or b"")
        if batch and (len(batch) == BATCH or size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch
