"""What a publisher's spool has of the requests.

Owns which of its chunks may go: not those that are still to be sent for a request without a record, whose bill needs
them. Imports the spool's tools, msgspec and the selection.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from pipeline.errors import UsageError
from pipeline.ingest.publish.item import Item
from pipeline.ops.spool import Removal, erase, items
from pipeline.ops.spool.kept import files
from pipeline.topics.selection import Selection


class _Head(msgspec.Struct):
    labels: dict[str, str] | None = None


_decode: Final = msgspec.json.Decoder(_Head).decode


def found(folder: Path, selection: Selection) -> frozenset[str]:
    """Ids of the requests that are meant and have a chunk there; labels are on a request's first and last chunk.

    Raises:
        UsageError: there is no such directory.
        OSError: it can't be read.
    """
    if not folder.is_dir():
        raise UsageError(f"no spool at {folder}", hint="--spool names the directory of a publisher's spool")
    ids: set[str] = set()
    for path in files(folder):
        for item in items(path):
            request_id = item.key.decode(errors="replace")
            if request_id not in ids and selection.wants(request_id, _labels(item) if selection.labels else {}):
                ids.add(request_id)
    return frozenset(ids)


def taken(folder: Path, ids: Collection[str], recorded: Collection[str], past: int, *, execute: bool) -> Removal:
    """Take the chunks of requests out of a spool, or count them.

    Args:
        folder: The directory.
        ids: The requests.
        recorded: Those that have a record: their bill is made.
        past: Microseconds since the epoch; what was accepted before comes too late for a bill.
        execute: Whether to change anything.

    Raises:
        OSError: a file can't be read or written.
    """

    def wanted(item: Item) -> bool:
        return item.key.decode(errors="replace") in ids

    def unsent(item: Item) -> bool:
        return item.accepted >= past and item.key.decode(errors="replace") not in recorded

    return erase(folder, wanted, unsent, execute=execute)


def _labels(item: Item) -> dict[str, str]:
    try:
        return _decode(item.value).labels or {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
