"""Files of a spool taken away, or written anew without the chunks of some requests.

A file of a publisher that lives is never touched; those of the others only under their owner's lock, or, where chunks
are set aside, under the file's own. A file is replaced in one step: whatever dies, it is the old or the new one.
Imports the publisher's spool.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.ingest.publish.backlog import ASIDE, LOCK, SUFFIX
from pipeline.ingest.publish.estate import claim, owner_of
from pipeline.ingest.publish.item import Item
from pipeline.ingest.publish.segment import Segment, frames, head
from pipeline.ingest.publish.spool import locked
from pipeline.ops.spool.kept import files, items, readable


@dataclass
class Removal:
    """What was done, or would be.

    Attributes:
        chunks: Removed, by request id.
        living: Chunks of the requests in files whose publisher lives, by request id; left alone.
        unsent: Those that are still to be sent and whose bill needs them, by request id; left alone.
        unread: Files of which something can't be read, and so not be searched.
    """

    chunks: dict[str, int] = field(default_factory=dict)
    living: dict[str, int] = field(default_factory=dict)
    unsent: dict[str, int] = field(default_factory=dict)
    unread: list[Path] = field(default_factory=list)


def remove(path: Path) -> None:
    """Remove a file.

    Raises:
        UsageError: it is none of a spool, or its publisher lives.
        OSError: it can't be removed.
    """
    if path not in files(path.parent):
        raise UsageError(f"{path} is no file of a spool", hint="`streamledger spool ls` lists them")
    with holding(path) as ours:
        if not ours:
            raise UsageError(f"the publisher of {path} lives", hint="it sends the file when Kafka takes it; or end it")
        path.unlink()


def erase(folder: Path, wanted: Callable[[Item], bool], unsent: Callable[[Item], bool], *, execute: bool) -> Removal:
    """Take the chunks of some requests out of a directory.

    Args:
        folder: The directory.
        wanted: Whether a chunk is meant.
        unsent: Whether a chunk that is meant has to be sent first, because its request's bill needs it. Asked of files
            that the next publisher sends.
        execute: Whether to change anything.

    Raises:
        OSError: a file can't be read or written.
    """
    done = Removal()
    for path in files(folder):
        with contextlib.suppress(FileNotFoundError), holding(path) as ours:  # gone: sent since
            if ours:
                _erase(path, wanted, unsent, done, execute=execute)
            else:
                _count(done.living, filter(wanted, items(path)))
    return done


def _erase(
    path: Path, wanted: Callable[[Item], bool], unsent: Callable[[Item], bool], done: Removal, *, execute: bool
) -> None:
    found = [item for item in items(path) if wanted(item)]
    leave = {item for item in found if unsent(item)} if path.suffix == SUFFIX else set()
    gone = [item for item in found if item not in leave]
    _count(done.unsent, (item for item in found if item in leave))
    _count(done.chunks, gone)
    if path.stat().st_size > readable(path) and not (gone and execute):
        done.unread.append(path)
    if gone and execute:
        _replace(path, [item for item in items(path) if not wanted(item) or item in leave])


def _count(counts: dict[str, int], found: Iterator[Item] | Collection[Item]) -> None:
    for item in found:
        request_id = item.key.decode(errors="replace")
        counts[request_id] = counts.get(request_id, 0) + 1


def _replace(path: Path, left: Collection[Item]) -> None:
    """Write a file anew; with nothing left it goes, and what could not be read of it goes with the old one."""
    if not left:
        path.unlink()
        return
    new = path.with_name(f".{path.name}.new")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(file, "wb") as out:
            out.write(head(Segment(path).topic or "") + b"".join(frames(left)))
            out.flush()
            os.fsync(out.fileno())
        new.rename(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def holding(path: Path) -> Iterator[bool]:
    """Keep everybody else away from a file; False if its publisher lives.

    Raises:
        FileNotFoundError: it is gone.
    """
    if path.suffix == ASIDE:  # written to under its own lock, by a publisher that may live or not
        with _locked(path):
            yield True
        return
    owner = owner_of(path)
    lock = claim(path.parent, owner)
    if lock is None:
        yield False
        return
    try:
        yield True
    finally:
        if not any(owner_of(each) == owner for each in path.parent.glob(f"*{SUFFIX}")):
            (path.parent / f"{owner}{LOCK}").unlink(missing_ok=True)
        os.close(lock)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    file = locked(path, os.O_RDONLY)
    try:
        yield
    finally:
        os.close(file)
