"""By itself alone a letter tells how it would go back, or why it can't."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.ops.dead import Choice, Order, Place
from pipeline.ops.dead.examination import OVER_AGAIN, Ticket, examine
from pipeline.ops.dead.letter import Letter
from pipeline.testing.chunk import chat, encoded
from pipeline.topics.partitioner import partition_of
from schemas.deadletter import HEADER_REDRIVE
from tests.unit.ops.dead.letters import letter, settings

ALL = Order(Choice())
GOOD = encoded(chat(0, "a"))
SECRET = "planted-secret-words"


def examined(found: Letter, order: Order = ALL, **changes: Any) -> Ticket | str:
    """Among eight partitions."""
    return examine(found, order, settings(**changes), 8)


def test_a_letter_whose_cause_is_gone_goes_as_it_is() -> None:
    """Under its key, to the partition it came to, known by place, request and size."""
    found = examined(letter("unsupported_version"))
    assert found == Ticket(
        Place(3, 17), "unsupported_version", "r-1", "chat.completion", 3, Place(3, 40), 1_767_225_500_000,
        len(GOOD), rebuilt=False,
    )  # fmt: skip


def test_a_wrong_partition_becomes_the_right_one() -> None:
    """That which murmur2 gives the key."""
    found = examined(letter("wrong_partition"))
    assert isinstance(found, Ticket)
    assert found.partition == partition_of(b"r-1", 8)


@pytest.mark.parametrize("reason", ["not_json", "invalid", "conflict", "stream_type_conflict"])
def test_what_is_wrong_in_itself_needs_another_value(reason: str) -> None:
    """The same again would be refused again; mended it goes."""
    assert "refused again" in str(examined(letter(reason)))
    assert isinstance(examined(letter(reason), Order(Choice(), value=GOOD)), Ticket)


def test_a_reused_id_never_goes_back() -> None:
    """Not with another value either: the two requests are never merged."""
    assert "never merged" in str(examined(letter("request_id_reused"), Order(Choice(), value=GOOD)))


def test_what_would_be_refused_again_is_told_without_its_content() -> None:
    """The reason and field that the worker would name, not what stands there."""
    wrong = encoded(chat(0, SECRET) | {"timestamp": SECRET})
    for order, found in ((Order(Choice(), value=wrong), letter("invalid")), (ALL, letter("internal", value=wrong))):
        told = str(examined(found, order))
        assert told.startswith("it would be refused again: invalid: timestamp")
        assert SECRET not in told


def test_size_is_that_of_what_is_sent() -> None:
    """Held to the setting of now."""
    large = letter("oversize", value=encoded(chat(0, "x" * 5_000)))
    assert str(examined(large, max_chunk_bytes=4_096)).startswith("oversize")
    assert isinstance(examined(large), Ticket)
    assert str(examined(letter("oversize", value=None))) == "it has no value"


def test_a_wrong_key_is_repaired_only_if_told() -> None:
    """Then it goes under the id in its value, to that id's partition."""
    found = letter("key_mismatch", key=b"other")
    assert "--repair-key" in str(examined(found))
    ticket = examined(found, Order(Choice(), repair_key=True))
    assert isinstance(ticket, Ticket)
    assert (ticket.request_id, ticket.partition) == ("r-1", partition_of(b"r-1", 8))


def test_a_mended_value_stays_with_its_request() -> None:
    """That of the key; with a wrong key that of the letter's own value."""
    other = encoded(chat(0, "a", request_id="r-2"))
    assert "another request" in str(examined(letter("invalid"), Order(Choice(), value=other)))
    wrong = Order(Choice(), value=other, repair_key=True)
    assert "another request" in str(examined(letter("key_mismatch", key=b"k"), wrong))
    assert isinstance(examined(letter("key_mismatch", key=b"k", value=b"{}"), wrong), Ticket)
    assert isinstance(examined(letter("key_mismatch", key=b"r-2"), Order(Choice(), value=other)), Ticket)


def test_a_letter_of_another_topic_is_not_sent_to_this_one() -> None:
    """The hint is the flag that changes it."""
    assert "--chunk-topic" in str(examined(letter("late", topic="other")))


def test_what_came_back_once_is_not_sent_in_bulk_again() -> None:
    """By its place it is; a late one goes on to its correction."""
    back = [(HEADER_REDRIVE, b"llm.chunks.dead:1:2")]
    assert examined(letter("internal", headers=back)) == OVER_AGAIN
    assert isinstance(examined(letter("late", headers=back)), Ticket)
    named = Order(Choice(places=frozenset({Place(3, 17)})))
    assert isinstance(examined(letter("internal", headers=back), named), Ticket)


def test_a_rebuilt_chunk_is_known_as_one() -> None:
    """Its original is looked for, unless another value is given."""
    found = letter("internal", detail="rebuilt")
    for order, rebuilt in ((ALL, True), (Order(Choice(), value=GOOD), False)):
        ticket = examined(found, order)
        assert isinstance(ticket, Ticket)
        assert ticket.rebuilt is rebuilt
