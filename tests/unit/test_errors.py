"""The error tree: exit codes by blame, coordinates as attributes, one line of text."""

import pytest

from pipeline.errors import (
    BrokerUnavailable,
    Fenced,
    InvariantBroken,
    KafkaUnreachable,
    PortTaken,
    ProducerFault,
    StateLost,
    StreamledgerError,
    TopicDrift,
    UsageError,
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (UsageError, 2),
        (KafkaUnreachable, 3),
        (BrokerUnavailable, 3),
        (PortTaken, 3),
        (TopicDrift, 1),
        (StateLost, 1),
        (InvariantBroken, 1),
        (Fenced, 1),
    ],
)
def test_blame_decides_the_exit_code(kind: type[StreamledgerError], code: int) -> None:
    """1 found a problem, 2 bad usage, 3 no Kafka (CONTRACT §6)."""
    assert kind("text").exit_code == code


def test_text_is_message_coordinates_and_hint() -> None:
    """One line that says what, where, and what to do next."""
    error = StateLost("the changelog is empty", topic="t", partition=0, offset=7, hint="restore the topic")

    assert str(error) == "the changelog is empty [topic t, partition 0, offset 7] (restore the topic)"


def test_text_without_coordinates_is_the_message() -> None:
    """No empty brackets."""
    assert str(UsageError("no such file")) == "no such file"


def test_coordinates_are_attributes_and_only_the_known_ones_are_listed() -> None:
    """Logs take them as keys; partition 0 and offset 0 are known."""
    error = KafkaUnreachable("gone", partition=0, request_id="r")

    assert (error.topic, error.partition, error.offset, error.request_id) == (None, 0, None, "r")
    assert error.coordinates == {"partition": 0, "request_id": "r"}


def test_producers_fault_carries_reason_and_detail_of_its_dead_letter() -> None:
    """dl.reason and dl.detail are attributes, not parsed out of a text (CONTRACT §3)."""
    error = ProducerFault("invalid", "chunk_index: expected int", topic="t", partition=1, offset=2, request_id="r")

    assert (error.reason, error.detail) == ("invalid", "chunk_index: expected int")
    assert error.message == "invalid: chunk_index: expected int"
    assert ProducerFault("not_json").message == "not_json"
