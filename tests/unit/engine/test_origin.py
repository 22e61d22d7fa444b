"""Where a new ledger begins."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.structs import OffsetAndTimestamp, TopicPartition

from pipeline.engine.origin import EARLIEST, Origin
from pipeline.errors import UsageError

SOURCE = TopicPartition("llm.chunks", 1)
SECOND = 1_767_225_601_000


class Log:
    """Answers offsets_for_times for a log whose last record, 40, came at SECOND."""

    async def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Any]:
        """As a consumer does: None after the last record."""
        return {tp: OffsetAndTimestamp(40, SECOND) if asked <= SECOND else None for tp, asked in times.items()}


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        pytest.param("earliest", 7, id="earliest"),
        pytest.param("latest", 41, id="latest"),
        pytest.param("2026-01-01T00:00:01Z", 40, id="a time"),
        pytest.param("2026-01-01T01:00:01+01:00", 40, id="a time of another zone"),
        pytest.param("2026-01-01T00:00:02Z", 41, id="a time after the last record"),
    ],
)
def test_a_position_becomes_an_offset_of_the_log(text: str, offset: int) -> None:
    """The first record, the next one, or the first appended at or after a time."""
    found = asyncio.run(Origin.of(text).offset(Log(), SOURCE, begin=7, end=41))

    assert found == offset


@pytest.mark.parametrize("text", ["", "first", "12", "2026-01-01T00:00:00"])
def test_anything_else_is_refused_with_the_ways_to_say_it(text: str) -> None:
    """A time needs a zone."""
    with pytest.raises(UsageError) as refused:
        Origin.of(text)

    assert "earliest, latest" in str(refused.value.hint)


def test_the_default_is_the_first_record() -> None:
    """Nothing is skipped unless somebody says so."""
    assert Origin.of("earliest") == EARLIEST
