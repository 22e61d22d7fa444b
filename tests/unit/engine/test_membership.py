"""A worker that the group does not take in says so, and in the end it makes place for a new start."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError

from pipeline.engine import membership as module
from pipeline.engine.membership import OUTSIDE, Place, place_of, silence_of, watch
from pipeline.errors import AccessRefused, BrokerFault

OUT = Place(joined=False, generation=7)


class Answers:
    """Whether we are in, turn by turn; after the last answer the test is over."""

    def __init__(self, text: str) -> None:
        """`+` is in, `-` is out, `*` is out again after having been in since the last turn."""
        self.left, self.generation = list(text), 1

    def place(self) -> Place:
        """The next answer."""
        if not self.left:
            raise EOFError
        answer = self.left.pop(0)
        self.generation += answer == "*"
        return Place(answer == "+", self.generation)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Turns that last no time; what is said."""
    said: list[str] = []

    async def turn(_: float) -> None:
        return None

    monkeypatch.setattr(asyncio, "sleep", turn)
    monkeypatch.setattr(
        module,
        "log",
        SimpleNamespace(info=lambda text, **_: said.append(text), warning=lambda text, **_: said.append(text)),
    )
    return said


def test_who_is_kept_out_for_too_long_ends() -> None:
    """One turn more than the patience, without an interruption."""
    with pytest.raises(BrokerFault, match="did not take this worker in for 20 s"):
        asyncio.run(watch(Answers("-" * 15 + "+" + "-" * 21), 20))


def test_who_was_in_between_two_looks_is_not_kept_out() -> None:
    """A group that is joined by many, one after another, is never quiet for long."""
    with pytest.raises(EOFError):
        asyncio.run(watch(Answers(("-" * 15 + "*") * 5), 20))


def test_a_rebalance_is_not_worth_a_word(quick: list[str]) -> None:
    """Being out for a while is how a group works."""
    with pytest.raises(EOFError):
        asyncio.run(watch(Answers("+" + "-" * 9 + "+" + "-" * 9 + "+"), 20))

    assert quick == []


def test_a_longer_wait_is_said_once_and_its_end_too(quick: list[str]) -> None:
    """One line each."""
    with pytest.raises(EOFError):
        asyncio.run(watch(Answers("-" * 18 + "+++"), 20))

    assert quick == ["not in the group, trying", "in the group again"]


@pytest.mark.parametrize(
    ("coordinator", "subscription", "expected"),
    [(1, "s", Place(joined=True, generation=7)), (None, "s", OUT), (1, None, OUTSIDE), (1, "rejoin", OUT)],
    ids=["in", "no coordinator", "no subscription", "has to join again"],
)
def test_in_the_group_is_who_has_nothing_to_do_for_it(coordinator: Any, subscription: Any, expected: Place) -> None:
    """A consumer without a partition is in as well; none is whose coordination has broken down."""
    broken = False
    consumer = SimpleNamespace(
        _coordinator=SimpleNamespace(
            coordinator_id=coordinator,
            _pending_exception=None,
            _coordination_task=SimpleNamespace(done=lambda: broken),
            generation=7,
            need_rejoin=lambda given: given == "rejoin",
        ),
        _subscription=SimpleNamespace(subscription=subscription),
    )

    assert place_of(consumer) == expected
    broken = True
    assert not place_of(consumer).joined


def test_kafka_is_silent_since_the_last_answer_of_any_broker() -> None:
    """And not at all before there is a connection: then the group says that we are outside."""
    connections = {node: SimpleNamespace(_last_action=float(node)) for node in (3, 7)}
    consumer = SimpleNamespace(_client=SimpleNamespace(_conns=connections))
    assert silence_of(consumer, 10.0) == 3.0
    connections.clear()
    assert silence_of(consumer, 10.0) == 0.0


def test_who_may_not_join_hears_so_at_once() -> None:
    """Waiting does not help, and aiokafka tells it only to who asks for records."""

    class Refused:
        """Never taken in."""

        def place(self) -> Place:
            """With the reason."""
            return Place(joined=False, generation=-1, refused=GroupAuthorizationFailedError("ledger"))

    with pytest.raises(AccessRefused, match="READ on group ledger"):
        asyncio.run(watch(Refused(), 90))
