"""The closing table offline: each row through `fold` by the live clock; live on a broker: integration/engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import pytest

from pipeline.core.policy import Policy
from pipeline.ops.fold import fold_lines
from pipeline.testing.chunk import Document, encoded
from schemas.deadletter import DeadLetter
from tests.closing.scenario import LIMITS, PROPORTIONS, Scenario, differences
from tests.closing.table import SCENARIOS
from tests.ledger import START, valid

SCALES: Final = {"seconds": 1, "minutes": 60, "hours": 3_600}
"""What a second of the table stands for."""


def folded(scenario: Scenario, scale: int, *, strict: bool) -> tuple[list[Document], list[tuple[str, int]]]:
    """Records and (reason, number of the chunk) of a row whose pauses and graces are `scale` times as long."""
    settings: dict[str, Any] = {name: value * scale for name, value in PROPORTIONS.items()}
    policy = Policy(**settings, **(LIMITS if strict else {}))
    results = list(fold_lines(lines(scenario, scale), policy))
    records = [valid(each) for each in results if isinstance(each, bytes)]
    letters = [json.loads(each.line()) for each in results if isinstance(each, DeadLetter)]
    return records, sorted((letter["reason"], letter["source"]["offset"]) for letter in letters)


def lines(scenario: Scenario, scale: int) -> Sequence[bytes]:
    """Chunk lines with places; a chunk's number is its offset."""
    made, now = [], START
    for offset, (wait, document) in enumerate(scenario.sends(scenario.name)):
        now += wait * scale
        place = {"topic": "llm.chunks", "partition": 0, "offset": offset, "timestamp": now}
        made.append(encoded(document | {"_kafka": place}))
    return made


@pytest.mark.parametrize("strict", [False, True], ids=["revise", "dead_letter"])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_request_closes_as_the_table_says(scenario: Scenario, scale: str, strict: bool) -> None:
    """Graces of seconds, minutes or hours, late chunks as revisions or as dead letters."""
    expected = scenario.expected(strict=strict)

    records, dead = folded(scenario, SCALES[scale], strict=strict)

    assert differences(expected.records, records) == []
    assert sorted(expected.dead) == dead


def test_rows_have_names_of_their_own() -> None:
    """Request ids are made of them."""
    names = [scenario.name for scenario in SCENARIOS]
    assert len(names) == len(set(names))


def test_a_marker_that_expired_leaves_room_for_the_same_record_again() -> None:
    """A repeat after marker_retention carries the same record_id, so that a sink still knows it (G1)."""
    scenario = next(each for each in SCENARIOS if each.name == "a-marker-is-kept-and-expires")

    first, second = folded(scenario, 1, strict=False)[0]

    assert first["record_id"] == second["record_id"]
    assert first["digest"] == second["digest"]
    assert json.dumps(first["source"]) != json.dumps(second["source"])
