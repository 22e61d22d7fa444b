"""When a local store is used after a restart, and from where the changelogs are read."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.core.segment import FORMAT
from pipeline.engine.database import Meta
from pipeline.engine.trust import Bounds, Start, start_of

NOW = 1_800_000_000.0
HALF_DAY = 43_200.0

GOOD = Meta(FORMAT, b"lineage!", "cluster", 500, 501, 40, NOW - 60)


def decide(meta: Meta | None) -> Start:
    """Of a changelog that has offsets 100..1000 and markers 30..50."""
    return start_of(
        meta, requests=Bounds(100, 1_000), markers=Bounds(30, 50), cluster="cluster", now=NOW, oldest=HALF_DAY
    )


def test_an_empty_store_reads_everything() -> None:
    """A new or emptied data directory starts at the beginning of both changelogs, without a complaint."""
    assert Start(100, 30, None) == decide(None)


def test_a_store_that_is_a_prefix_reads_from_its_last_checkpoint_row() -> None:
    """Inclusive: the lineage of the row that is read again is compared."""
    assert Start(500, 40, None) == decide(GOOD)


def test_markers_deleted_by_age_are_not_missed() -> None:
    """The marker changelog may begin after where the store stands: what lay before counts no more."""
    assert Start(500, 30, None) == decide(msgspec.structs.replace(GOOD, markers=10))


@pytest.mark.parametrize(
    "change",
    [
        {"format": FORMAT + 1},
        {"lineage": b""},
        {"cluster": "other"},
        {"checkpoint": 99, "offset": 100},
        {"checkpoint": 1_000, "offset": 1_001},
        {"checkpoint": 500, "offset": 500},
        {"markers": 51},
        {"saved_at": NOW - HALF_DAY - 1},
        {"saved_at": NOW + 1},
    ],
    ids=["format", "lineage", "cluster", "before", "after", "inconsistent", "markers", "old", "future"],
)
def test_a_store_that_may_differ_from_the_log_is_not_used(change: dict[str, object]) -> None:
    """Any doubt costs a full read, never a wrong record; the reason is said."""
    start = decide(msgspec.structs.replace(GOOD, **change))

    assert start[:2] == (100, 30)
    assert start.distrust
