"""Which requests of a partition hold content in their rows, and the rows that take it out again.

Rows come as the requests changelog has them, one after the other. Only a closed request whose segments are kept for a
revision can be erased: afterwards it is one of which no revision is possible, so that a late chunk becomes a dead
letter, never a record without its past. An open one needs its chunks for the bill.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from pipeline.core.identity import index_order
from pipeline.core.rows import Row
from pipeline.core.segment import (
    CHECKPOINT_KEY,
    SEGMENT,
    Checkpoint,
    RunHead,
    known_checkpoint,
    pack,
    segment_key,
    split_segment_key,
    unpack_chunks,
    unpack_head,
    unpack_marker,
)
from pipeline.core.signs import MARKER
from pipeline.errors import InvariantBroken
from schemas.chunk import NO_ATTEMPT, Chunk

_MARKER_ID: Final = 5
"""Where the request id begins in a marker's key: behind its kind and its hour."""

_LAST_ATTEMPT: Final = 1 << 31
"""A marker that names no attempt belongs to the highest."""


class Standing(StrEnum):
    """How far a request is whose segments are there."""

    KEPT = "kept"
    """Closed; its segments stay for a possible revision."""
    CLOSING = "closing"
    """Closed; its record is about to be made."""
    OPEN = "open"
    """Chunks are still to come, or late ones gather for a revision."""


class Wanted(Protocol):
    """Which requests are meant."""

    @property
    def request_ids(self) -> frozenset[str] | None:
        """Only these; None: all."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels that a request must carry."""

    def wants(self, request_id: str, labels: Mapping[str, str]) -> bool:
        """Whether a request is meant."""


class _Live:
    """The segments of one request that no tombstone has taken, and what its chunks say of labels."""

    __slots__ = ("labels", "numbers", "standing")

    def __init__(self) -> None:
        self.numbers: set[int] = set()
        self.standing = Standing.OPEN
        self.labels: dict[str, tuple[tuple[int, ...], str]] = {}

    def note(self, value: bytes, *, labels: bool) -> None:
        """Take in the next segment."""
        head = unpack_head(value)
        if isinstance(head, RunHead):
            self.standing = Standing.OPEN
        elif head.kept:
            self.standing = Standing.KEPT
        else:
            self.standing = Standing.OPEN if head.closed_by is None else Standing.CLOSING
        for _, chunk in unpack_chunks(value) if labels else ():
            order = _order(chunk)
            for key, said in (chunk.labels or {}).items():
                if key not in self.labels or order < self.labels[key][0]:
                    self.labels[key] = order, said


def _order(chunk: Chunk) -> tuple[int, ...]:
    """Of two values of a label the one with the lower order counts (CONTRACT §1)."""
    index = index_order(chunk)
    if chunk.attempt != NO_ATTEMPT:
        return chunk.attempt, *index
    return _LAST_ATTEMPT if index[2] == MARKER else 0, *index


class Survey:
    """The wanted requests of one partition; memory goes with their number, by label with that of all that have rows.

    Attributes:
        checkpoint: The newest checkpoint row; None before there is one.
    """

    def __init__(self, wanted: Wanted) -> None:
        """Begin with nothing read."""
        self.checkpoint: bytes | None = None
        self._wanted = wanted
        self._live: dict[str, _Live] = {}

    def take(self, key: bytes, value: bytes | None) -> None:
        """The next row of the requests changelog; other rows than segments and checkpoints are passed over."""
        if key == CHECKPOINT_KEY:
            self.checkpoint = value
        elif key[:1] == SEGMENT:
            name, number = split_segment_key(key)
            request_id = name.decode()
            if self._wanted.request_ids is None or request_id in self._wanted.request_ids:
                self._segment(request_id, number, value)

    def _segment(self, request_id: str, number: int, value: bytes | None) -> None:
        if value is None:
            live = self._live.get(request_id)
            if live is not None:
                live.numbers.discard(number)
                if not live.numbers:
                    del self._live[request_id]
            return
        live = self._live.get(request_id)
        if live is None or number == 0:  # the latter: a second request under this id
            numbers = set() if live is None else live.numbers
            live = self._live[request_id] = _Live()
            live.numbers = numbers
        live.numbers.add(number)
        live.note(value, labels=bool(self._wanted.labels))

    def standings(self) -> dict[str, Standing]:
        """The wanted requests that have segments, by id."""
        return {
            request_id: live.standing
            for request_id, live in self._live.items()
            if self._wanted.wants(request_id, {key: value for key, (_, value) in live.labels.items()})
        }

    def next_place(self, partition: int) -> Checkpoint:
        """What the next checkpoint row says: the same place, the next sequence.

        Raises:
            OurFault: another version wrote the rows, or there is no checkpoint row.
        """
        if self.checkpoint is None:
            raise InvariantBroken("there are segments and no checkpoint row", partition=partition)
        place = known_checkpoint(self.checkpoint, partition)
        return msgspec.structs.replace(place, sequence=place.sequence + 1)

    def rows(self, request_ids: Iterable[str], place: Checkpoint) -> list[Row]:
        """What erases these requests from the requests changelog, as a checkpoint with this place."""
        tombstones: list[Row] = [
            (segment_key(request_id.encode(), number), None)
            for request_id in request_ids
            for number in sorted(self._live[request_id].numbers)
        ]
        return [*tombstones, (CHECKPOINT_KEY, pack(place))]


class Markers:
    """The newest markers of some requests."""

    def __init__(self, request_ids: Iterable[str]) -> None:
        """Begin with nothing read."""
        self._ids = {request_id.encode() for request_id in request_ids}
        self._found: dict[bytes, tuple[bytes, bytes]] = {}

    def of(self, request_ids: Iterable[str]) -> bool:
        """Whether these requests are all among those that are looked for."""
        return all(request_id.encode() in self._ids for request_id in request_ids)

    def take(self, markers: Iterable[tuple[bytes, bytes]]) -> None:
        """The markers of the next row of their changelog."""
        for key, value in markers:
            name = key[_MARKER_ID:]
            if name in self._ids and key >= self._found.get(name, (b"", b""))[0]:  # its hour is part of the key
                self._found[name] = key, value

    def rows(self, request_ids: Iterable[str]) -> list[tuple[bytes, bytes]]:
        """The markers of these requests, saying that nothing is kept for a revision."""
        found = (self._found.get(request_id.encode()) for request_id in request_ids)
        return [
            (key, pack(msgspec.structs.replace(unpack_marker(value), segments=0))) for key, value in filter(None, found)
        ]
