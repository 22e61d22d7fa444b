"""Records to be exported: out of lines, a range of the record topic, or its end as it grows.

Owns how they are handed out: in batches, each with the positions that are reached when it is done with. Imports
topics, settings and errors.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from pipeline.core.rows import traceparent_of
from pipeline.errors import FoundProblem, UsageError
from pipeline.settings import Settings
from pipeline.sinks.export.entry import Entry, entry_of
from pipeline.topics.bound import Bound
from pipeline.topics.reader import Progress, Topics, reading
from pipeline.topics.selection import Selection
from pipeline.topics.tail import following


class Batch(NamedTuple):
    """Entries, and next offset by partition when they are done with; neither has to be there."""

    entries: list[Entry]
    offsets: dict[int, int]


async def of_lines(lines: Iterable[bytes], name: str, selection: Selection, size: int) -> AsyncGenerator[Batch, None]:
    """Records of JSON lines.

    Args:
        lines: empty ones are skipped.
        name: of the file.
        selection: its request ids and labels; lines have no place in a topic.
        size: entries in a batch.

    Raises:
        UsageError: a line is no record.
    """
    numbered = enumerate(lines, 1)
    while part := list(islice(numbered, size)):
        entries = []
        for number, line in part:
            if not line.strip():
                continue
            try:
                entry = entry_of(line)
            except UsageError as error:
                raise UsageError(f"{name}, line {number}: {error.message}", hint=error.hint) from None
            if _wanted(entry, selection):
                entries.append(entry)
        yield Batch(entries, {})


async def of_range(
    settings: Settings, selection: Selection, done: Mapping[int, int], size: int, progress: Progress
) -> AsyncGenerator[Batch, None]:
    """Records of a range of the record topic, partition by partition.

    Args:
        settings: the way to Kafka, and the topic.
        selection: the range, and which requests.
        done: next offset by partition of an earlier run, which goes before the range's begin.
        size: entries in a batch.
        progress: told how far it has come.

    Raises:
        KafkaUnreachable: no broker answers.
        UsageError: the topic does not exist.
        FoundProblem: a position is not kept any more, or a record can't be read.
    """
    topic = settings.record_topic
    async with reading(settings, progress) as topics:
        for number in selection.numbers(topics.partitions(topic), topic):
            begin, end = await _bounds(topics, topic, number, selection, done.get(number))
            entries: list[Entry] = []
            what = f"{topic}[{number}]"
            async for record in topics.read(what, topic, number, begin, end):
                entry = _read(record, topic, number)
                if not _wanted(entry, selection):
                    continue
                entries.append(entry)
                if len(entries) == size:
                    yield Batch(entries, {number: record.offset + 1})
                    entries = []
            yield Batch(entries, {number: max(begin, end)})


async def of_tail(
    settings: Settings, selection: Selection, done: Mapping[int, int], size: int, progress: Progress
) -> AsyncGenerator[Batch, None]:
    """Records of the record topic from the range's begin on, without an end; the arguments are those of `of_range`.

    Raises:
        KafkaUnreachable: no broker answers, or none any more.
        UsageError: the topic does not exist, or the range has an end.
        FoundProblem: a position is not kept any more, or a record can't be read.
    """
    if selection.until is not None:
        raise UsageError("--follow has no end", hint="leave out --to, or --follow")
    topic = settings.record_topic
    begins = {}
    async with reading(settings, progress) as topics:
        for number in selection.numbers(topics.partitions(topic), topic):
            begins[number] = (await _bounds(topics, topic, number, selection, done.get(number)))[0]
    async with following(settings, topic, begins, list(begins)) as tail:
        while True:
            taken = await tail.batch(size)
            entries = [_read(record, topic, number) for number, records in taken.items() for record in records]
            offsets = {number: records[-1].offset + 1 for number, records in taken.items()}
            yield Batch([entry for entry in entries if _wanted(entry, selection)], offsets)


async def _bounds(topics: Topics, topic: str, number: int, selection: Selection, done: int | None) -> tuple[int, int]:
    """Offsets [begin, end) that are to be read; an earlier run's position is trusted only while it is kept."""
    if done is None:
        return await topics.bounds(topic, number, selection.since, selection.until)
    kept, last = await topics.bounds(topic, number)
    if not kept <= done <= last:
        raise FoundProblem(
            f"the position {done} is not kept: the topic has the offsets {kept} to {last}",
            topic=topic,
            partition=number,
            hint="records were missed, or the topic is a new one: begin anew with another file of positions",
        )
    _, end = await topics.bounds(topic, number, Bound(str(done), offset=done), selection.until)
    return done, end


def _read(record: Any, topic: str, partition: int) -> Entry:
    try:
        return entry_of(record.value or b"", traceparent_of(record))
    except UsageError as error:
        raise FoundProblem(
            error.message, hint="is this the record topic?", topic=topic, partition=partition, offset=record.offset
        ) from None


def _wanted(entry: Entry, selection: Selection) -> bool:
    return selection.wants(entry.record["request_id"], entry.record["labels"])
