"""What the worker refuses to start with."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engine.config import Config
from pipeline.engine.preflight import Cluster, check
from pipeline.errors import TopicDrift
from tests.unit.engine.fakes import config

COUNTS = {
    "llm.chunks": 8,
    "llm.accumulated": 8,
    "llm.chunks.dead": 3,
    "main-requests-changelog": 8,
    "main-markers-changelog": 8,
}
SETTINGS: dict[str, dict[str, str]] = {
    "llm.chunks": {"message.timestamp.type": "LogAppendTime"},
    "main-requests-changelog": {"cleanup.policy": "compact", "delete.retention.ms": "86400000"},
    "main-markers-changelog": {"cleanup.policy": "delete"},
}


def look(made: Config, *, counts: dict[str, int] = COUNTS, **settings: str) -> Cluster:
    """Check topics that are as they should be but for the changes, given as chunks, requests and markers."""
    return check(made, "cluster", counts, {**SETTINGS, **settings_of(**settings)})


def settings_of(**settings: str) -> dict[str, dict[str, str]]:
    """Settings of topics in which one value is another."""
    changed = {}
    for role, value in settings.items():
        name = "llm.chunks" if role == "chunks" else f"main-{role}-changelog"
        key = "message.timestamp.type" if role == "chunks" else "cleanup.policy"
        changed[name] = {**SETTINGS[name], key: value}
    return changed


def test_what_is_found_is_what_the_engine_works_with(tmp_path: Path) -> None:
    """Half of the changelog's delete.retention is the age up to which a store is trusted."""
    assert Cluster("cluster", 8, 3, 43_200.0) == look(config(tmp_path))


def test_a_missing_topic_is_named_with_what_to_do(tmp_path: Path) -> None:
    """The hint is the command that creates it."""
    with pytest.raises(TopicDrift, match=r"no topic llm\.accumulated .*`streamledger topics`"):
        look(config(tmp_path), counts={name: count for name, count in COUNTS.items() if name != "llm.accumulated"})


@pytest.mark.parametrize("name", [name for name in COUNTS if name != "llm.chunks.dead"])
def test_unequal_partition_counts_are_refused(tmp_path: Path, name: str) -> None:
    """State, chunks and records of a request must share a partition number; dead letters need not."""
    with pytest.raises(TopicDrift, match=f"{name} has 9"):
        look(config(tmp_path), counts={**COUNTS, name: 9})


def test_a_producers_clock_is_refused_unless_asked_for(tmp_path: Path) -> None:
    """CreateTime needs clock=create, and the error says what is lost (CONTRACT §3)."""
    with pytest.raises(TopicDrift, match="clock=create"):
        look(config(tmp_path), chunks="CreateTime")

    assert look(config(tmp_path, append_clock=False), chunks="CreateTime").partitions == 8


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_changelog_that_forgets_is_refused(tmp_path: Path, policy: str) -> None:
    """Open requests and the checkpoint row would be deleted by age."""
    with pytest.raises(TopicDrift, match="main-requests-changelog"):
        look(config(tmp_path), requests=policy)


def test_a_marker_changelog_that_never_forgets_is_refused(tmp_path: Path) -> None:
    """Each of its rows has a key of its own, so compaction would keep all of them."""
    with pytest.raises(TopicDrift, match="main-markers-changelog"):
        look(config(tmp_path), markers="compact")
