"""Chunks of a closed request: repeats, a reused id, revisions, late dead letters (CONTRACT §4, after closing)."""

from typing import Any

import pytest

from pipeline.core.finish import finish
from pipeline.core.head import MAIN_RUN, Head
from pipeline.core.identity import NO_IMAGE, Slot
from pipeline.core.late import Fate, fate_of, micros, reopen, was_seen
from pipeline.core.policy import Policy
from pipeline.core.restore import segment_head
from pipeline.core.segment import Marker
from pipeline.core.signs import DATA, USAGE
from pipeline.testing.chunk import (
    CHAT,
    HOUR,
    SENT,
    Document,
    chat,
    encoded,
    error,
    marker,
    moment,
    speech,
    text,
    usage,
)
from schemas.chunk import Chunk
from schemas.deadletter import DeadLetterReason
from schemas.decode import decode
from tests.unit.core.test_admission import enter

POLICY = Policy()
SECOND = 1_000_000
CLOSED_AT = 5_000
FIRST = micros(SENT)


def remembered(**changes: Any) -> Marker:
    """A request that was closed after indexes 0 to 2, 5 and usage 3, within one second."""
    made = Marker(
        stream_type=CHAT,
        closed_by="finish",
        complete=False,
        closed_at=CLOSED_AT,
        revision=0,
        span=(FIRST, FIRST + SECOND),
        seen=[(0, DATA, NO_IMAGE, [0, 3, 5, 6]), (0, USAGE, NO_IMAGE, [3, 4])],
        segments=1,
        digest="d",
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def decoded(document: Document) -> Chunk:
    """A chunk as it comes from the topic."""
    return decode(encoded(document))


def fate(document: Document, at: int = CLOSED_AT, policy: Policy = POLICY, **changes: Any) -> Fate:
    """What becomes of a late chunk."""
    return fate_of(decoded(document), remembered(**changes), at, policy)[0]


def test_micros_are_exact() -> None:
    """No float takes part: every µs of a payload time counts."""
    assert micros(decoded(chat(0, sent=0.001)).timestamp) - FIRST == 1
    assert micros(decoded(chat(0, sent=-86_400_000.001)).timestamp) - FIRST == -86_400 * SECOND - 1


def test_refusals_are_reasons_of_dead_letters() -> None:
    """Each fate that refuses is one of the closed list (CONTRACT §3)."""
    assert {DeadLetterReason(fate.value) for fate in (Fate.LATE, Fate.REUSED, Fate.OTHER_TYPE)}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(chat(0, "a"), id="equal"),
        pytest.param(chat(2, "other content"), id="content is not compared"),
        pytest.param(chat(5, "a", sent=1_000), id="at the end of the span"),
        pytest.param(usage(3), id="usage"),
        pytest.param(chat(1, "a", attempt=0), id="attempt written out"),
    ],
)
def test_a_seen_identity_is_a_repeat(document: Document) -> None:
    """Counted and dropped, content not compared, as long as its time fits."""
    assert fate(document) is Fate.REPEAT


@pytest.mark.parametrize("sent", [-0.001, 1_000.001, 3_600_000], ids=["before", "just after", "an hour later"])
def test_a_seen_identity_with_another_time_is_another_request(sent: float) -> None:
    """A second request under this id is never merged into the first."""
    assert fate(chat(0, "a", sent=sent)) is Fate.REUSED


def test_from_then_on_every_chunk_outside_the_span_is_the_other_requests() -> None:
    """New indexes too, and whatever its stream type; inside the span nothing changes."""
    assert fate(chat(9, "new", sent=5_000), reused=True) is Fate.REUSED
    assert fate(speech(9, b"new", sent=5_000), reused=True) is Fate.REUSED
    assert fate(chat(9, "new", sent=500), reused=True) is Fate.REVISE
    assert fate(chat(0, "a", sent=500), reused=True) is Fate.REPEAT


def test_a_new_index_outside_the_span_is_late_as_long_as_no_reuse_was_seen() -> None:
    """Late chunks naturally carry later times."""
    assert fate(chat(9, "new", sent=5_000)) is Fate.REVISE


def test_another_stream_type_is_refused() -> None:
    """A request has one stream type for ever."""
    assert fate(speech(9, b"a", sent=500)) is Fate.OTHER_TYPE


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(chat(3, "a"), False, id="a data index between"),
        pytest.param(usage(0), False, id="usage of a data index"),
        pytest.param(error(0), False, id="error of a data index"),
        pytest.param(marker(0), False, id="marker of a data index"),
        pytest.param(chat(0, "a", attempt=1), False, id="another attempt"),
        pytest.param(chat(0, "a", image_index=0), False, id="another image"),
        pytest.param(chat(5, "a"), True, id="data"),
        pytest.param(usage(3), True, id="usage"),
    ],
)
def test_seen_is_by_identity(document: Document, expected: bool) -> None:
    """Ranges are per attempt, kind and image."""
    assert was_seen(decoded(document), remembered()) is expected


def test_what_may_revise_gathers() -> None:
    """Within the revise window, for a request that kept its segments."""
    assert fate(chat(3, "new"), at=CLOSED_AT + HOUR - 1) is Fate.REVISE
    assert fate(chat(3, "new"), at=CLOSED_AT + HOUR) is Fate.LATE
    assert fate(chat(3, "new"), segments=0) is Fate.LATE


def test_the_refusal_says_why() -> None:
    """dl.detail names the rule, never content (G7)."""
    details = [
        fate_of(decoded(chat(3, "secret")), remembered(segments=0, closed_by="final"), CLOSED_AT, POLICY)[1],
        fate_of(decoded(chat(3, "secret")), remembered(), CLOSED_AT + HOUR, POLICY)[1],
        fate_of(decoded(chat(0, "secret", sent=9_999)), remembered(), CLOSED_AT, POLICY)[1],
        fate_of(decoded(text(9, "secret")), remembered(), CLOSED_AT, POLICY)[1],
    ]

    assert all(details)
    assert "final" in details[0]
    assert CHAT in details[3]
    assert "secret" not in str(details)


def test_a_reopened_request_goes_on_where_it_closed() -> None:
    """Its identities stay seen, its segments go on, and only late chunks are gathered."""
    head = Head("r-1", CHAT, now=7, offset=3)
    for document in (chat(0, "a", labels={"tenant": "t"}), chat(2, "b", finish="stop")):
        enter(head, document, at=7)
    head.closed_by, head.closed_at, head.first_closed_at = "finish", CLOSED_AT, CLOSED_AT
    done = finish(head, [], None, POLICY, ("t", 0))
    done.marker.segments = 4

    again = reopen("r-1", done.marker, segment_head(head, kept=True))

    assert (again.revision, again.segments, again.cause, again.closed_by) == (1, 4, "late", None)
    assert (again.first_ms, again.first_closed_at, again.chunk_count) == (7, CLOSED_AT, 2)
    assert again.seen == {Slot(*MAIN_RUN): [0, 1, 2, 3]}
    assert not again.remember(MAIN_RUN, 2)
    assert again.remember(MAIN_RUN, 1)
    assert (again.held, again.dirty, again.repeats) == ([], False, [])


def test_a_span_is_of_payload_times() -> None:
    """First and last payload time of the request, whatever its start_timestamp."""
    head = Head("r-1", CHAT, now=0, offset=0)
    for document in (chat(0, "a", sent=300, start_timestamp=moment(-900)), chat(1, "b", sent=200, is_final=True)):
        enter(head, document)

    done = finish(head, [], None, POLICY, ("t", 0))

    assert done.marker.span == (FIRST + 200_000, FIRST + 300_000)
