"""Ports of the working set: rows in memory, records by hand, dead letters as they go out."""

from collections.abc import Iterator

import pytest

from pipeline.core.rows import DeadLetter, MemoryRows, Outgoing, Snapshot, SourceRecord, Trusted
from pipeline.core.tally import Tally
from pipeline.errors import OurFault
from schemas.deadletter import DEAD_LETTER_HEADERS


def snapshot(*rows: tuple[bytes, bytes | None], markers: tuple[tuple[bytes, bytes], ...] = ()) -> Snapshot:
    """A snapshot with these rows."""
    return Snapshot(list(rows), list(markers), [], [], [], 0, Tally())


def test_rows_are_read_by_key_and_by_prefix_in_order() -> None:
    """A scan gives the keys of a prefix in byte order, from a key on if told."""
    rows = MemoryRows()
    rows.write(snapshot((b"b2", b"2"), (b"a", b"0"), (b"b1", b"1"), (b"c", b"3")))

    assert (rows.get(b"b1"), rows.get(b"x")) == (b"1", None)
    assert list(rows.scan(b"b")) == [(b"b1", b"1"), (b"b2", b"2")]
    assert list(rows.scan(b"b", b"b2")) == [(b"b2", b"2")]
    assert list(rows.scan(b"")) == [(b"a", b"0"), (b"b1", b"1"), (b"b2", b"2"), (b"c", b"3")]


def test_tombstones_remove_rows_and_markers_are_rows_too() -> None:
    """A snapshot is applied as a store applies it."""
    rows = MemoryRows()
    rows.write(snapshot((b"a", b"0"), (b"b", b"1"), markers=((b"m", b"2"),)))
    rows.write(snapshot((b"a", None), (b"never there", None), (b"b", b"3")))

    assert list(rows.scan(b"")) == [(b"b", b"3"), (b"m", b"2")]


def test_dropped_hours_are_gone() -> None:
    """The markers of an hour are deleted as one range."""
    rows = MemoryRows()
    rows.write(snapshot(markers=((b"m\0\0\0\1r-1", b"1"), (b"m\0\0\0\2r-1", b"2"))))

    rows.write(Snapshot([], [], [1], [], [], 0, Tally()))

    assert list(rows.scan(b"m")) == [(b"m\0\0\0\2r-1", b"2")]


def test_a_dead_letter_goes_out_untouched_with_its_coordinates() -> None:
    """Original key, value and headers first, then dl.* as text (CONTRACT §3)."""
    letter = DeadLetter("late", "why", b"k", b"v", [("traceparent", b"t")], 7, 1_767_225_600_000)

    sent = letter.outgoing("llm.chunks", 3)

    assert sent == Outgoing(
        b"k",
        b"v",
        [
            ("traceparent", b"t"),
            ("dl.reason", b"late"),
            ("dl.detail", b"why"),
            ("dl.topic", b"llm.chunks"),
            ("dl.partition", b"3"),
            ("dl.offset", b"7"),
            ("dl.timestamp", b"1767225600000"),
        ],
    )
    assert [name for name, _ in sent.headers[1:]] == list(DEAD_LETTER_HEADERS)


def test_a_dead_letter_may_have_neither_key_nor_value() -> None:
    """A tombstone without a key is kept as it was."""
    assert DeadLetter("not_json", "", None, None, (), 0, 0).outgoing("t", 0)[:2] == (None, None)


def test_a_record_by_hand_has_no_headers_unless_told() -> None:
    """Offline folds have none."""
    assert SourceRecord(b"k", b"v", 1, 2).headers == ()


class Torn(MemoryRows):
    """A store whose disk fails."""

    def get(self, key: bytes) -> bytes | None:
        """Fail."""
        raise OSError(key)

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Fail after a row."""
        yield prefix, start
        raise OSError(prefix)


def test_a_store_that_cannot_be_read_is_our_fault() -> None:
    """It must not pass for the fault of a chunk, and its text holds no key (G4, G7)."""
    rows = Trusted(Torn())

    with pytest.raises(OurFault, match=r"the store cannot be read \(OSError\)"):
        rows.get(b"secret")
    with pytest.raises(OurFault, match="cannot be read"):
        list(rows.scan(b"secret"))


def test_trusted_rows_are_the_rows_themselves() -> None:
    """What can be read is read as it is."""
    rows = MemoryRows()
    rows.write(snapshot((b"a", b"1"), (b"b", b"2")))

    assert Trusted(rows).get(b"a") == b"1"
    assert list(Trusted(rows).scan(b"", b"b")) == [(b"b", b"2")]
