"""What Kafka's errors mean: a right that is missing is named wherever in the chain of causes it is."""

from __future__ import annotations

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from pipeline.errors import AccessRefused, BrokerFault
from pipeline.settings import kept_off, right

WHERE = {"topic": "t", "group": "g", "transactional_id": "x"}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TopicAuthorizationFailedError("other"), "READ on topic other"),
        (TopicAuthorizationFailedError({"b", "a"}), "READ on topic a, b"),
        (TopicAuthorizationFailedError(), "READ on topic t"),
        (GroupAuthorizationFailedError("can't find a coordinator"), "READ on group g"),
        (TransactionalIdAuthorizationFailed(), "WRITE on transactional id x"),
        (ClusterAuthorizationFailedError(), "WRITE on topic t"),
    ],
)
def test_a_missing_right_is_operation_and_resource(error: KafkaError, words: str) -> None:
    """The error's own names go first, where they are names."""
    told = right(error, "READ", **WHERE)

    assert told is not None
    assert f"does not let this user {words}" in str(told)
    assert "--rights" in str(told.hint)


def test_it_is_found_behind_another_error() -> None:
    """As aiokafka's producer wraps it."""
    outer = KafkaError("Unexpected error during batch delivery")
    outer.__cause__ = TopicAuthorizationFailedError("t")

    assert isinstance(kept_off(outer, "WRITE", "the transaction failed"), AccessRefused)


def test_anything_else_is_told_by_its_kind() -> None:
    """Without its text, which may quote what was sent."""
    error = NotLeaderForPartitionError("planted")
    told = kept_off(error, "WRITE", "the transaction failed")

    assert right(error, "WRITE") is None
    assert type(told) is BrokerFault
    assert str(told) == "the transaction failed: NotLeaderForPartitionError"
