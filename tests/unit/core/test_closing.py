"""The closing table of CONTRACT §4, row by row, and that it does not depend on the order of arrival.

A scenario is a set of chunks with the row that applies to them; the clock is tested in test_partition.
"""

import random

import pytest

from pipeline.core.admission import admit
from pipeline.core.closing import AT_ONCE, Rule, has_gap, images_ended, indexes, missing, rule_of, top_index
from pipeline.core.head import Head
from pipeline.core.policy import Policy
from pipeline.testing.chunk import (
    AUDIO,
    CHAT,
    IMAGE,
    RESPONSES,
    TRANSCRIPTION,
    Document,
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
    usage,
)
from schemas.decode import decode

POLICY = Policy()
FINISH_GRACE, ATTEMPT_GRACE, SESSION = POLICY.finish_grace, POLICY.attempt_grace, POLICY.session_window
HUGE = 2**53 - 1
FAILED = {"message": "cut"}

EXPIRY = Rule("expiry", SESSION)
FINISH = Rule("finish", FINISH_GRACE)
FINAL = Rule("final", AT_ONCE)
FINAL_WAITS = Rule("final", FINISH_GRACE)
ERROR = Rule("error", AT_ONCE)
ERROR_WAITS = Rule("error", FINISH_GRACE)
ERROR_MAY_FALL_BACK = Rule("error", ATTEMPT_GRACE)


def head_after(*chunks: Document, policy: Policy = POLICY) -> Head:
    """A head that these chunks were admitted to, in this order, whatever closed it."""
    stream_type = chunks[0]["stream_type"] if chunks else CHAT
    head = Head("r-1", stream_type, now=0, offset=0)
    for offset, document in enumerate(chunks):
        value = encoded(document)
        admit(head, decode(value), 0, offset, len(value), policy)
    return head


SCENARIOS: list[tuple[str, Rule, list[Document]]] = [
    # expiry: nothing was seen of an end
    ("content alone", EXPIRY, [chat(0, "a"), chat(1, "b")]),
    ("no choice seen is not every choice finished", EXPIRY, [chunk(0, {"choices": []})]),
    ("usage alone is no end", EXPIRY, [chat(0, "a"), usage(1)]),
    ("one of two seen choices finished", EXPIRY, [chat(0, "a", finish="stop"), chat(1, "b", choice=1)]),
    ("one of n choices finished", EXPIRY, [chat(0, "a", finish="stop", raw_request={"n": 2})]),
    ("a preview is no end", EXPIRY, [image(0, 0, "YQ==")]),
    ("a marker that is not final is no end", EXPIRY, [chat(0, "a"), marker(1, is_final=False)]),
    ("a choice beyond what is tracked", EXPIRY, [chat(0, "a", choice=9_999, finish="stop")]),
    # finish: every choice or image ended, or the terminal event came
    ("the only choice finished", FINISH, [chat(0, "a", finish="stop")]),
    ("a finish with a gap", FINISH, [chat(0, "a"), chat(5, finish="stop")]),
    ("content after the finish", FINISH, [chat(0, "a", finish="stop"), chat(1, "b")]),
    ("both seen choices finished", FINISH, [chat(0, finish="stop"), chat(1, choice=1, finish="length")]),
    ("n choices finished", FINISH, [chat(0, finish="stop", raw_request={"n": 2}), chat(1, choice=1, finish="stop")]),
    ("n as JSON text", FINISH, [chat(0, finish="stop", raw_request='{"n": 1}')]),
    ("n in a text that is no JSON is unknown", FINISH, [chat(0, finish="stop", raw_request="n: 2")]),
    ("n in a text cut inside a character", FINISH, [chat(0, finish="stop", raw_request='{"n": 2, "x": "\ud83d"}')]),
    ("n in a text nested beyond reading is unknown", FINISH, [chat(0, finish="stop", raw_request="[" * 100_000)]),
    ("n that is no number is unknown", FINISH, [chat(0, finish="stop", raw_request={"n": "2"})]),
    ("n that is a flag is unknown", FINISH, [chat(0, finish="stop", raw_request={"n": True})]),
    ("n of 0 is unknown", FINISH, [chat(0, finish="stop", raw_request={"n": 0})]),
    ("a raw request that is no object tells no n", FINISH, [chat(0, finish="stop", raw_request=[2])]),
    ("n of the lowest chunk that has it", FINISH, [
        chat(0, "a", raw_request={"n": 1}), chat(1, finish="stop", raw_request={"n": 3})]),
    ("text completion", FINISH, [text(0, "a", finish="stop")]),
    ("speech done", FINISH, [speech(0, b"a"), speech(1, type_="speech.audio.done")]),
    ("transcript done", FINISH, [transcript(0, "a"), transcript(1, type_="transcript.text.done", whole="a")]),
    ("response completed", FINISH, [event(0, "response.completed")]),
    ("response incomplete", FINISH, [event(0, "response.incomplete")]),
    ("every seen image completed", FINISH, [image(0, 0, "YQ==", done=True), image(0, 1, "YQ==", done=True)]),
    ("usage of the whole stream opens no image", FINISH, [
        image(0, 1, "YQ==", done=True), chunk(1, {"usage": {"total_tokens": 1}}, stream_type=IMAGE)]),
    # final: is_final was seen
    ("final on the last chunk", FINAL, [chat(0, "a"), chat(1, "b", is_final=True)]),
    ("final alone", FINAL, [chat(0, "a", is_final=True)]),
    ("final before finish", FINAL, [chat(0, "a", finish="stop", is_final=True)]),
    ("a bare marker on the next index", FINAL, [chat(0, "a"), marker(1)]),
    ("a bare marker on the last index", FINAL, [chat(0, "a"), marker(0)]),
    ("a marker alone", FINAL, [marker(0)]),
    ("a base of 0 after final", FINAL, [chat(1, "b", is_final=True), chat(0, "a")]),
    ("final with a gap", FINAL_WAITS, [chat(0, "a"), chat(2, "c", is_final=True)]),
    ("a marker behind a gap", FINAL_WAITS, [chat(0, "a"), marker(2)]),
    ("the base is open when 0 is absent", FINAL_WAITS, [chat(1, "a"), chat(2, "b", is_final=True)]),
    ("a first index of 2 is a gap", FINAL_WAITS, [chat(2, "a", is_final=True)]),
    ("a huge index is a gap", FINAL_WAITS, [chat(0, "a"), chat(HUGE, is_final=True)]),
    ("an image stream with n unknown", FINAL_WAITS, [image(0, 0, "YQ==", done=True, is_final=True)]),
    ("one of n images ended", FINAL_WAITS, [
        image(0, 0, "YQ==", done=True, is_final=True, raw_request={"n": 2}), image(0, 1, "YQ==")]),
    ("all n images ended", FINAL, [
        image(0, 0, "YQ==", done=True, raw_request={"n": 2}), image(0, 1, "YQ==", done=True, is_final=True)]),
    ("a gap in one image", FINAL_WAITS, [
        image(0, 0, "YQ==", done=True, raw_request={"n": 2}), image(2, 1, "YQ==", done=True, is_final=True)]),
    ("a marker without image behind named images", FINAL, [
        image(0, 0, "YQ==", done=True, raw_request={"n": 1}), marker(7, stream_type=IMAGE)]),
    ("a marker without image behind an unnamed image", FINAL, [
        image(0, None, "YQ==", done=True, raw_request={"n": 1}), marker(1, stream_type=IMAGE)]),
    ("final on a lower attempt speaks of all", FINAL, [chat(0, "a", is_final=True), chat(0, "b", attempt=1)]),
    ("a gap of a lower attempt does not wait", FINAL, [chat(5, "a"), chat(0, "b", attempt=1, is_final=True)]),
    # error: of the highest attempt, until a bare final marker comes
    ("a final error above all", ERROR, [chat(0, "a"), error(1, is_final=True)]),
    ("a final error alone", ERROR, [error(0, is_final=True)]),
    ("a final error before finish", ERROR, [chat(0, finish="stop"), error(1, is_final=True)]),
    ("a final error of index 0", ERROR_WAITS, [chat(0, "a"), chat(1, "b"), error(0, is_final=True)]),
    ("a final error behind a gap", ERROR_WAITS, [chat(0, "a"), error(2, is_final=True)]),
    ("a final error alone with index 1", ERROR_WAITS, [error(1, is_final=True)]),
    ("a final error below later data", ERROR_WAITS, [chat(0, "a"), error(1, is_final=True), chat(2, "b")]),
    ("two errors above all leave no gap", ERROR, [chat(0, "a"), error(1), error(2, is_final=True)]),
    ("an error", ERROR_MAY_FALL_BACK, [chat(0, "a"), error(1)]),
    ("an error alone", ERROR_MAY_FALL_BACK, [error(0)]),
    ("an error after finish", ERROR_MAY_FALL_BACK, [chat(0, finish="stop"), error(1)]),
    ("content after an error", ERROR_MAY_FALL_BACK, [error(0), chat(1, "a")]),
    ("an error inside a chat payload", ERROR_MAY_FALL_BACK, [chunk(0, {"choices": [], "error": FAILED})]),
    ("an error inside a speech payload", ERROR_MAY_FALL_BACK, [chunk(0, {"error": FAILED}, stream_type=AUDIO)]),
    ("error event of a transcription", ERROR_MAY_FALL_BACK, [chunk(0, {"type": "error"}, stream_type=TRANSCRIPTION)]),
    ("an error event of a Responses stream", ERROR_MAY_FALL_BACK, [event(0, "error")]),
    ("a failed response", ERROR_MAY_FALL_BACK, [event(0, "response.failed")]),
    ("an error object in another event", ERROR_MAY_FALL_BACK, [chunk(0, {"error": FAILED}, stream_type=RESPONSES)]),
    ("an error and a bare final marker", FINAL, [chat(0, "a"), error(1), marker(1)]),
    ("an error between data and marker fills no gap", FINAL_WAITS, [chat(0, "a"), error(1), marker(2)]),
    ("an error of index 0 and a bare final marker", FINAL, [chat(0, "a"), error(0), marker(1)]),
    ("a marker not final ends no error", ERROR_MAY_FALL_BACK, [chat(0, "a"), error(1), marker(2, is_final=False)]),
    ("an error and a bare final marker behind a gap", FINAL_WAITS, [chat(0, "a"), error(1), marker(3)]),
    ("a higher attempt ends the rule", EXPIRY, [chat(0, "a"), error(1), chat(0, "b", attempt=1)]),
    ("a higher attempt finishes", FINISH, [error(0), chat(0, "b", finish="stop", attempt=1)]),
    ("a higher attempt fails too", ERROR_MAY_FALL_BACK, [error(0), error(0, attempt=1)]),
    ("a late error of a lower attempt", EXPIRY, [chat(0, "b", attempt=1), error(1)]),
    ("a finish of a lower attempt", EXPIRY, [chat(0, "a", finish="stop"), chat(0, "b", attempt=1)]),
    # markers without an attempt belong to the highest
    ("a floating marker counts in the highest attempt", FINAL, [chat(0, "a"), chat(0, "b", attempt=1), marker(1)]),
    ("a floating marker behind a gap of the highest attempt", FINAL_WAITS, [
        chat(0, "a"), chat(1, "a"), chat(0, "b", attempt=1), marker(2)]),
    ("a marker of a lower attempt counts there", FINAL, [
        chat(0, "a"), chat(0, "b", attempt=1), marker(5, attempt=0)]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "chunks"), [pytest.param(*row, id=name) for name, *row in SCENARIOS])
def test_the_table_names_the_row(rule: Rule, chunks: list[Document]) -> None:
    """CONTRACT §4, rules 1 to 4: the first row that applies, and how long after the last new chunk."""
    assert rule_of(head_after(*chunks), POLICY) == rule


@pytest.mark.parametrize(("rule", "chunks"), [pytest.param(*row, id=name) for name, *row in SCENARIOS])
def test_the_row_does_not_depend_on_the_order_of_arrival(rule: Rule, chunks: list[Document]) -> None:
    """What was seen decides, not how it came about, so that a replay in any order closes alike."""
    shuffled = [random.Random(seed).sample(chunks, len(chunks)) for seed in range(6)]

    assert {rule_of(head_after(*order), POLICY) for order in shuffled} == {rule}


def test_an_error_that_is_not_final_itself_waits_for_a_fallback() -> None:
    """Also where is_final stands on another chunk: only a bare marker ends the rule (CONTRACT §4, rule 3)."""
    head = head_after(chat(0, "a", is_final=True), error(1))

    assert rule_of(head, POLICY) == ERROR_MAY_FALL_BACK


def test_every_seen_image_is_enough_for_finish() -> None:
    """N of raw_request counts choices there, images only where final was said (CONTRACT §4, rules 1 and 2)."""
    head = head_after(image(0, 0, "YQ==", done=True, raw_request={"n": 2}))

    assert rule_of(head, POLICY) == FINISH


def test_rules_take_their_times_from_the_policy() -> None:
    """Each grace is a setting of its own."""
    policy = Policy(finish_grace=3, attempt_grace=5, session_window=7)

    assert rule_of(head_after(chat(0, finish="stop")), policy).wait == 3
    assert rule_of(head_after(error(0)), policy).wait == 5
    assert rule_of(head_after(chat(0, "a")), policy).wait == 7


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([chat(0), chat(1)], [], id="from 0"),
        pytest.param([chat(1), chat(2)], [], id="from 1"),
        pytest.param([chat(3)], [[0, 2]], id="from 3"),
        pytest.param([chat(0), chat(2), usage(4)], [[1, 1], [3, 3]], id="holes"),
        pytest.param([chat(0), usage(1), chat(2), marker(3)], [], id="usage and markers count"),
        pytest.param([chat(0), chat(HUGE)], [[1, HUGE - 1]], id="a huge index"),
        pytest.param([chat(0), error(3)], [[1, 2]], id="an error above all counts"),
        pytest.param([chat(0), chat(3), error(2)], [[1, 2]], id="an error below others does not"),
        pytest.param([chat(0), error(1), error(2)], [], id="all errors above all count"),
        pytest.param([chat(0), error(0), error(1)], [], id="one of two errors above"),
        pytest.param([image(0, 0), image(2, 0), image(1, 2)], [[0, 1, 1]], id="images each by itself"),
        pytest.param([image(0, 1), image(3, 1), image(1, 0), image(4, 0)], [[0, 2, 3], [1, 1, 2]], id="by image"),
        pytest.param([image(0, None), image(2, None)], [[0, 1, 1]], id="image 0 unnamed"),
        pytest.param([image(0, 0), marker(5, stream_type=IMAGE)], [], id="a marker of the whole stream"),
        pytest.param(
            [image(0, 0), image(0, 1), error(5, stream_type=IMAGE)], [[0, 1, 4]], id="an unnamed error is of image 0"
        ),
        pytest.param([image(0, 1), error(5, stream_type=IMAGE)], [], id="an error of no seen image"),
        pytest.param([error(2, stream_type=IMAGE)], [[0, 0, 1]], id="an error alone"),
    ],
)
def test_missing_indexes_are_the_gaps_of_the_attempt(chunks: list[Document], expected: list[list[int]]) -> None:
    """[first, last], of images [image_index, first, last]; an error counts only above all others (CONTRACT §4)."""
    assert missing(head_after(*chunks), 0) == expected


def test_missing_indexes_are_counted_per_attempt() -> None:
    """Each attempt numbers its chunks from the beginning; floating markers count in the highest."""
    head = head_after(chat(0), chat(2), chat(0, attempt=1), marker(4))

    assert missing(head, 0) == [[1, 1]]
    assert missing(head, 1) == [[1, 3]]
    assert missing(head, 7) == []


def test_the_top_index_leaves_errors_out() -> None:
    """An error closes at once only above all data, usage and markers of its attempt."""
    assert top_index(head_after(chat(0), usage(3), error(9))) == 3
    assert top_index(head_after(error(9))) == -1
    assert top_index(head_after(chat(8), chat(1, attempt=1), marker(2))) == 2


def test_an_open_base_waits_like_a_gap_and_is_none_in_the_record() -> None:
    """Index 0 may still come; at the close the base is 1 (CONTRACT §2, §4)."""
    head = head_after(chat(1), chat(2))

    assert has_gap(head)
    assert missing(head, 0) == []


def test_only_image_streams_wait_for_images() -> None:
    """Other streams have none that could end."""
    assert images_ended(head_after(chat(0)))
    assert not images_ended(head_after(image(0, 0, "YQ==", done=True)))


def test_indexes_are_grouped_by_image_only_in_image_streams() -> None:
    """An image_index on a chat chunk separates identities, not streams."""
    assert indexes(head_after(chat(0), chat(1, image_index=4)), 0) == {-1: [0, 2]}
    assert indexes(head_after(image(0, 0), image(1, 4)), 0) == {0: [0, 1], 4: [1, 2]}
