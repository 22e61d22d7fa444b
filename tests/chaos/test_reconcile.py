"""The reconciliation itself: what it expects of late chunks, and that it is not fooled. No broker is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

import pytest

from pipeline.ops.load.piece import Json
from tests.chaos.generator import Ledger, own_draw
from tests.chaos.reader import DeadLetter, Record, Sent, Waits
from tests.chaos.reconcile import Result, reconcile
from tests.chaos.requests import request
from tests.chaos.streams import Request

GRACE = 5_000
SEED = 3


class Topic:
    """One request as it lies in its topic, and what a worker made of it."""

    def __init__(self) -> None:
        """A request that ends well, with labels on its first two chunks."""
        self.made = next(made for made in self._requests() if made.expected["tools"])
        self.ledger = Ledger(SEED, {self.made.request_id: self.made.expected}, chunks=len(self.made.chunks))
        self.sent = Sent()
        self.dead: list[DeadLetter] = []

    def _requests(self) -> list[Request]:
        return [request(own_draw(SEED, name), name) for name in map(str, range(200))]

    @property
    def key(self) -> bytes:
        """Of all its chunks."""
        return self.made.request_id.encode()

    def append(self, chunk: int, at: int) -> int:
        """A chunk at an append time in ms; its offset."""
        value = self.made.chunks[chunk]
        self.sent.times.setdefault(self.key, []).append((self.sent.count, at))
        self.sent.hashes.add(sha256(value).digest())
        self.sent.count += 1
        return self.sent.count - 1

    def refuse(self, chunk: int, offset: int) -> None:
        """Dead letter `late`."""
        self.dead.append(DeadLetter("late", (0, offset), self.key, self.made.chunks[chunk], {}))

    def result(self, view: Json, *, revisions: int = 1) -> Result:
        """Reconcile with records of which each says `view`."""
        record = Record(0, 0, self.made.request_id, 0, "id-0", None, view, key_agrees=True, source_partition=0)
        records = [
            replace(
                record, revision=number, record_id=f"id-{number}", supersedes=f"id-{number - 1}" if number else None
            )
            for number in range(revisions)
        ]
        return reconcile(self.ledger, self.sent, {self.made.request_id: records}, self.dead, grace=GRACE)


def _late_first(late: int) -> tuple[Topic, Mapping[str, object]]:
    """A topic whose chunk 0 comes twice, `late` ms after the others, and is refused; and the record without it."""
    topic = Topic()
    for number in range(1, len(topic.made.chunks)):
        topic.append(number, at=0)
    for _ in range(2):
        topic.refuse(0, topic.append(0, at=late))
    return topic, topic.ledger.without(topic.made.request_id, {topic.made.chunks[0]})


def test_a_chunk_that_came_after_the_close_is_not_in_the_record() -> None:
    """After a pause longer than the grace the record must be what was sent without the refused chunk."""
    topic, without = _late_first(GRACE)
    result = topic.result(dict(without))
    assert result.clean, result.findings
    assert result.refused_late == 1
    assert without["chunk_count"] == topic.made.expected["chunk_count"] - 1
    assert without["labels"]["team"] == "other"  # type: ignore[index]  # that of the next chunk


def test_a_record_with_a_chunk_that_was_refused_is_different() -> None:
    """A chunk that is both in the dead letters and in the record was counted twice."""
    topic, _ = _late_first(GRACE)
    assert topic.result(topic.made.expected).different == 1


def test_a_chunk_refused_in_time_is_found() -> None:
    """Without a pause there is no reason to refuse a chunk, whatever the record says."""
    topic, without = _late_first(GRACE - 1)
    result = topic.result(dict(without))
    assert result.different == 1
    assert result.dead_unexpected == 2


def test_an_image_without_its_end_leaves_the_stream_unfinished() -> None:
    """Where the finished form of a picture was refused as late, its preview is shown and nothing says `completed`."""
    names = (f"picture-{number}" for number in range(500))
    made = next(made for made in (request(own_draw(SEED, name), name) for name in names) if _pictures(made) > 1)
    ended = next(chunk for chunk in made.chunks if b"image_generation.completed" in chunk and b"is_final" not in chunk)
    without = Ledger(SEED).without(made.request_id, {ended})
    assert made.expected["finish_reason"] == "completed"
    assert without["finish_reason"] is None
    assert without["images"] != made.expected["images"]


def test_a_transcript_is_whole_if_its_end_repeats_it() -> None:
    """The closing event has the text of deltas that were refused as late, too."""
    names = (f"speech-{number}" for number in range(500))
    tried = (request(own_draw(SEED, name), name) for name in names)
    made = next(made for made in tried if made.expected["transcript"] and made.expected["status"] == "success")
    without = Ledger(SEED).without(made.request_id, {made.chunks[0]})
    assert without["transcript"] == made.expected["transcript"]


def _pictures(made: Request) -> int:
    return len(made.expected["images"] or ()) if made.expected["status"] == "success" else 0


@pytest.mark.parametrize(("pause", "different"), [(GRACE, 0), (GRACE - 1, 1)])
def test_a_revision_needs_a_pause(pause: int, different: int) -> None:
    """A second revision is right only where chunks came after their request may have closed."""
    topic = Topic()
    topic.append(0, at=0)
    for number in range(1, len(topic.made.chunks)):
        topic.append(number, at=pause)
    assert topic.result(topic.made.expected, revisions=2).different == different


def test_a_wait_goes_on_through_an_outage_in_one_figure_only() -> None:
    """Time in which no broker answered counts in the figure that says so, and not in the one of transactions."""
    waits = Waits()
    for now in (10.0, 11.0, 16.0, 17.0):
        waits.look({"p": 5}, {"p": 6}, now)
    assert waits.longest == pytest.approx(2.0)
    assert waits.longest_with_outages == pytest.approx(7.0)
