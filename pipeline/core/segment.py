"""Rows of the requests table and of the marker log: keys and values (DESIGN §3).

    b"s" request id NUL number   segment: the chunks that came between two checkpoints, and what they changed of the
                                 head: all of its scalars, or only how far the run of plain chunks went
    b"m" hour request id         marker: what is remembered of a closed request, by the hour it closed
    b"c"                         checkpoint: where the partition is

The same bytes stand in the changelogs and in the store.  Values are msgpack; a chunk that cannot be encoded (lone
surrogates, odd leaves) is kept as the JSON it came as.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, cast

import msgspec

from pipeline.core.head import Held
from pipeline.errors import InvariantBroken, OurFault
from schemas.chunk import Chunk
from schemas.decode import STORED, decode

SEGMENT: Final = b"s"
MARKER: Final = b"m"
CHECKPOINT_KEY: Final = b"c"

FORMAT: Final = 2
"""Of all rows; 2: segments of plain chunks without scalars."""

MAX_SEGMENT: Final = 512 << 10
"""Bytes of chunks in one segment row; several rows are written above it."""

_HOUR_MS: Final = 3_600_000
_NUMBER_BYTES: Final = 4

Seen = list[tuple[int, int, int, list[int]]]


class SegmentHead(msgspec.Struct, array_like=True, gc=False):
    """Scalars of a head as of this segment, and the indexes that came with it.

    Attributes:
        seen_mask, done: hexadecimal, because msgpack integers end at 64 bits.
        kept: the request is closed and its segments stay for a possible revision.
        fresh: (attempt, kind, image, bounds) of the indexes that are new since the segment before.
    """

    stream_type: str
    seen_mask: str
    done: str
    kept: bool
    fresh: Seen
    cause: str
    first_ms: int
    last_ms: int
    due: int
    attempt: int
    terminal: bool
    error: bool
    error_final: bool
    error_index: int
    final: bool
    bare_final: bool
    images_total: int | None
    total_at: tuple[int, int] | None
    chunk_count: int
    duplicates: int
    conflicts: int
    anomalies: int
    size: int
    truncated: bool
    first_offset: int
    last_offset: int
    traceparent: str | None
    closed_by: str | None
    closed_at: int
    first_closed_at: int
    revision: int
    poisoned: bool


class RunHead(NamedTuple):
    """What plain chunks change of a head: nearly all segments need no more.

    Attributes:
        start, end: indexes of the main slot that are new since the segment before, end exclusive.
        last_ms, due, size, last_offset: as in SegmentHead.
    """

    start: int
    end: int
    last_ms: int
    due: int
    size: int
    last_offset: int


class Marker(msgspec.Struct, array_like=True):
    """What is remembered of a closed request for marker_retention (CONTRACT §4).

    Attributes:
        closed_by, complete, closed_at: of revision 0.
        span: first and last payload timestamp, µs since the epoch.
        seen: indexes by attempt, kind and image.
        segments: how many are kept for a revision; 0 when none is possible.
        token_usage, cost: of the latest record, for the delta of the next.
        reused: a second request under this id was seen: chunks outside the span are refused.
    """

    stream_type: str
    closed_by: str
    complete: bool
    closed_at: int
    revision: int
    span: tuple[int, int]
    seen: Seen
    segments: int
    digest: str
    token_usage: dict[str, Any] | None = None
    cost: float | None = None
    reused: bool = False


class Checkpoint(msgspec.Struct, array_like=True):
    """Where a partition is: the truth, before the consumer group (DESIGN §4); `format` is that of its rows."""

    position: int
    clock: int
    sequence: int
    lineage: bytes
    swept_hour: int
    dropped_hour: int
    format: int = 1


_pack: Final = msgspec.msgpack.Encoder().encode
_Offsets = list[int]
_Chunks = list[STORED | bytes]
_unpack_head: Final = msgspec.msgpack.Decoder(tuple[SegmentHead, msgspec.Raw, msgspec.Raw]).decode
_unpack_chunks: Final = msgspec.msgpack.Decoder(tuple[msgspec.Raw, _Offsets, _Chunks]).decode
_unpack_run: Final = msgspec.msgpack.Decoder(tuple[int, int, int, int, int, int, msgspec.Raw, msgspec.Raw]).decode
_unpack_run_chunks: Final = msgspec.msgpack.Decoder(
    tuple[int, int, int, int, int, int, _Offsets, _Chunks],
).decode
_unpack_list: Final = msgspec.msgpack.Decoder(_Chunks).decode
_SHORT: Final = [_pack((None,) * count)[:1] for count in range(16)]
"""First bytes of short arrays."""

_RUN: Final = _SHORT[8][0]
"""First byte of a segment with a RunHead: an array of eight."""
unpack_marker: Final = msgspec.msgpack.Decoder(Marker).decode
unpack_checkpoint: Final = msgspec.msgpack.Decoder(Checkpoint).decode
_unpack_pairs: Final = msgspec.msgpack.Decoder(list[tuple[bytes, bytes]]).decode


def segment_prefix(request_id: bytes) -> bytes:
    """Prefix of all segment keys of a request; an id has no control characters, so NUL ends it."""
    return SEGMENT + request_id + b"\0"


def segment_key(request_id: bytes, number: int) -> bytes:
    """Key of one segment."""
    return segment_prefix(request_id) + number.to_bytes(_NUMBER_BYTES, "big")


def split_segment_key(key: bytes) -> tuple[bytes, int]:
    """(request id, number) of a segment key."""
    return key[1 : -_NUMBER_BYTES - 1], int.from_bytes(key[-_NUMBER_BYTES:], "big")


def hour_of(ms: int) -> int:
    """The hour in which a marker is kept."""
    return ms // _HOUR_MS


def hour_prefix(hour: int) -> bytes:
    """Prefix of the markers of an hour."""
    return MARKER + hour.to_bytes(4, "big")


def marker_key(request_id: bytes, hour: int) -> bytes:
    """Key of a marker."""
    return hour_prefix(hour) + request_id


def pack(value: Any) -> bytes:
    """Encode a Marker or Checkpoint."""
    return _pack(value)


def pack_chunk(chunk: Chunk) -> bytes:
    """A chunk as a segment holds it; one that msgpack can't hold is its JSON."""
    return _pack(chunk if chunk.original is None else chunk.original)


def pack_segments(head: SegmentHead, held: Held, offsets: list[int], size: int) -> Iterator[bytes]:
    """Values of the segments that hold these chunks, in order; all but the first repeat the head without `fresh`.

    Args:
        head: of the moment.
        held: chunks not yet in a segment, all of them packed or none.
        offsets: their source offsets.
        size: an upper bound of their bytes; only above MAX_SEGMENT are they measured one by one.
    """
    whole = size <= MAX_SEGMENT
    chunks = held if whole else _packed(held)
    for group in [slice(None)] if whole else _groups(chunks):
        yield _pack((head, offsets[group], _listed(chunks[group])))
        head.fresh = []


def pack_run(head: RunHead, held: Held, offsets: list[int]) -> bytes:
    """Value of the segment of plain chunks, of MAX_SEGMENT bytes together at most; args as in pack_segments."""
    return _pack((*head, offsets, _listed(held)))


def _packed(held: Held) -> Held:
    return [chunk if isinstance(chunk, bytes) else pack_chunk(chunk) for chunk in held]


def _listed(held: Held) -> Any:
    """Chunks as the list that is packed with a segment.

    Of packed ones it is ready: msgpack's array 16 or 32, or its short form, and then one after the other.
    """
    if not held or not isinstance(held[0], bytes):
        return [chunk if chunk.original is None else chunk.original for chunk in cast("list[Chunk]", held)]
    count = len(held)
    if count < len(_SHORT):
        start = _SHORT[count]
    elif count < 1 << 16:
        start = b"\xdc" + count.to_bytes(2, "big")
    else:
        start = b"\xdd" + count.to_bytes(4, "big")
    return msgspec.Raw(start + b"".join(cast("list[bytes]", held)))


def _whole(chunks: list[Any]) -> list[Chunk]:
    """Chunks of which some may be JSON still."""
    if bytes in map(type, chunks):
        return [decode(chunk) if isinstance(chunk, bytes) else chunk for chunk in chunks]
    return chunks


def _groups(entries: list[Any]) -> Iterator[slice]:
    first = size = 0
    for number, entry in enumerate(entries):
        length = len(entry)
        if number > first and size + length > MAX_SEGMENT:
            yield slice(first, number)
            first, size = number, 0
        size += length
    yield slice(first, len(entries))


def unpack_head(value: bytes) -> SegmentHead | RunHead:
    """The head of a segment, without decoding its chunks."""
    if value[0] == _RUN:
        return RunHead._make(_unpack_run(value)[:6])
    return _unpack_head(value)[0]


def unpack_scalars(value: bytes) -> SegmentHead:
    """The head of a segment that has all scalars: a request's first, and the last of a closed one.

    Raises:
        InvariantBroken: it has not.
    """
    head = unpack_head(value)
    if isinstance(head, RunHead):
        raise InvariantBroken("a segment has no head where one must be")
    return head


def unpack_chunks(value: bytes) -> list[tuple[int, Chunk]]:
    """(source offset, chunk) of a segment, in order of arrival."""
    chunks: list[Any]
    offsets, chunks = (_unpack_run_chunks if value[0] == _RUN else _unpack_chunks)(value)[-2:]
    return list(zip(offsets, _whole(chunks), strict=True))


def whole_chunks(held: Held) -> list[Chunk]:
    """Chunks that are in no segment yet: all of them packed, or none."""
    if held and isinstance(held[0], bytes):
        return _whole(_unpack_list(_listed(held)))
    return cast("list[Chunk]", held)


def pack_markers(markers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The markers of one checkpoint as one row of the marker changelog."""
    return _pack(list(markers))


def unpack_markers(value: bytes) -> list[tuple[bytes, bytes]]:
    """(store key, value) of the markers in a row of the marker changelog."""
    return _unpack_pairs(value)


def known_checkpoint(value: bytes, partition: int) -> Checkpoint:
    """The checkpoint row of a partition.

    Raises:
        OurFault: another version wrote it, in a format that this one does not read.
    """
    place = unpack_checkpoint(value)
    if place.format != FORMAT:
        raise OurFault(
            f"the state has format {place.format}, this version reads {FORMAT}",
            partition=partition,
            hint="drain the ledger with the version that wrote it, then start a new one",
        )
    return place
