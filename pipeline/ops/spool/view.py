"""A spool as JSON and as text. Owns the words; content of chunks is in none of them. Imports its sibling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pipeline.ops.spool.kept import Kept, State
from pipeline.settings.units import DURATION, SIZE

Json = dict[str, Any]

TO_DO: Final = {
    State.LIVING: "its publisher sends it when Kafka takes it",
    State.LEFT: "the next publisher in this directory sends it, or: streamledger spool send --execute",
    State.REFUSED: "raise max.message.bytes of the topic (streamledger topics --check), then: "
    "streamledger spool send --refused --execute; or: streamledger spool rm FILE --execute",
    State.DAMAGED: "what could be read was sent; streamledger spool rm FILE --execute",
}
"""What to do about each kind of file."""


def as_json(folder: Path, found: Sequence[Kept], now: int) -> Json:
    """The whole directory; times RFC 3339, ages in ms."""
    return {
        "directory": str(folder),
        "files": [_file(kept, now) for kept in found],
        "chunks": {state.value: sum(kept.chunks for kept in found if kept.state is state) for state in State},
        "bytes": sum(kept.size for kept in found),
        "late": sum(kept.late for kept in found),
        "oldest": _moment(min((kept.oldest for kept in found if kept.oldest is not None), default=None)),
        "needs_somebody": needy(found),
    }


def needy(found: Sequence[Kept]) -> bool:
    """Whether there is anything that no living publisher is going to send."""
    return any(kept.state is not State.LIVING for kept in found)


def _file(kept: Kept, now: int) -> Json:
    return {
        "file": kept.path.name,
        "state": kept.state.value,
        "topic": kept.topic,
        "chunks": kept.chunks,
        "requests": kept.requests,
        "bytes": kept.size,
        "unread_bytes": kept.unread,
        "oldest": _moment(kept.oldest),
        "newest": _moment(kept.newest),
        "age_ms": None if kept.oldest is None else max(0, now - kept.oldest) // 1_000,
        "late": kept.late,
    }


def lines(told: Json) -> Iterator[str]:
    """The document as text."""
    files = told["files"]
    if not files:
        yield f"{told['directory']}: empty"
        return
    count = sum(told["chunks"].values())
    yield f"{told['directory']}: {len(files):,} files, {count:,} chunks, {SIZE.show(told['bytes'])}"
    rows = [("file", "state", "chunks", "requests", "bytes", "oldest", "late"), *map(_row, files)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
    for state in State:
        if any(file["state"] == state.value for file in files):
            yield f"{state.value}: {TO_DO[state]}"
    if told["late"]:
        yield (
            f"{told['late']:,} chunks are older than session_window + revise_window: the ledger takes those of closed "
            "requests for late (streamledger dead ls)"
        )


def _row(file: Json) -> tuple[str, ...]:
    age = "" if file["age_ms"] is None else f"{_about(file['age_ms'])} ago"
    size = f"{file['bytes']:,}" + (f" ({file['unread_bytes']:,} unreadable)" if file["unread_bytes"] else "")
    return (
        file["file"], file["state"], f"{file['chunks']:,}", f"{file['requests']:,}", size, age, f"{file['late']:,}",
    )  # fmt: skip


def _about(ms: int) -> str:
    """An age, as exact as anybody needs it."""
    unit = 1_000 if ms < 120_000 else 60_000 if ms < 7_200_000 else 3_600_000
    return DURATION.show(ms // unit * unit)


def _moment(microseconds: int | None) -> str | None:
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
