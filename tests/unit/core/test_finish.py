"""A closed request becomes record, marker and dead letters; an exception belongs to its request (G4)."""

import json
from typing import Any

import pytest

from pipeline.core import canonical
from pipeline.core import finish as module
from pipeline.core.admission import close
from pipeline.core.finish import Finished, finish
from pipeline.core.head import MAIN_RUN, Head
from pipeline.core.late import micros
from pipeline.core.policy import Policy
from pipeline.core.rows import DeadLetter
from pipeline.core.segment import Marker, pack_chunk
from pipeline.testing.chunk import CHAT, SENT, USAGE, Document, chat, chunk, encoded
from schemas.chunk import Chunk
from schemas.decode import decode
from schemas.identity import record_id
from tests.ledger import START, valid
from tests.unit.core.test_admission import enter

POLICY = Policy()
PLACE = ("llm.chunks", 3)
FIRST = micros(SENT)


def closed(*chunks: Document, cause: str = "finish", at: int = START + 50) -> Head:
    """A head that was closed by a rule."""
    head = Head("r-1", CHAT, now=START, offset=0)
    for document in chunks:
        enter(head, document, at=START)
    close(head, cause, at)
    return head


def finished(
    head: Head,
    previous: Marker | None = None,
    policy: Policy = POLICY,
    stored: list[tuple[int, Chunk]] | None = None,
    place: tuple[str, int] = PLACE,
) -> Finished:
    """What the head leaves; its record is held to the contract."""
    done = finish(head, stored or [], previous, policy, place)
    valid(done.record.value)
    return done


def record_of(done: Finished) -> Document:
    """The record as a document."""
    return valid(done.record.value)


def broken(*_: Any) -> Any:
    """A fold with a bug."""
    raise ZeroDivisionError("secret")


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fold raises."""
    monkeypatch.setattr(module, "fold", broken)


def test_stored_chunks_and_those_in_memory_are_folded_together() -> None:
    """In index order, wherever they lie."""
    head = closed(chat(1, "b"), chat(3, "d", finish="stop"))
    stored = [(7, decode(encoded(chat(2, "c")))), (8, decode(encoded(chat(0, "a"))))]

    assert record_of(finished(head, stored=stored))["output_message"]["content"] == "abcd"


def test_a_record_goes_to_its_request_with_its_headers() -> None:
    """Key and headers of CONTRACT §2; traceparent passes through."""
    head = closed(chat(0, "a", finish="stop"))
    head.traceparent = "00-abc-def-01"

    record = finished(head).record

    assert record.key == b"r-1"
    assert record.headers == [
        ("record_id", record_id("main", "r-1", 0).encode()),
        ("revision", b"0"),
        ("schema_version", b"1"),
        ("stream_type", b"chat.completion"),
        ("status", b"success"),
        ("content-type", b"application/json"),
        ("traceparent", b"00-abc-def-01"),
    ]
    head.traceparent = None
    assert "traceparent" not in dict(finished(head).record.headers)


def test_a_fold_without_a_topic_has_no_source() -> None:
    """All of it null (CONTRACT §2 source)."""
    assert set(record_of(finished(closed(chat(0, "a")), place=("", 0)))["source"].values()) == {None}


def test_the_marker_remembers_what_late_chunks_are_judged_by() -> None:
    """Ranges, span, digest, money and the close of revision 0."""
    done = finished(closed(chat(1, "b", sent=300), chat(0, "a", sent=20, usage=USAGE, cost=0.5, finish="stop")))

    marker = done.marker
    assert (marker.closed_by, marker.complete, marker.closed_at, marker.revision) == ("finish", True, START + 50, 0)
    assert marker.span == (FIRST + 20_000, FIRST + 300_000)
    assert marker.seen == [(*MAIN_RUN, [0, 2])]
    assert (marker.digest, marker.token_usage, marker.cost) == (record_of(done)["digest"], USAGE, 0.5)
    assert (marker.segments, marker.reused) == (0, False)


@pytest.mark.parametrize(
    ("chunks", "cause", "policy", "revisable"),
    [
        pytest.param([chat(0, finish="stop")], "finish", POLICY, True, id="finish"),
        pytest.param([chat(0)], "expiry", POLICY, True, id="expiry"),
        pytest.param([chat(0, finish="stop", is_final=True)], "final", POLICY, False, id="complete final"),
        pytest.param([chat(0), chat(2, is_final=True)], "final", POLICY, True, id="final with a gap"),
        pytest.param([chat(0)], "expiry", Policy(late_policy="dead_letter"), False, id="late policy"),
    ],
)
def test_what_may_be_revised(chunks: list[Document], cause: str, policy: Policy, revisable: bool) -> None:
    """By default all but what closed final and complete (CONTRACT §4)."""
    assert finished(closed(*chunks, cause=cause), policy=policy).revisable is revisable


def test_a_revision_keeps_the_marker_of_the_first_close() -> None:
    """closed_by, complete and closed_at stay those of revision 0; a reused id stays known."""
    first = finished(closed(chat(0, "a"), cause="expiry")).marker
    first.reused = True
    head = closed(chat(0, "a"), chat(1, finish="stop", usage=USAGE), cause="late", at=START + 900)
    head.revision, head.first_closed_at = 1, first.closed_at

    again = finished(head, previous=first)

    assert (again.marker.closed_by, again.marker.complete, again.marker.closed_at) == ("expiry", False, START + 50)
    assert (again.marker.revision, again.marker.reused, again.marker.token_usage) == (1, True, USAGE)
    assert (again.revisable, record_of(again)["complete"]) == (True, True)


@pytest.mark.usefixtures("bug")
def test_a_fold_that_raises_gives_an_error_record() -> None:
    """Identity, times and evidence are there, money and content are not, and no text of the bug (G4, G7)."""
    head = closed(chat(0, "secret", sent=5, usage=USAGE, cost=0.5), chat(2, "b", sent=300))
    head.duplicates, head.conflicts, head.anomalies = 1, 2, 3

    record = record_of(finished(head))

    assert (record["status"], record["closed_by"], record["complete"]) == ("error", "finish", False)
    assert record["error_details"]["error"] == {"type": "internal", "message": "ZeroDivisionError"}
    assert (record["token_usage"], record["cost"], record["output_message"]) == (None, None, None)
    assert (
        record["chunk_count"],
        record["duplicate_count"],
        record["conflict_count"],
        record["payload_anomalies"],
    ) == (2, 1, 2, 3)
    assert record["start_timestamp"] == "2026-01-01T00:00:00.005000Z"
    assert record["end_timestamp"] == "2026-01-01T00:00:00.300000Z"
    assert "secret" not in json.dumps(record)


@pytest.mark.usefixtures("bug")
def test_a_fold_that_raises_gives_its_chunks_back() -> None:
    """Each chunk, rebuilt, with its source offset: stored, in memory, and as it came where it was odd (CONTRACT §3)."""
    odd = encoded(chunk(1, {"choices": [{"finish_reason": 5}]}))
    head = closed(chat(0, "a", labels={"tenant": "t"}))
    head.held.append(decode(odd))
    head.offsets.append(9)
    stored = [(4, decode(encoded(chat(2, "c"))))]

    dead = finished(head, stored=stored).dead_letters

    assert [(letter.reason, letter.detail, letter.offset, letter.key) for letter in dead] == [
        ("internal", "rebuilt", offset, b"r-1") for offset in (4, 0, 9)
    ]
    assert dead[2].value == odd
    assert decode(dead[1].value or b"") == decode(encoded(chat(0, "a", labels={"tenant": "t"})))


@pytest.mark.usefixtures("bug")
def test_a_quarantined_request_is_remembered() -> None:
    """Its repeats are repeats, and it is never revised."""
    done = finished(closed(chat(0, "a"), chat(1, "b")))

    assert done.marker.seen == [(*MAIN_RUN, [0, 2])]
    assert not done.revisable


def test_a_poisoned_request_is_quarantined_without_being_folded() -> None:
    """An exception while a chunk was taken belongs to the whole request."""
    head = closed(chat(0, "a"))
    head.poisoned = True

    done = finished(head)

    assert record_of(done)["status"] == "error"
    assert [letter.detail for letter in done.dead_letters] == ["rebuilt"]


def test_a_request_poisoned_by_its_first_chunk_has_a_record_too() -> None:
    """Its times are those of its source record, and no chunk of it passes for another request's."""
    head = closed()
    head.poisoned = True

    done = finished(head)

    record = record_of(done)
    assert (record["start_timestamp"], record["end_timestamp"]) == ("2026-01-01T00:00:00.000000Z",) * 2
    assert (record["chunk_count"], done.dead_letters) == (0, [])
    assert done.marker.span[0] < FIRST - 10**15
    assert done.marker.span[1] > FIRST + 10**15


def test_a_quarantined_revision_supersedes_the_one_before() -> None:
    """The chain of revisions stays whole."""
    first = finished(closed(chat(0, "a"), cause="expiry")).marker
    head = closed(chat(0, "a"), cause="late")
    head.revision, head.poisoned = 1, True

    record = record_of(finished(head, previous=first))

    assert (record["revision"], record["supersedes"]) == (1, record_id("main", "r-1", 0))


def test_a_record_that_cannot_be_written_is_quarantined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoding belongs to the request too: it must not stop the partition."""
    whole = canonical.seal

    def picky(record: Document, *arguments: Any, **options: Any) -> bytes:
        if record["status"] != "error":
            raise OverflowError
        return whole(record, *arguments, **options)

    monkeypatch.setattr(module, "seal", picky)

    done = finished(closed(chat(0, "a", finish="stop")))

    assert record_of(done)["error_details"]["error"]["message"] == "OverflowError"
    assert [letter.reason for letter in done.dead_letters] == ["internal"]


def test_half_a_character_can_be_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk without content that kept no bytes, and one that did."""
    monkeypatch.setattr(module, "fold", broken)
    value = encoded(chat(0, "x")).replace(b'"x"', b'"\\ud83d"')
    head = Head("r-1", CHAT, now=START, offset=0)
    head.held, head.offsets = [pack_chunk(decode(value))], [0]
    close(head, "finish", START)

    (letter,) = finished(head).dead_letters

    assert isinstance(letter, DeadLetter)
    assert letter.value == value
