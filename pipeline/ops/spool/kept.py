"""What lies in a spool's directory: each file, whose it is, and what is in it.

Reads everything and changes nothing, whoever writes meanwhile. Imports the publisher's spool and the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pipeline.errors import UsageError
from pipeline.ingest.publish.backlog import ASIDE, DAMAGED, SUFFIX
from pipeline.ingest.publish.estate import alive, owner_of
from pipeline.ingest.publish.item import Item
from pipeline.ingest.publish.segment import Segment
from pipeline.settings import Settings

READ_BYTES: Final = 4 << 20
READ_CHUNKS: Final = 5_000


class State(StrEnum):
    """What is going to happen with a file."""

    LIVING = "living"
    """Its publisher runs, and sends it when Kafka takes it."""
    LEFT = "left"
    """Its publisher has ended: the next one in the directory sends it."""
    REFUSED = "refused"
    """Kafka does not take what is in it: nobody sends it."""
    DAMAGED = "damaged"
    """It can't be read to its end; what can was sent."""


@dataclass(frozen=True)
class Kept:
    """One file.

    Attributes:
        path: Where it is.
        state: What is going to happen with it.
        topic: Topic of its chunks; None if it is no spool.
        chunks, requests: How many can be read, and of how many requests.
        size: Bytes on disk.
        unread: Bytes at its end that can't be read.
        oldest, newest: When chunks were accepted, in microseconds since the epoch; None without any.
        late: Chunks that a closed request takes no more: older than session_window + revise_window.
    """

    path: Path
    state: State
    topic: str | None
    chunks: int
    requests: int
    size: int
    unread: int
    oldest: int | None
    newest: int | None
    late: int


def folder_of(settings: Settings) -> Path:
    """Where publishers with these settings keep their spool, unless Policy.spool says otherwise."""
    return settings.data_dir / "spool" / settings.ledger


def surveyed(folder: Path, window: int, now: int) -> list[Kept]:
    """All files, by name.

    Args:
        folder: The directory.
        window: session_window + revise_window, in milliseconds.
        now: Microseconds since the epoch.

    Raises:
        UsageError: there is no such directory.
        OSError: it can't be read.
    """
    if not folder.is_dir():
        raise UsageError(f"no spool at {folder}", hint="name its directory with --dir, or data_dir and ledger")
    found = []
    for path in files(folder):
        try:
            found.append(_kept(path, now - window * 1_000))
        except FileNotFoundError:  # sent since
            continue
    return found


def files(folder: Path) -> list[Path]:
    """The files of a spool, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix in (SUFFIX, ASIDE, DAMAGED))


def items(path: Path) -> Iterator[Item]:
    """The chunks of a file that can be read, in order.

    Raises:
        OSError: it can't be read at all.
    """
    file = Segment(path)
    at = file.start
    while file.topic is not None and (found := file.read(at, READ_BYTES, READ_CHUNKS)).items:
        yield from found.items
        at = found.end


def readable(path: Path) -> int:
    """Where what can be read of a file ends."""
    file = Segment(path)
    at = file.start
    while file.topic is not None and (found := file.read(at, READ_BYTES, READ_CHUNKS)).items:
        at = found.end
    return at


def _kept(path: Path, past: int) -> Kept:
    requests: set[bytes] = set()
    chunks = late = 0
    oldest: int | None = None
    newest: int | None = None
    for item in items(path):
        chunks += 1
        late += item.accepted < past
        requests.add(item.key)
        oldest = item.accepted if oldest is None else min(oldest, item.accepted)
        newest = item.accepted if newest is None else max(newest, item.accepted)
    size = path.stat().st_size
    state = _state(path)
    unread = 0 if state is State.LIVING else max(0, size - readable(path))
    return Kept(path, state, Segment(path).topic, chunks, len(requests), size, unread, oldest, newest, late)


def _state(path: Path) -> State:
    if path.suffix == ASIDE:
        return State.REFUSED
    if path.suffix == DAMAGED:
        return State.DAMAGED
    return State.LIVING if alive(path.parent, owner_of(path)) else State.LEFT
