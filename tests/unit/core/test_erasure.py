"""Which requests hold content in the changelog's rows, and what is left of them once they are erased."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.erasure import Markers, Standing, Survey
from pipeline.core.policy import Policy
from pipeline.core.rows import Row, Snapshot
from pipeline.core.segment import CHECKPOINT_KEY, Marker, marker_key, pack, unpack_checkpoint, unpack_marker
from pipeline.core.tally import Tally
from pipeline.errors import InvariantBroken, OurFault
from pipeline.testing.chunk import HOUR, Document, chat, chunk
from tests.ledger import Ledger

GRACE = Policy().finish_grace


class Wanted:
    """Requests by id and labels."""

    def __init__(self, *request_ids: str, labels: Mapping[str, str] | None = None) -> None:
        self.request_ids = frozenset(request_ids) or None
        self.labels: Mapping[str, str] = labels or {}

    def wants(self, request_id: str, labels: Mapping[str, str]) -> bool:
        """Whether a request has all of the labels, and is one of those that are named."""
        named = self.request_ids is None or request_id in self.request_ids
        return named and self.labels.items() <= labels.items()


class Logged(Ledger):
    """A ledger that keeps its changelogs."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Row] = []
        self.marker_log: list[list[tuple[bytes, bytes]]] = []

    def checkpoint(self) -> Logged:
        """Take a snapshot, log it, and put it into the store."""
        snapshot = self.partition.snapshot()
        if snapshot is not None:
            self.rows.write(snapshot)
            self.partition.settled()
            self.log += snapshot.rows
            self.marker_log.append(snapshot.markers)
        return self

    def survey(self, wanted: Wanted) -> Survey:
        """What the changelog says."""
        survey = Survey(wanted)
        for key, value in self.log:
            survey.take(key, value)
        return survey

    def erase(self, *request_ids: str) -> Logged:
        """As an owner for a moment does it, with a restart of the partition."""
        survey, markers = self.survey(Wanted(*request_ids)), Markers(request_ids)
        for row in self.marker_log:
            markers.take(row)
        rows = survey.rows(request_ids, survey.next_place(0))
        self.rows.write(Snapshot(rows, markers.rows(request_ids), [], [], [], 0, Tally()))
        self.log += rows
        self.restart()
        return self


def part(index: int, name: str, **envelope: Any) -> Document:
    """A chunk of a request whose content is its name."""
    return chat(index, f"{name}-{index}", request_id=name, **envelope)


def segments(ledger: Ledger, name: str) -> int:
    """Rows of a request in the store."""
    return len(list(ledger.rows.scan(b"s" + name.encode() + b"\0")))


def three() -> Logged:
    """`kept` closed by its finish, `open` goes on, `done` was closed for good."""
    ledger = Logged().send(part(0, "kept"), part(0, "open"), part(0, "done"))
    ledger.checkpoint().send(part(1, "kept", finish="stop"), part(1, "done", finish="stop", is_final=True)).until(GRACE)
    return ledger.checkpoint()


def test_only_a_closed_request_that_may_be_revised_is_kept() -> None:
    """One that is open needs its chunks, one that is closed for good has nothing here any more."""
    survey = three().survey(Wanted("kept", "open", "done", "unknown"))

    assert survey.standings() == {"kept": Standing.KEPT, "open": Standing.OPEN}


def test_a_request_that_waits_for_its_record_is_closing() -> None:
    """It is closed in the rows, and its record comes with a later checkpoint."""
    ledger = Logged().send(part(0, "r-1", finish="stop"))
    ledger.partition.close_now()
    ledger.checkpoint()

    assert ledger.survey(Wanted("r-1")).standings() == {"r-1": Standing.CLOSING}


def test_a_request_that_gathers_for_a_revision_is_open_and_then_kept_again() -> None:
    """Late chunks need what came before them until their record is made."""
    ledger = three().send(part(2, "kept"), at=10_000).checkpoint()
    assert ledger.survey(Wanted("kept")).standings() == {"kept": Standing.OPEN}

    ledger.until(10_000 + GRACE).checkpoint()

    assert ledger.survey(Wanted("kept")).standings() == {"kept": Standing.KEPT}
    assert segments(ledger.erase("kept"), "kept") == 0


def test_plain_chunks_leave_a_request_open() -> None:
    """Their segments have no scalars of their own."""
    ledger = Logged()
    for index in range(4):
        ledger.send(part(index, "r-1"), at=index).checkpoint()

    assert ledger.survey(Wanted("r-1")).standings() == {"r-1": Standing.OPEN}


def test_after_the_erasure_a_late_chunk_is_refused() -> None:
    """Never a record without its past; repeats are still known, and others may be revised as before."""
    ledger = three().erase("kept")

    ledger.send(part(2, "kept"), part(1, "kept", finish="stop"), at=10_000).until(10_000 + GRACE)

    assert segments(ledger, "kept") == 0
    assert [(letter.reason, letter.key) for letter in ledger.dead] == [("late", b"kept")]
    assert ledger.partition.counts["late_repeats"] == 1
    assert [(record["request_id"], record["revision"]) for record in ledger.records] == [("done", 0), ("kept", 0)]
    assert ledger.survey(Wanted("kept")).standings() == {}


def test_the_checkpoint_row_says_the_same_place_under_the_next_sequence() -> None:
    """So that its markers have a row of their own, and nothing is read twice or skipped."""
    ledger = three()
    before = unpack_checkpoint(ledger.rows.get(CHECKPOINT_KEY) or b"")

    after = unpack_checkpoint(ledger.erase("kept").rows.get(CHECKPOINT_KEY) or b"")

    assert after == msgspec.structs.replace(before, sequence=before.sequence + 1)


def test_rows_of_another_version_are_not_touched() -> None:
    """Nor rows without a checkpoint row, which no engine writes."""
    ledger = three()
    survey = ledger.survey(Wanted("kept"))
    survey.take(CHECKPOINT_KEY, pack(msgspec.structs.replace(survey.next_place(0), format=99)))
    with pytest.raises(OurFault, match="format 99"):
        survey.next_place(0)

    bare = Survey(Wanted("kept"))
    for key, value in ledger.log:
        if key != CHECKPOINT_KEY:
            bare.take(key, value)
    with pytest.raises(InvariantBroken, match="no checkpoint row"):
        bare.next_place(0)


def test_labels_are_those_that_the_record_has() -> None:
    """Per key the value of the lowest attempt and index counts, in whatever order they came."""
    ledger = Logged()
    sent = [
        part(2, "r-1", labels={"team": "late", "user": "u"}),
        part(0, "r-1", labels={"team": "a"}, attempt=1),
        part(1, "r-1", labels={"team": "b"}),
        part(0, "r-2"),
        chunk(9, request_id="r-1", labels={"team": "marker", "end": "e"}, is_final=False, cost=1.0),
    ]
    for each in sent:
        ledger.send(each).checkpoint()

    def found(**labels: str) -> set[str]:
        return set(ledger.survey(Wanted(labels=labels)).standings())

    assert found(team="b") == found(user="u") == found(team="b", user="u", end="e") == {"r-1"}
    assert found(team="a") == found(team="late") == found(team="marker") == found(team="b", user="x") == set()
    assert ledger.end().records[0]["labels"] == {"end": "e", "team": "b", "user": "u"}


def test_a_second_request_under_an_id_does_not_inherit() -> None:
    """Its segments begin anew, with labels and standing of their own."""
    ledger = three().send(part(0, "kept", labels={"team": "new"}, sent=HOUR * 24 * 8), at=HOUR * 25).checkpoint()
    survey = ledger.survey(Wanted(labels={"team": "new"}))
    assert survey.standings() == {"kept": Standing.OPEN}

    survey.take(b"skept\0\0\0\0\7", None)
    survey.take(b"snever\0\0\0\0\0", None)
    survey.take(b"f", b"a fence")

    assert survey.standings() == {"kept": Standing.OPEN}


def test_the_newest_marker_of_a_request_is_taken() -> None:
    """By the hour of its close, and of one hour the last; those of others are left alone."""

    def made(closed_at: int, revision: int) -> bytes:
        return pack(Marker("chat.completion", "finish", True, closed_at, revision, (0, 0), [], 2, "d"))

    markers = Markers(["r-1", "r-2"])
    markers.take([(marker_key(b"r-1", 7), made(7 * HOUR, 0)), (marker_key(b"r-3", 9), made(9 * HOUR, 0))])
    markers.take([(marker_key(b"r-1", 7), made(7 * HOUR, 1)), (marker_key(b"r-1", 3), made(3 * HOUR, 0))])

    ((key, value),) = markers.rows(["r-1", "r-2"])

    assert key == marker_key(b"r-1", 7)
    assert (unpack_marker(value).revision, unpack_marker(value).segments) == (1, 0)
    assert (markers.of(["r-1"]), markers.of(["r-1", "r-3"])) == (True, False)


_steps = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 5), st.booleans(), st.integers(0, 3_000), st.booleans()),
    max_size=25,
)


def _play(steps: Iterable[tuple[str, int, bool, int, bool]]) -> Logged:
    ledger, now = Logged(), 0
    for name, index, finish, wait, checkpoint in steps:
        now += wait
        ledger.send(part(index, name, finish="stop" if finish else None), at=now).until(now)
        if checkpoint:
            ledger.checkpoint()
    return ledger.until(now).checkpoint()


@settings(max_examples=60, deadline=None)
@given(steps=_steps, erased=st.sampled_from(["a", "b", "c"]))
def test_whatever_happened_the_rest_goes_on_as_if_nothing_was_erased(
    steps: list[tuple[str, int, bool, int, bool]], erased: str
) -> None:
    """The survey agrees with the store, and the other requests' records are the same bytes with and without it."""
    ledger, twin = _play(steps), _play(steps)
    standings = ledger.survey(Wanted()).standings()
    assert {name for name in "abc" if segments(ledger, name)} == standings.keys()
    assert sum(standing is Standing.OPEN for standing in standings.values()) == (
        ledger.partition.open_count + len(ledger.partition._gathering)
    )
    if standings.get(erased) is Standing.KEPT:
        ledger.erase(erased)
        assert segments(ledger, erased) == 0
    for each in (ledger, twin.restart()):
        each.send(*(part(9, name) for name in "abc"), at=80_000_000).end()

    def others(played: Ledger) -> list[bytes | None]:
        return [record.value for record in played.outgoing if record.key != erased.encode()]

    assert others(ledger) == others(twin)
