"""Repeats are compared with what came first, all together, wherever the first one lies."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from pipeline.core.admission import admit
from pipeline.core.head import Head
from pipeline.core.identity import NO_IMAGE, Slot
from pipeline.core.policy import Policy
from pipeline.core.repeats import identity_of, settle
from pipeline.core.signs import USAGE
from pipeline.testing.chunk import (
    AUDIO,
    CHAT,
    IMAGE,
    Document,
    chat,
    chunk,
    encoded,
    image,
    marker,
    moment,
    speech,
    usage,
)
from schemas.chunk import Chunk
from schemas.decode import decode
from tests.ledger import Ledger

POLICY = Policy()


class Store:
    """Chunks in segments: counts how often they are read."""

    def __init__(self, *chunks: Document) -> None:
        self.chunks = [decode(encoded(document)) for document in chunks]
        self.reads = 0

    def __call__(self) -> Iterable[Chunk]:
        """Read all of them."""
        self.reads += 1
        return iter(self.chunks)


def head_with(first: list[Document], again: list[Document], policy: Policy = POLICY) -> Head:
    """A head with chunks in memory and repeats waiting; a repeat's record is its position."""
    head = Head("r-1", (first + again)[0]["stream_type"], now=0, offset=0)
    for offset, document in enumerate(first):
        value = encoded(document)
        admit(head, decode(value), 0, offset, len(value), policy)
    head.repeats = [(place, decode(encoded(document)), head.truncated) for place, document in enumerate(again)]
    return head


def test_an_identity_is_slot_and_index() -> None:
    """(attempt, kind, image_index, chunk_index) of CONTRACT §1."""
    assert identity_of(decode(encoded(usage(4, attempt=2)))) == (Slot(2, USAGE, NO_IMAGE), 4)


def test_an_exact_repeat_is_counted_and_dropped() -> None:
    """Whatever its timestamp says (S-DEDUP-1)."""
    head = head_with([chat(0, "a"), chat(1, "b")], [chat(1, "b", sent=9_999), chat(0, "a")])

    assert settle(head, Store(), POLICY) == []
    assert (head.duplicates, head.conflicts, head.repeats) == (2, 0, [])


def test_other_content_is_a_conflict_and_the_first_stays() -> None:
    """The records of the conflicts come back in order of arrival (S-DEDUP-2)."""
    head = head_with([chat(0, "a"), chat(1, "b")], [chat(1, "x"), chat(0, "a"), chat(0, "y"), chat(1, "z")])

    assert settle(head, Store(), POLICY) == [0, 2, 3]
    assert (head.duplicates, head.conflicts) == (1, 3)


def test_segments_are_read_once_and_only_when_needed() -> None:
    """Repeats of chunks in memory read nothing; any number of others reads the segments once."""
    near = head_with([chat(0, "a")], [chat(0, "a")] * 3)
    far = head_with([chat(2, "c")], [chat(0, "a"), chat(1, "x"), chat(2, "c"), chat(1, "b")])
    store = Store(chat(0, "a"), chat(1, "b"))

    assert settle(near, store, POLICY) == []
    assert store.reads == 0
    assert settle(far, store, POLICY) == [1]
    assert store.reads == 1
    assert (far.duplicates, far.conflicts) == (3, 1)


def test_nothing_waiting_is_nothing_to_do() -> None:
    """A head without repeats is left as it is."""
    head = head_with([chat(0, "a")], [])

    assert settle(head, Store(), POLICY) == []
    assert (head.duplicates, head.conflicts) == (0, 0)


@pytest.mark.parametrize("policy", [Policy(capture="metadata"), Policy(capture="hash"), Policy(max_chunks=0)])
@pytest.mark.parametrize(
    "first",
    [
        pytest.param(chat(0, "secret", raw_request={"n": 1}), id="chat"),
        pytest.param(speech(0, b"secret", usage={"total_tokens": 1}), id="speech with usage"),
        pytest.param(image(0, 0, "YQ==", done=True, usage={"total_tokens": 1}), id="image with usage"),
        pytest.param(chunk(0, {"choices": [{"delta": {"content": "secret"}, "finish_reason": 5}]}), id="odd leaf"),
        pytest.param(chunk(0, stream_type=CHAT, cost=0.5), id="marker"),
    ],
)
def test_a_repeat_of_what_was_stored_without_content_is_no_conflict(policy: Policy, first: Document) -> None:
    """What was taken from the first delivery is taken from the repeat before they are compared."""
    head = head_with([first], [first | {"timestamp": moment(7)}], policy)

    assert settle(head, Store(), policy) == []
    assert (head.duplicates, head.conflicts) == (1, 0)


def test_what_stays_without_content_is_still_compared() -> None:
    """Another finish or usage under the same identity is a conflict though no content was kept."""
    policy = Policy(capture="metadata")
    head = head_with([chat(0, "a"), usage(1)], [chat(0, "a", finish="stop"), usage(1, {"total_tokens": 9})], policy)

    assert settle(head, Store(), policy) == [0, 1]


def test_content_stored_before_a_limit_is_still_compared() -> None:
    """Only what lost its content past the limit is compared without it."""
    policy = replace(POLICY, max_chunks=1)
    head = head_with([chat(0, "a"), chat(1, "b")], [chat(0, "x"), chat(1, "y"), chat(0, "a")], policy)

    assert settle(head, Store(), policy) == [0]
    assert (head.duplicates, head.conflicts) == (2, 1)


@pytest.mark.parametrize("checkpoints", [False, True], ids=["at the close", "at checkpoints"])
def test_a_conflict_is_one_whenever_it_is_compared(checkpoints: bool) -> None:
    """A limit that its request passes later changes nothing: a replay has its checkpoints elsewhere (G3)."""
    ledger = Ledger(Policy(max_chunks=1))
    for document in (chat(0), chat(0, "x"), chat(1, "b"), chat(1, "y"), marker(2)):
        ledger.send(document)
        if checkpoints:
            ledger.checkpoint()

    assert (ledger.record["conflict_count"], ledger.record["duplicate_count"]) == (1, 1)


def test_repeats_of_every_stream_type_are_known() -> None:
    """The kind is read by the chunk's own type."""
    for first in (speech(0, b"a", stream_type=AUDIO), image(0, 1, "YQ==", stream_type=IMAGE)):
        head = head_with([first], [first])

        assert settle(head, Store(), POLICY) == []
        assert head.duplicates == 1
