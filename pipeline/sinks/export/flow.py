"""An export from its source to its target: events to a stream or a receiver, rows to a file.

Owns which source is read and how far an earlier run had come. Imports its siblings, topics and settings.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import FoundProblem
from pipeline.settings import Settings
from pipeline.sinks.export.courier import Courier, Delivered
from pipeline.sinks.export.focus.dataset import Dataset
from pipeline.sinks.export.focus.file import Csv
from pipeline.sinks.export.format import Format
from pipeline.sinks.export.letters import Letters
from pipeline.sinks.export.positions import Positions
from pipeline.sinks.export.post import Receiver, connected
from pipeline.sinks.export.source import Batch, of_lines, of_range, of_tail
from pipeline.topics.reader import Progress
from pipeline.topics.selection import Selection


@dataclass(frozen=True)
class Origin:
    """What is exported.

    Attributes:
        settings: the way to Kafka, and the topic.
        selection: which part of the topic, and which requests.
        lines: of records, instead of a topic.
        name: of the file that they are from.
        follow: on and on.
        size: entries in a batch.
    """

    settings: Settings
    selection: Selection
    lines: Iterable[bytes] | None = None
    name: str = ""
    follow: bool = False
    size: int = 100

    def batches(self, progress: Progress, done: Mapping[int, int] | None = None) -> AsyncGenerator[Batch, None]:
        """Batches of entries, from where an earlier run had come."""
        if self.lines is not None:
            return of_lines(self.lines, self.name, self.selection, self.size)
        read = of_tail if self.follow else of_range
        return read(self.settings, self.selection, done or {}, self.size, progress)


@dataclass(frozen=True)
class Way:
    """How events get to a receiver.

    Attributes:
        receiver: its address.
        letters: file for what it refuses; None: the first refusal is the end.
        positions: where to begin, and kept as it goes on; None: neither.
    """

    receiver: Receiver
    letters: Path | None = None
    positions: Positions | None = None


async def to_receiver(origin: Origin, form: Format, way: Way, delivered: Delivered, progress: Progress) -> None:
    """Bring every entry to a receiver; `delivered` counts as it goes on, so that who stops it knows how far it came.

    Raises:
        FoundProblem: the receiver can't be used, or refuses an event and there is no file for dead letters.
    """
    done = None if way.positions is None else way.positions.offsets
    with nullcontext() if way.letters is None else closing(Letters(way.letters)) as letters:
        async with connected(way.receiver) as post:
            courier = Courier(post, form, delivered, letters)
            await courier.bring(origin.batches(progress, done), way.positions)


async def to_stream(origin: Origin, form: Format, out: BinaryIO, progress: Progress) -> int:
    """Write every entry as a line of JSON; the answer is how many."""
    written = 0
    async with aclosing(origin.batches(progress)) as batches:
        async for batch in batches:
            out.writelines(form.line(form.event(entry)) + b"\n" for entry in batch.entries)
            written += len(batch.entries)
    return written


async def to_table(origin: Origin, dataset: Dataset, table: Csv, progress: Progress) -> None:
    """Write every entry as rows."""
    async with aclosing(origin.batches(progress)) as batches:
        async for batch in batches:
            for entry in batch.entries:
                for row in dataset.add(entry):
                    table.write(row)
    for row in dataset.rest():
        table.write(row)


async def put(content: bytes, content_type: str, receiver: Receiver) -> None:
    """Bring a whole file to a receiver; the same file again takes its own place.

    Raises:
        FoundProblem: the receiver can't be used, or refuses the file.
    """
    async with connected(receiver) as post:
        answer = await post.send(content, content_type)
    if not answer.accepted:
        raise FoundProblem(f"{receiver.shown} refuses the file: status {answer.status}", hint="write it with --out")
