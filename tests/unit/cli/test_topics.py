"""`streamledger topics --rights`: what to grant, without a Kafka."""

from __future__ import annotations

import json

from pipeline.errors import BAD_USAGE, OK
from tests.unit.cli.conftest import Invoke


def test_rights_are_a_table(invoke: Invoke) -> None:
    """For people."""
    done = invoke("topics", "--rights", "sink")

    assert done.exit_code == OK
    assert done.output.splitlines() == ["sink: sink and export", "READ              topic             llm.accumulated"]


def test_rights_are_json(invoke: Invoke) -> None:
    """For programs."""
    told = json.loads(invoke("topics", "--rights", "gateway", "--json").output)

    assert told["role"] == "gateway"
    assert told["rights"] == [{"operation": "WRITE", "kind": "topic", "name": "llm.chunks", "prefixed": False}]


def test_rights_are_commands(invoke: Invoke) -> None:
    """For a shell, once it is said for whom."""
    done = invoke("topics", "--rights", "gateway", "--principal", "User:app")

    assert done.output.startswith("kafka-acls.sh ")
    assert done.output.rstrip().endswith("--allow-principal User:app --topic llm.chunks --operation Write")


def test_a_principal_is_a_user_and_has_a_role(invoke: Invoke) -> None:
    """Anything else would be granted to nobody."""
    assert invoke("topics", "--rights", "gateway", "--principal", "app").exit_code == BAD_USAGE
    assert invoke("topics", "--principal", "User:app").exit_code == BAD_USAGE
