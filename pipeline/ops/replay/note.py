"""What a passage notes at a checkpoint, and where its output lies.

Owns the names of a partition's files. Imports msgspec only.
"""

from __future__ import annotations

from typing import Final

import msgspec

JUST_NOW: Final = -1
"""In the place of an offset."""

RECORDS, TRACES, ROWS, LEFT = "records", "traces", "rows", "left"
"""Files of a partition: records, their `traceparent`s line by line, rows of COLUMNS, and requests without a record."""


class Counts(msgspec.Struct):
    """What a passage did so far.

    Attributes:
        chunks: read, of whatever request.
        records: kept; `revisions` of them are revisions.
        cut, open: requests listed without a record.
        dead: chunks of the range that were refused, by reason.
    """

    chunks: int = 0
    records: int = 0
    revisions: int = 0
    cut: int = 0
    open: int = 0
    dead: dict[str, int] = {}


class Note(msgspec.Struct):
    """A passage at a checkpoint, beside the rows of its fold.

    Attributes:
        counts: so far.
        lengths: of the files.
        opened, known: of the window.
        limit: append time in ms at which the look-ahead ends; None before the end of the range.
        settled: append time in ms from which on no record so far can be revised any more.
        finished: nothing is left to do.
    """

    counts: Counts = msgspec.field(default_factory=Counts)
    lengths: dict[str, int] = {}
    opened: int | None = None
    known: int | None = None
    limit: int | None = None
    settled: int = 0
    finished: bool = False


class Kept(msgspec.Struct, array_like=True):
    """Where a record lies in the file of records.

    Attributes:
        number: which of them it is.
        at, length: bytes.
        decided: offset of the chunk topic by which a worker has closed its request; None: the clock has; JUST_NOW: so
            lately that a worker may not have written it yet.
        trace: its header `traceparent`.
    """

    number: int
    at: int
    length: int
    decided: int | None
    trace: str | None
