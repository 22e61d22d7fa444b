"""A chunk enters its open request: verdicts, counters, deadlines, limits and capture."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.core.admission import Verdict, admit, close, close_due, set_deadline
from pipeline.core.head import NEVER, Head
from pipeline.core.policy import Policy
from pipeline.core.segment import whole_chunks
from pipeline.testing.chunk import CHAT, Document, chat, chunk, encoded, error, image, marker, usage
from schemas.chunk import Chunk
from schemas.decode import decode

POLICY = Policy()
GRACE, SESSION, AGE = POLICY.finish_grace, POLICY.session_window, POLICY.max_request_age
RAW: dict[str, Any] = {"n": 1, "messages": ["secret"]}


def opened(policy: Policy = POLICY, *chunks: Document, at: int = 0) -> Head:
    """A head with these chunks, all admitted at one append time."""
    head = Head("r-1", chunks[0]["stream_type"] if chunks else CHAT, now=at, offset=0)
    for document in chunks:
        enter(head, document, at=at, policy=policy)
    return head


def enter(head: Head, document: Document, *, at: int = 0, policy: Policy = POLICY) -> Verdict:
    """Admit one more chunk; its offset is that after the last one."""
    value = encoded(document)
    return admit(head, decode(value), at, len(head.offsets), len(value), policy)


def sizes(*chunks: Document) -> int:
    """Bytes of chunks on the topic."""
    return sum(len(encoded(document)) for document in chunks)


def said(stored: Chunk) -> str | None:
    """Content of the only choice of a stored chunk."""
    response: Any = stored.response
    content: str | None = response.choices[0].delta.content
    return content


def test_a_new_chunk_is_kept_and_counted() -> None:
    """Chunk, offset, bytes and count go together."""
    chunks = [chat(0, "a"), chat(1, "b")]
    head = opened(POLICY, *chunks)

    assert (head.chunk_count, head.offsets, head.size) == (2, [0, 1], sizes(*chunks))
    assert [said(stored) for stored in whole_chunks(head.held)] == ["a", "b"]


def test_a_seen_identity_is_a_repeat_and_changes_nothing() -> None:
    """A repeat does not extend the deadline (CONTRACT §4 rule 4); it is compared later."""
    head = opened(POLICY, chat(0, "a"), chat(1, "b"))

    assert enter(head, chat(0, "other"), at=1_000) is Verdict.REPEAT
    assert (head.chunk_count, head.due, head.last_ms, len(head.held)) == (2, SESSION, 0, 2)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(usage(0), id="usage"),
        pytest.param(error(0), id="error"),
        pytest.param(marker(0, is_final=False), id="marker"),
        pytest.param(chat(0, "a", attempt=1), id="attempt"),
        pytest.param(chat(0, "a", image_index=0), id="image"),
    ],
)
def test_the_same_index_of_another_kind_is_no_repeat(other: Document) -> None:
    """Usage, errors, markers, other attempts and images never collide with data (CONTRACT §1)."""
    assert enter(opened(POLICY, chat(0, "a")), other) is Verdict.NEW


def test_attempt_0_written_out_is_the_same_identity() -> None:
    """An absent attempt is attempt 0, but for bare markers."""
    head = opened(POLICY, chat(0, "a"), marker(0, is_final=False))

    assert enter(head, chat(0, "a", attempt=0)) is Verdict.REPEAT
    assert enter(head, marker(0, attempt=0, is_final=False)) is Verdict.NEW


def test_what_closes_at_once_closes_with_its_chunk() -> None:
    """The verdict tells, and the head is frozen as of that append time."""
    head = opened(POLICY, chat(0, "a"))

    assert enter(head, chat(1, "b", is_final=True), at=7) is Verdict.CLOSED
    assert (head.closed_by, head.closed_at, head.first_closed_at, head.due) == ("final", 7, 7, NEVER)


def test_each_new_chunk_moves_the_deadline() -> None:
    """Silence is measured from the last new chunk; the plain path and the table agree."""
    head = opened(POLICY, chat(0, "a"))
    dues = []
    for at, document in [(10, chat(1, "b")), (20, chat(3, "c")), (30, chat(2, "d")), (40, chat(4, finish="stop"))]:
        enter(head, document, at=at)
        dues.append((head.cause, head.due))

    assert dues == [
        ("expiry", 10 + SESSION),
        ("expiry", 20 + SESSION),
        ("expiry", 30 + SESSION),
        ("finish", 40 + GRACE),
    ]


def test_no_deadline_is_beyond_the_age_limit() -> None:
    """max_request_age counts from the first append time (CONTRACT §4 rule 5), on both paths."""
    plain, other = opened(POLICY, chat(0, "a"), chat(1, "b")), opened(POLICY, chat(0, "a"), chat(1, "b"))

    enter(plain, chat(2, "c"), at=AGE - 1)
    enter(other, chat(9, "c"), at=AGE - 1)

    assert plain.due == other.due == AGE


@pytest.mark.parametrize(
    ("at", "document", "cause"),
    [
        pytest.param(AGE - 1, chat(1, "b"), "limit", id="still streaming"),
        pytest.param(AGE - 1, chat(1, finish="stop"), "limit", id="in the grace after a finish"),
        pytest.param(AGE - GRACE, chat(1, finish="stop"), "finish", id="the grace ends with the limit"),
        pytest.param(AGE - SESSION, chat(1, "b"), "expiry", id="the session ends with the limit"),
    ],
)
def test_the_limit_closes_only_what_no_other_rule_would(at: int, document: Document, cause: str) -> None:
    """The first rule that applies names closed_by (CONTRACT §4)."""
    head = opened(POLICY, chat(0, "a"))
    enter(head, document, at=at)

    close_due(head, POLICY)

    assert (head.closed_by, head.closed_at) == (cause, AGE)


def test_a_due_request_closes_as_of_its_deadline() -> None:
    """Not as of the moment in which somebody notices."""
    head = opened(POLICY, chat(0, "a", finish="stop"), at=50)

    close_due(head, POLICY)

    assert (head.closed_by, head.closed_at, head.due) == ("finish", 50 + GRACE, NEVER)


def test_a_gathering_request_closes_late_after_the_grace() -> None:
    """Late chunks gather until finish_grace after the last of them; the first close stays remembered."""
    head = opened(POLICY, chat(0, "a"))
    close(head, "expiry", 40)
    head.closed_by, head.revision = None, 1

    assert enter(head, chat(1, "b", is_final=True), at=100) is Verdict.NEW
    assert (head.cause, head.due) == ("late", 100 + GRACE)
    close_due(head, POLICY)
    assert [head.closed_by, head.closed_at, head.first_closed_at] == ["late", 100 + GRACE, 40]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_n_is_that_of_the_lowest_chunk_that_has_one(order: tuple[int, ...]) -> None:
    """raw_request of the lowest (attempt, chunk_index), whatever came first."""
    chunks = [
        chat(4, "a", raw_request={"n": 5}),
        chat(2, "a", raw_request={"n": 3}),
        chat(0, attempt=1, raw_request={"n": 1}),
    ]

    assert opened(POLICY, *(chunks[place] for place in order)).images_total == 3


def test_anomalies_are_counted_when_they_enter() -> None:
    """Odd leaves found by the decoder belong to the record's evidence."""
    head = opened(POLICY, chat(0, "a"), chunk(1, {"choices": "odd", "model": 5}))

    assert head.anomalies == 2


def test_past_max_bytes_content_is_not_stored() -> None:
    """What crosses the limit loses its content, and so does all that follows, though it is small."""
    chunks = [chat(0, "kept"), chat(1, "x" * 500), chat(2, "y")]
    head = opened(replace(POLICY, max_bytes=sizes(chunks[0]) + 10), *chunks)

    assert [said(stored) for stored in whole_chunks(head.held)] == ["kept", None, None]
    assert head.truncated
    assert head.chunk_count == 3


def test_max_bytes_itself_is_allowed() -> None:
    """The limit is the last size that is whole."""
    chunks = [chat(0, "a"), chat(1, "b")]

    assert not opened(replace(POLICY, max_bytes=sizes(*chunks)), *chunks).truncated
    assert opened(replace(POLICY, max_bytes=sizes(*chunks) - 1), *chunks).truncated


def test_past_max_chunks_content_is_not_stored() -> None:
    """The number of chunks is a limit of its own."""
    head = opened(replace(POLICY, max_chunks=2), *(chat(index, "a") for index in range(3)))

    assert [said(stored) for stored in whole_chunks(head.held)] == ["a", "a", None]
    assert head.truncated


def test_a_limit_never_loses_the_bill() -> None:
    """Usage, cost, finish, labels and time are stored past every limit (CONTRACT §4 rule 5)."""
    last = chat(1, "b", finish="stop", usage={"total_tokens": 7}, cost=0.5, labels={"tenant": "t"}, model="m")
    head = opened(replace(POLICY, max_chunks=1), chat(0, "a"), last)
    stored: Any = whole_chunks(head.held)[-1]

    assert (stored.response.usage, stored.cost, stored.labels, stored.model) == (
        {"total_tokens": 7},
        0.5,
        {"tenant": "t"},
        "m",
    )
    assert (stored.response.choices[0].finish_reason, head.cause) == ("stop", "finish")
    assert stored.timestamp == decode(encoded(last)).timestamp


def test_past_a_limit_no_raw_request_is_stored() -> None:
    """It is content, and may be large; its n was read before, and decides when the request ends."""
    head = opened(replace(POLICY, max_chunks=1), chat(0, "a"), chat(1, "b", raw_request=RAW, finish="stop"))

    assert (whole_chunks(head.held)[-1].raw_request, head.truncated) == (None, True)
    assert (head.images_total, head.cause) == (1, "finish")


def test_usage_past_a_limit_is_no_truncation() -> None:
    """Content is cut, or it is not: a stream of exactly max_chunks contents has all of it."""
    head = opened(replace(POLICY, max_chunks=2), chat(0, "a"), chat(1, finish="stop"), usage(2))

    assert not head.truncated


def test_a_marker_passes_every_limit() -> None:
    """It has no content to lose."""
    head = opened(replace(POLICY, max_chunks=1), chat(0, "a"), marker(1, cost=0.5))

    assert (head.closed_by, whole_chunks(head.held)[-1].cost, head.truncated) == ("final", 0.5, False)


def test_a_digest_needs_the_content_until_the_close() -> None:
    """capture=hash: state holds what the digest is of; a limit cuts it as it cuts any."""
    head = opened(replace(POLICY, capture="hash", max_chunks=1), chat(0, "kept"), chat(1, "cut"))

    assert [said(stored) for stored in whole_chunks(head.held)] == ["kept", None]
    assert head.truncated


def test_without_capture_no_content_is_stored() -> None:
    """Neither content nor the raw request enters the state, and that is no truncation (G7)."""
    policy = replace(POLICY, capture="metadata")

    head = opened(policy, chat(0, "secret", raw_request=RAW), chat(1, "secret", finish="stop"))

    assert "secret" not in str(whole_chunks(head.held))
    assert not head.truncated
    assert (head.images_total, head.cause) == (1, "finish")


@pytest.mark.parametrize("policy", [Policy(capture="metadata"), Policy(max_chunks=0)], ids=["metadata", "limit"])
def test_the_original_of_an_odd_chunk_is_content_too(policy: Policy) -> None:
    """A chunk kept as the JSON it came as would bring all its content back with it."""
    odd = chunk(0, {"choices": [{"index": 0, "delta": {"content": "secret"}, "finish_reason": 5}], "model": "m"})

    head = opened(policy, odd)

    (stored,) = whole_chunks(head.held)
    assert "secret" not in str(stored)
    assert (stored.original, head.anomalies) == (None, 1)


@pytest.mark.parametrize("policy", [Policy(capture="metadata"), Policy(max_chunks=0)], ids=["metadata", "limit"])
def test_what_is_stored_can_be_encoded(policy: Policy) -> None:
    """A lone surrogate in a field that stays must not stop the next checkpoint (G4)."""
    odd = (
        encoded(chat(0, "secret", model="m", labels={"tenant": "t"}))
        .replace(b'"m"', b'"m\\ud83d"')
        .replace(b'"t"', b'"\\ude00"')
    )
    head = Head("r-1", CHAT, now=0, offset=0)

    admit(head, decode(odd), 0, 0, len(odd), policy)

    (stored,) = whole_chunks(head.held)
    assert (stored.model, stored.labels, stored.original) == ("m\ufffd", {"tenant": "\ufffd"}, None)


def test_the_plain_path_and_the_table_give_the_same_head() -> None:
    """Many plain chunks are the common case: it is an optimisation that shows nowhere."""
    straight = opened(POLICY, *(chat(index, "a") for index in range(6)))
    detour = opened(POLICY, chat(5, "a"), *(chat(index, "a") for index in range(5)))
    for head in (straight, detour):
        head.flush_run()

    for name in ("seen", "chunk_count", "cause", "due", "seen_mask", "done", "size"):
        assert getattr(straight, name) == getattr(detour, name)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(chat(2, "a", is_final=True), id="final"),
        pytest.param(chat(2, "a", attempt=1), id="attempt"),
        pytest.param(chat(2, "a", image_index=0), id="image"),
        pytest.param(chat(2, "a", raw_request={"n": 4}), id="raw request"),
        pytest.param(chunk(2, {"choices": [{"delta": {"content": "a"}}], "model": 5}), id="odd leaf"),
        pytest.param(chat(3, "a"), id="gap"),
    ],
)
def test_what_says_more_than_text_is_looked_at(document: Document) -> None:
    """Each of these reaches the head though its content is plain."""
    head = opened(POLICY, chat(0, "a"), chat(1, "a"))
    before = {name: getattr(head, name) for name in ("final", "attempt", "images_total", "anomalies")}

    enter(head, document)

    head.flush_run()
    after = {name: getattr(head, name) for name in before}
    assert after != before or len(head.seen) > 1 or len(next(iter(head.seen.values()))) > 2


def test_a_deadline_can_be_looked_up_again() -> None:
    """After a restore the table gives the deadline that was there before."""
    head = opened(POLICY, chat(0, "a", finish="stop"))
    due, head.due = head.due, 0

    assert set_deadline(head, 0, POLICY) is Verdict.NEW
    assert head.due == due


def test_images_keep_their_state_by_image() -> None:
    """An index of one image is new in another."""
    head = opened(POLICY, image(0, 0, "YQ=="), image(0, 1, "YQ=="))

    assert enter(head, image(0, 1, "YQ==")) is Verdict.REPEAT
    assert enter(head, image(0, 2, "YQ==", done=True)) is Verdict.NEW
    assert (head.seen_mask, head.done) == (0b111, 0b100)


def test_chunks_are_packed_from_the_second_checkpoint_interval_on() -> None:
    """What may still close before its first checkpoint stays whole: packing and unpacking it would be for nothing."""
    young, old = Head("r-1", CHAT, now=0, offset=0), Head("r-2", CHAT, now=0, offset=0)
    old.segments = 1
    for head in (young, old):
        value = encoded(chat(0, "a"))
        admit(head, decode(value), 0, 0, len(value), Policy())

    assert [isinstance(each, bytes) for head in (young, old) for each in head.held] == [False, True]
    assert [said(each) for head in (young, old) for each in whole_chunks(head.held)] == ["a", "a"]
