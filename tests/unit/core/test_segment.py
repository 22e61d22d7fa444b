"""Rows of the requests table and the marker log: keys sort as needed, values come back as they were."""

import json
from typing import Any

import pytest

from pipeline.core.head import Head, Held
from pipeline.core.restore import segment_head
from pipeline.core.segment import (
    MAX_SEGMENT,
    Checkpoint,
    Marker,
    SegmentHead,
    hour_of,
    hour_prefix,
    marker_key,
    pack,
    pack_chunk,
    pack_markers,
    pack_segments,
    segment_key,
    segment_prefix,
    split_segment_key,
    unpack_checkpoint,
    unpack_chunks,
    unpack_head,
    unpack_marker,
    unpack_markers,
    unpack_scalars,
    whole_chunks,
)
from pipeline.testing.chunk import (
    HOUR,
    RESPONSES,
    chat,
    chunk,
    encoded,
    error,
    event,
    image,
    marker,
    speech,
    text,
    transcript,
)
from schemas.chunk import Chunk
from schemas.decode import decode
from tests.unit.schemas.decoders import chunk_fields

ODD = {"choices": [{"delta": {"content": "a"}, "finish_reason": 5}]}


def empty_head() -> SegmentHead:
    """The scalars of a fresh head."""
    head = segment_head(Head("r-1", "chat.completion", now=0, offset=0), kept=False)
    head.fresh = [(0, 0, -1, [0, 3])]
    return head


def packed(*chunks: Chunk, size: int = 0) -> list[bytes]:
    """The segments of chunks whose offsets are their positions."""
    return list(pack_segments(empty_head(), list(map(pack_chunk, chunks)), list(range(len(chunks))), size))


def test_keys_of_a_request_are_together_and_in_order() -> None:
    """A prefix scan reads one request's segments in order, and no other's, however its id goes on."""
    keys = [
        segment_key(b"a", 0),
        segment_key(b"a", 1),
        segment_key(b"a", 300),
        segment_key(b"a!", 0),
        segment_key(b"b", 0),
    ]

    assert sorted(keys) == keys
    assert [key.startswith(segment_prefix(b"a")) for key in keys] == [True, True, True, False, False]


@pytest.mark.parametrize("request_id", ["r-1", "ü" * 256, "a b"])
def test_a_segment_key_can_be_read_back(request_id: str) -> None:
    """Also with ids of 512 bytes."""
    assert split_segment_key(segment_key(request_id.encode(), 7)) == (request_id.encode(), 7)


def test_markers_sort_by_the_hour() -> None:
    """What closed in one hour is one range, so that forgetting it is one range delete (DESIGN §3)."""
    assert (hour_of(HOUR - 1), hour_of(HOUR)) == (0, 1)
    keys = [marker_key(b"z", 1), marker_key(b"a", 2), marker_key(b"b", 2), marker_key(b"a", 256)]

    assert sorted(keys) == keys
    assert [key.startswith(hour_prefix(2)) for key in keys] == [False, True, True, False]


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(chat(0, "é😀\x00", cost=1e-7, labels={"k": "v"}, model="m", attempt=3), id="chat"),
        pytest.param(text(0, "a", finish="stop"), id="text"),
        pytest.param(speech(0, b"\x00\xff" * 9), id="speech"),
        pytest.param(image(0, 2, "YQ=="), id="image"),
        pytest.param(transcript(0, "a"), id="transcription"),
        pytest.param(event(0, "response.output_text.delta", fields={"delta": "a"}), id="responses"),
        pytest.param(error(0), id="error"),
        pytest.param(marker(0, attempt=0), id="marker"),
        pytest.param(
            chunk(0, raw_request={"n": [1, -1.5, None, True, {"a": "b"}], "big": 2**53 - 1}), id="raw request"
        ),
        pytest.param(chunk(0, sent=-9_999, start_timestamp="1969-12-31T23:59:59.999999Z"), id="before the epoch"),
        pytest.param(chunk(0, ODD), id="odd leaf"),
        pytest.param(event(0, "x", fields={"item": json.loads('{"a":' * 90 + "1" + "}" * 90)}), id="deep"),
    ],
)
def test_a_chunk_comes_back_from_its_segment(document: dict[str, Any]) -> None:
    """Every field of every stream type, with its offset."""
    first = decode(encoded(document))

    (value,) = packed(first)

    ((offset, again),) = unpack_chunks(value)
    assert (offset, chunk_fields(again)) == (0, chunk_fields(first))


def test_a_chunk_with_half_a_character_keeps_its_bytes() -> None:
    """A lone surrogate cannot be encoded, so the JSON itself is stored (S-CHAT-9)."""
    half = decode(encoded(chat(0, "x")).replace(b'"x"', b'"\\ud83d"'))

    (value,) = packed(half)
    ((_, again),) = unpack_chunks(value)

    assert chunk_fields(again) == chunk_fields(half)
    assert again.original == half.original is not None


def test_the_head_is_read_without_the_chunks() -> None:
    """A restore of many open requests decodes no content."""
    head = empty_head()

    (value,) = packed(decode(encoded(chat(0, "a"))))

    assert unpack_head(value) == head


def test_a_segment_may_hold_no_chunk() -> None:
    """Counters are kept also when only repeats came (DESIGN §3)."""
    (value,) = packed()

    assert list(unpack_chunks(value)) == []
    assert unpack_head(value) == empty_head()


def test_large_segments_are_split() -> None:
    """Rows stay near 512 KiB, chunks in order, and only the first row carries the fresh indexes."""
    chunks = [decode(encoded(chat(index, "x" * 200_000))) for index in range(6)]

    values = packed(*chunks, size=6 * 200_000)

    assert len(values) == 3
    assert all(len(value) < MAX_SEGMENT + 1_000 for value in values)
    stored = [entry for value in values for entry in unpack_chunks(value)]
    assert [(offset, chunk_fields(again)) for offset, again in stored] == list(enumerate(map(chunk_fields, chunks)))
    assert [bool(unpack_scalars(value).fresh) for value in values] == [True, False, False]


def test_a_chunk_larger_than_a_segment_has_one_of_its_own() -> None:
    """No chunk is cut."""
    large, small = (decode(encoded(chat(index, "x" * size))) for index, size in enumerate((MAX_SEGMENT + 9, 9)))

    values = packed(large, small, size=MAX_SEGMENT + 18)

    assert [len(list(unpack_chunks(value))) for value in values] == [1, 1]


def test_an_overestimated_size_splits_nothing() -> None:
    """Only what is really large is split; an upper bound makes it measured, not cut."""
    chunks = [decode(encoded(chat(index, "a"))) for index in range(3)]

    assert len(packed(*chunks, size=MAX_SEGMENT + 1)) == 1
    assert len(packed(size=MAX_SEGMENT + 1)) == 1


def test_masks_of_any_width_can_be_stored() -> None:
    """256 choices do not fit the integers of msgpack."""
    head = empty_head()
    head.seen_mask = f"{1 << 255:x}"

    (value,) = pack_segments(head, [], [], 0)

    assert int(unpack_scalars(value).seen_mask, 16) == 1 << 255


def test_markers_come_back() -> None:
    """As one row of the marker changelog, and each as a row of the store."""
    made = Marker(
        stream_type=RESPONSES,
        closed_by="final",
        complete=True,
        closed_at=5,
        revision=2,
        span=(-1, 1 << 60),
        seen=[(0, 1, -1, [0, 5, 7, 8])],
        segments=3,
        digest="d",
        token_usage={"total_tokens": 7, "prompt_tokens_details": {"text_tokens": 1}},
        cost=0.1,
        reused=True,
    )
    rows = [(marker_key(b"r-1", 0), pack(made)), (marker_key(b"r-2", 0), pack(made))]

    assert unpack_markers(pack_markers(rows)) == rows
    assert unpack_marker(rows[0][1]) == made


def test_a_checkpoint_comes_back() -> None:
    """Position, clock, sequence and lineage: where the partition is."""
    place = Checkpoint(position=9, clock=1 << 41, sequence=3, lineage=b"\x00\xff", swept_hour=-1, dropped_hour=7)

    assert unpack_checkpoint(pack(place)) == place


def test_whole_and_packed_chunks_make_the_same_segment() -> None:
    """Whether a request had a segment before changes nothing in the next one, nor in what is read back from memory."""
    whole: Held = [decode(encoded(chat(0, "a"))), decode(encoded(chat(1, "\ud800")))]
    small: Held = [pack_chunk(chunk) for chunk in whole if not isinstance(chunk, bytes)]

    assert list(pack_segments(empty_head(), whole, [0, 1], 0)) == list(pack_segments(empty_head(), small, [0, 1], 0))
    assert list(map(chunk_fields, whole_chunks(small))) == list(map(chunk_fields, whole_chunks(whole)))


@pytest.mark.parametrize("count", [0, 1, 15, 16, 300, 65_535, 65_536])
def test_any_number_of_packed_chunks_is_one_list(count: int) -> None:
    """Short, 16 and 32 bit lists of msgpack; the segment that holds them reads alike."""
    first, odd = decode(encoded(chat(0, "a"))), decode(encoded(chat(1, "\ud800")))
    chunks: Held = [*[pack_chunk(first)] * (count - 1), *[pack_chunk(odd)] * (count > 0)]

    found = whole_chunks(chunks)
    (value,) = pack_segments(empty_head(), chunks, list(range(count)), 0)

    assert [each.chunk_index for each in found] == [0] * (count - 1) + [1] * (count > 0)
    assert [chunk_fields(each) for each in found[-2:]] == [chunk_fields(each) for each in (first, odd)][-count:][:count]
    assert [offset for offset, _ in unpack_chunks(value)] == list(range(count))
