"""What an outage is, how long it is borne, and what is said of it."""

from __future__ import annotations

import asyncio
import logging
from typing import cast

import pytest

from pipeline.errors import BrokerFault, DatabaseAway, DatabaseHeld, KafkaUnreachable
from pipeline.sinks import patience as module
from pipeline.sinks.patience import Patience

GONE = KafkaUnreachable("gone")
AWAY = DatabaseAway("away")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were taken, in no time, on a clock that they move."""
    taken = list[float]()
    now = [0.0]

    async def sleep(seconds: float) -> None:
        taken.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("pipeline.sinks.patience.asyncio.sleep", sleep)
    monkeypatch.setattr("pipeline.sinks.patience.time.monotonic", lambda: now[0])
    return taken


@pytest.mark.usefixtures("pauses")
def test_what_was_never_there_is_a_wrong_address() -> None:
    """Kafka's answer says nothing of the database, and the other way round."""
    patience = Patience(None)
    patience.back(BrokerFault)
    with pytest.raises(DatabaseAway):
        asyncio.run(patience.wait(AWAY))
    patience = Patience(None)
    patience.back(DatabaseAway)
    with pytest.raises(KafkaUnreachable):
        asyncio.run(patience.wait(GONE))


def test_pauses_grow_to_a_longest(pauses: list[float]) -> None:
    """And begin anew once work went on."""
    patience = Patience(None)
    patience.back(BrokerFault)
    for _ in range(8):
        asyncio.run(patience.wait(GONE))
    assert pauses == sorted(pauses)
    assert pauses[0] == module.FIRST_SECONDS
    assert pauses[-1] == module.LONGEST_SECONDS
    patience.over()
    asyncio.run(patience.wait(GONE))
    assert pauses[-1] == module.FIRST_SECONDS


def test_a_held_file_is_waited_for_from_the_start_at_an_even_pace(pauses: list[float]) -> None:
    """The opening itself waits; a longer pause would miss the gap between two others."""
    patience = Patience(None)
    for _ in range(5):
        asyncio.run(patience.wait(DatabaseHeld("held")))
    assert set(pauses) == {module.FIRST_SECONDS}


@pytest.mark.usefixtures("pauses")
def test_a_limit_ends_it() -> None:
    """With the trouble itself."""
    patience = Patience(60.0)
    patience.back(DatabaseAway)

    def bear() -> None:
        for _ in range(100):
            asyncio.run(patience.wait(AWAY))

    with pytest.raises(DatabaseAway, match="away"):
        bear()


@pytest.mark.usefixtures("pauses")
def test_one_line_for_each_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """Another one for another trouble, and one when it is over."""
    patience = Patience(None)
    patience.back(BrokerFault)
    patience.back(DatabaseAway)
    with caplog.at_level(logging.INFO):
        for trouble in (GONE, GONE, GONE, AWAY, AWAY):
            asyncio.run(patience.wait(trouble))
        patience.over()
        patience.over()
    assert [cast("dict[str, str]", record.msg)["event"] for record in caplog.records] == [
        "waiting",
        "waiting",
        "going on",
    ]
