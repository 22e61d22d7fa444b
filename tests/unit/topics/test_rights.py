"""The table of least rights as data and as commands; that it is right is shown on a secured broker."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from pipeline.cli import topics as command
from pipeline.engine.config import configure
from pipeline.settings import Settings
from pipeline.topics.rights import NEEDED, ROLES, WHO, Right, Role, acl_commands, rights

SETTINGS = Settings(bootstrap_servers="kafka:9092", ledger="staging", chunk_topic="in", record_topic="out")


def test_the_command_offers_every_role() -> None:
    """Without importing the table for a help text."""
    assert command.ROLES == ROLES == get_args(Role) == tuple(NEEDED) == tuple(WHO)


def test_names_are_those_of_the_ledger() -> None:
    """A second environment on the same Kafka needs rights of its own, and has none on the first's."""
    assert rights("gateway", SETTINGS) == [Right("WRITE", "topic", "in")]
    assert Right("WRITE", "topic", "staging-requests-changelog") in rights("worker", SETTINGS)
    assert rights("corrector", SETTINGS)[-1] == Right("WRITE", "transactional-id", "staging-corrections")


def test_a_workers_transactional_ids_begin_with_the_prefix(tmp_path: Path) -> None:
    """And a prefix is granted, for partitions may be many."""
    granted = next(right for right in rights("worker", SETTINGS) if right.kind == "transactional-id")
    config = configure(SETTINGS.model_copy(update={"data_dir": tmp_path}))

    assert granted.prefixed
    assert config.transactional_id(11) == f"{granted.name}11"


def test_commands_are_those_of_kafkas_own_tool() -> None:
    """One line for each resource, quoted for a shell."""
    lines = list(acl_commands("worker", SETTINGS, "User:the worker"))
    start = "kafka-acls.sh --bootstrap-server kafka:9092 --add --allow-principal 'User:the worker'"

    assert lines[0] == f"{start} --topic in --operation Read --operation DescribeConfigs"
    assert lines[-1] == (f"{start} --transactional-id staging-in- --resource-pattern-type prefixed --operation Write")


@pytest.mark.parametrize("role", ROLES)
def test_no_role_has_a_right_twice(role: Role) -> None:
    """Nor one on the cluster, nor on everything."""
    every = rights(role, SETTINGS)

    assert len(set(every)) == len(every)
    assert all(right.name not in ("", "*") for right in every)
