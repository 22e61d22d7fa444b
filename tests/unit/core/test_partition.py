"""The working set driven by a clock: what closes when, what is refused, and that no request harms another.

The table of causes is tested in test_closing; late chunks, quarantine and checkpoints in files of their own.
"""

import json
from dataclasses import replace

import pytest

from pipeline.core.policy import Policy
from pipeline.core.rows import SourceRecord, Withheld
from pipeline.testing.chunk import HOUR, USAGE, Document, chat, encoded, error, image, marker, speech, usage
from tests.ledger import START, Ledger

POLICY = Policy()
GRACE, ATTEMPT, SESSION, AGE = POLICY.finish_grace, POLICY.attempt_grace, POLICY.session_window, POLICY.max_request_age
OTHER: Document = chat(0, "tick", request_id="clock")

Steps = list[tuple[int, Document]]

TIMELINES: list[tuple[str, Steps, list[tuple[str, int]]]] = [
    ("final closes with its chunk", [(0, chat(0, "a")), (70, chat(1, "b", is_final=True))], [("final", 70)]),
    ("the chunk that fills the gap closes", [
        (0, chat(0, "a")), (10, chat(2, "c", is_final=True)), (900, chat(1, "b"))], [("final", 900)]),
    ("an open gap waits for the grace", [(0, chat(0, "a")), (10, chat(2, is_final=True))], [("final", 10 + GRACE)]),
    ("index 0 ends the wait for the base", [(0, chat(1, is_final=True)), (9, chat(0, "a"))], [("final", 9)]),
    ("a stream counted from 1 waits for the grace", [(0, chat(1, "a", is_final=True))], [("final", GRACE)]),
    ("a new chunk begins the grace anew", [
        (0, chat(0, "a")), (10, chat(5, is_final=True)), (1_500, chat(1, "b"))], [("final", 1_500 + GRACE)]),
    ("usage comes within the grace", [(0, chat(0, finish="stop")), (1_999, usage(1))], [("finish", 1_999 + GRACE)]),
    ("finish on every chunk closes after the last", [
        (at, chat(i, "a", finish="stop")) for i, at in enumerate((0, 1_500, 3_000))], [("finish", 3_000 + GRACE)]),
    ("a final error above all closes at once", [(0, chat(0, "a")), (5, error(1, is_final=True))], [("error", 5)]),
    ("a final error of index 0 waits for the grace", [
        (0, chat(0, "a")), (5, error(0, is_final=True))], [("error", 5 + GRACE)]),
    ("an error waits for a fallback", [(0, chat(0, "a")), (5, error(1))], [("error", 5 + ATTEMPT)]),
    ("a fallback ends the wait", [
        (0, error(0)), (30_000, chat(0, "a", attempt=1)), (31_000, chat(1, attempt=1, is_final=True))],
        [("final", 31_000)]),
    ("a hanging fallback expires", [(0, error(0)), (30_000, chat(0, "a", attempt=1))], [("expiry", 30_000 + SESSION)]),
    ("a bare final marker ends the wait", [(0, chat(0, "a")), (5, error(0)), (9, marker(1))], [("final", 9)]),
    ("silence expires", [(0, chat(0, "a")), (200_000, chat(1, "b"))], [("expiry", 200_000 + SESSION)]),
    ("a repeat does not extend silence", [(0, chat(0, "a")), (200_000, chat(0, "a"))], [("expiry", SESSION)]),
    ("unknown n of images waits", [(3, image(0, 0, "YQ==", done=True, is_final=True))], [("final", 3 + GRACE)]),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "closings"), [pytest.param(*row, id=name) for name, *row in TIMELINES])
def test_when_a_request_closes(steps: Steps, closings: list[tuple[str, int]]) -> None:
    """By append times alone (CONTRACT §4); the wait ends at its deadline, not later."""
    ledger = Ledger()
    for at, document in steps:
        ledger.send(document, at=at)
    (_, deadline) = closings[0]

    assert ledger.until(deadline - 1).closings == [each for each in closings if each[1] <= steps[-1][0]]
    assert ledger.until(deadline).closings == closings


@pytest.mark.parametrize(("steps", "closings"), [pytest.param(*row, id=name) for name, *row in TIMELINES])
def test_the_clock_may_be_a_later_chunk_of_another_request(steps: Steps, closings: list[tuple[str, int]]) -> None:
    """Stream time passes with any record of the partition, and closes as of the deadline."""
    ledger = Ledger()
    for at, document in steps:
        ledger.send(document, at=at)
    ledger.send(OTHER, at=HOUR)

    assert ledger.until(HOUR).closings == closings


def test_a_chunk_at_the_deadline_is_late() -> None:
    """A chunk is admitted if its append time is before the deadline; a due request is closed before it is looked at."""
    before, after = (Ledger().send(chat(0, "a", finish="stop")).send(usage(1), at=GRACE + by) for by in (-1, 0))

    assert (before.closings, after.closings) == ([], [("finish", GRACE)])
    assert after.record["token_usage"] is None
    assert after.until(HOUR).records[1]["token_usage"] == USAGE


def test_the_clock_never_steps_back() -> None:
    """The running maximum of append times (CONTRACT §4): an earlier one counts as now."""
    ledger = Ledger().send(chat(0, "a", finish="stop"), at=0).send(OTHER, at=GRACE).send(chat(1, "b"), at=5)

    assert ledger.closings == [("finish", GRACE)]


def test_max_request_age_closes_a_stream_that_never_ends() -> None:
    """Rule 5, though a chunk comes every minute."""
    ledger = Ledger(replace(POLICY, max_request_age=600_000))
    for index in range(10):
        ledger.send(chat(index, "a"), at=60_000 * index)

    assert ledger.until(599_999).closings == []
    assert ledger.until(600_000).closings == [("limit", 600_000)]
    assert ledger.record["status"] == "incomplete"


def test_expiry_closes_in_slices() -> None:
    """At most `limit` a sweep, earliest deadline first, the rest with the next."""
    ledger = Ledger().send(*(chat(0, "a", request_id=f"r-{name}") for name in range(5)))
    work = ledger.partition

    assert work.expire(START + SESSION, limit=2) == ["r-0", "r-1"]
    assert work.next_deadline == START + SESSION
    assert work.expire(START + SESSION) == ["r-2", "r-3", "r-4"]
    assert [work.next_deadline, work.open_count] == [None, 0]


def test_a_deadline_that_moved_is_looked_at_again() -> None:
    """Each open request stands in the heap with an earlier deadline at most; nothing is scanned."""
    ledger = Ledger().send(chat(0, "a")).send(chat(1, "b"), at=1_000)

    assert ledger.partition.expire(START + SESSION) == []
    assert ledger.partition.next_deadline == START + 1_000 + SESSION
    assert ledger.send(chat(2, finish="stop"), at=2_000).partition.next_deadline == START + 2_000 + GRACE
    assert ledger.until(2_000 + GRACE).closings == [("finish", 2_000 + GRACE)]
    assert ledger.until(HOUR).closings == [("finish", 2_000 + GRACE)]


def test_closing_now_names_what_was_waited_for() -> None:
    """At the end of offline input graces fire with their own cause, the rest expires (CONTRACT §4)."""
    ledger = Ledger().send(
        chat(0, "a", request_id="silent"),
        chat(0, finish="stop", request_id="finished"),
        chat(3, is_final=True, request_id="gap"),
        error(0, request_id="failed"),
    )

    causes = {request_id: cause for request_id, cause, _ in ledger.end().closed}

    assert causes == {"silent": "expiry", "finished": "finish", "gap": "final", "failed": "error"}


def test_one_request_can_be_closed_now() -> None:
    """The others stay open; an unknown one is nothing."""
    work = Ledger().send(chat(0, "a"), OTHER).partition

    assert work.close_now("nobody") == []
    assert work.close_now("r-1") == ["r-1"]
    assert work.open_count == 1


def test_what_is_open_or_gathers_can_be_looked_at() -> None:
    """A request that waits for its end, and one whose late chunks gather; not one that is closed."""
    ledger = Ledger().send(chat(0, "a", finish="stop"), chat(0, "a", is_final=True, request_id="done")).until(GRACE)
    work = ledger.send(usage(1), OTHER, at=GRACE + 1).partition

    assert [(head.request_id, head.revision) for head in work.heads()] == [("clock", 0), ("r-1", 1)]


BAD: list[tuple[str, bytes | None, bytes | None, str]] = [
    ("not JSON", b"{", b"r-1", "not_json"),
    ("not UTF-8", b'{"request_id":"\xff"}', b"r-1", "not_json"),
    ("empty", b"", b"r-1", "not_json"),
    ("a tombstone", None, b"r-1", "not_json"),
    ("NaN", encoded(chat(0, cost=1.5)).replace(b"1.5", b"NaN"), b"r-1", "not_json"),
    ("an infinity", encoded(chat(0, cost=1.5)).replace(b"1.5", b"1e999"), b"r-1", "invalid"),
    ("an integer over 2^53-1", encoded(chat(2**53)), b"r-1", "invalid"),
    ("a negative index", encoded(chat(-1)), b"r-1", "invalid"),
    ("a negative attempt", encoded(chat(0, attempt=-1)), b"r-1", "invalid"),
    ("a wrong type", encoded(chat(0, chunk_index="one")), b"r-1", "invalid"),
    ("no object", b"[]", b"r-1", "invalid"),
    ("an unknown stream type", encoded(chat(0, stream_type="chat.telepathy")), b"r-1", "invalid"),
    ("a naive timestamp", encoded(chat(0, timestamp="2026-01-01T00:00:00")), b"r-1", "invalid"),
    ("an empty request id", encoded(chat(0, request_id="")), b"", "invalid"),
    ("a control character in the id", encoded(chat(0, request_id="a\nb")), b"a\nb", "invalid"),
    ("half a character in the id", encoded(chat(0, request_id="\ud83d")), b"r-1", "invalid"),
    ("a higher version", encoded(chat(0, schema_version=2)), b"r-1", "unsupported_version"),
    ("another key", encoded(chat(0)), b"r-2", "key_mismatch"),
    ("no key", encoded(chat(0)), None, "key_mismatch"),
    ("another key of an open request", encoded(chat(0, request_id="new")), b"r-1", "key_mismatch"),
    ("another stream type", encoded(speech(1, b"a")), b"r-1", "stream_type_conflict"),
    ("too large", b" " * (8 << 20) + encoded(chat(1)), b"r-1", "oversize"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "key", "reason"), [pytest.param(*row, id=name) for name, *row in BAD])
def test_bad_input_is_a_dead_letter_and_harms_nobody(value: bytes | None, key: bytes | None, reason: str) -> None:
    """Original key, value and headers, the reason and the place; the open request goes on (G4)."""
    headers = [("h", b"x")]
    ledger = (
        Ledger().send(chat(0, "a")).send(value, at=7, key=key, headers=headers).send(chat(1, "b", is_final=True), at=8)
    )

    (letter,) = ledger.dead
    assert (letter.reason, letter.key, letter.value, letter.headers) == (reason, key, value, headers)
    assert (letter.offset, letter.timestamp) == (1, START + 7)
    assert letter.detail
    assert ledger.record["output_message"]["content"] == "ab"
    assert ledger.partition.open_count == 0


def test_a_value_that_its_reader_withheld_is_a_dead_letter_without_one() -> None:
    """With the reader's reason; it is no tombstone, and harms nobody."""
    ledger = Ledger().send(chat(0, "a")).send(Withheld("oversize", "a record of 99 bytes"), at=7, key=b"r-1")
    ledger.send(chat(1, "b", is_final=True), at=8)

    (letter,) = ledger.dead
    assert (letter.reason, letter.detail) == ("oversize", "a record of 99 bytes")
    assert (letter.key, letter.value, letter.offset, letter.timestamp) == (b"r-1", None, 1, START + 7)
    assert ledger.record["output_message"]["content"] == "ab"


def test_what_is_refused_weighs_with_its_key_and_headers() -> None:
    """A letter waits in memory for its checkpoint, also one without a value (G5)."""
    partition = Ledger().partition
    headers = [("", b"")] * 1_000 + [("name", b"x" * 5_000)]
    partition.apply([SourceRecord(b"k" * 2_000, None, 0, START, headers)], 1)
    once = partition.pending_bytes
    partition.apply([SourceRecord(None, b"{", 1, START)], 2)

    assert once > 2_000 + 5_000 + 100 * 1_000
    assert once < partition.pending_bytes < once + 1_000


def test_a_refused_first_chunk_opens_no_request() -> None:
    """Garbage costs no memory (G5)."""
    assert Ledger().send(encoded(chat(0)), key=b"other").send(b"{").partition.open_count == 0


def test_details_hold_no_content() -> None:
    """Neither ids nor values of the chunk (G7)."""
    ledger = Ledger().send(chat(0, "secret", chunk_index="secret", request_id="secret"), key=b"secret")
    ledger.send(encoded(chat(0, "secret", request_id="secret")), key=b"other")

    assert "secret" not in "".join(letter.detail for letter in ledger.dead)


def test_a_conflict_goes_to_the_dead_letters_and_the_first_stays() -> None:
    """Found when the request closes, with its own coordinates."""
    ledger = Ledger().send(chat(0, "a"), chat(0, "x"), chat(0, "a"), chat(1, "b", is_final=True))

    assert ledger.reasons == [("conflict", 1)]
    assert json.loads(ledger.dead[0].value or b"")["response"]["choices"][0]["delta"] == {"content": "x"}
    assert (ledger.record["output_message"]["content"], ledger.record["conflict_count"]) == ("ab", 1)


def test_requests_share_nothing() -> None:
    """Two interleaved streams give what each gives alone (S-ISO-1)."""
    pairs = [(chat(i, letter), chat(i, letter.upper(), request_id="r-2")) for i, letter in enumerate("abc")]
    ends = [marker(3), marker(3, request_id="r-2")]

    ledger = Ledger().send(*(each for pair in pairs for each in pair), *ends)

    assert [record["output_message"]["content"] for record in ledger.records] == ["abc", "ABC"]


def test_traceparent_is_that_of_the_first_chunk() -> None:
    """Passed through to the record."""
    ledger = Ledger().send(chat(0, "a"), headers=[("x", b"y"), ("traceparent", b"first")])
    ledger.send(chat(1, "b", is_final=True), headers=[("traceparent", b"second")])

    assert dict(ledger.outgoing[0].headers)["traceparent"] == b"first"
