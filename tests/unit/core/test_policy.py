"""The policy: defaults of the contract, and a digest of what shapes a record."""

from dataclasses import fields, replace
from typing import Any

import pytest

from pipeline.core.policy import Policy

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
NOT_SHAPING = {"marker_retention", "tokenizer"}
OTHERS = {"late_policy": "dead_letter", "capture": "hash", "ledger": "staging", "estimate_usage": "characters"}


def test_defaults_are_those_of_the_contract() -> None:
    """Graces and limits as CONTRACT §4 names them."""
    policy = Policy()

    assert (policy.finish_grace, policy.attempt_grace, policy.session_window) == (2 * SECOND, 60 * SECOND, 300 * SECOND)
    assert (policy.max_request_age, policy.revise_window, policy.marker_retention) == (24 * HOUR, HOUR, 24 * HOUR)
    assert (policy.max_bytes, policy.max_chunks) == (64 << 20, 100_000)
    assert (policy.max_chunk_bytes, policy.max_record_bytes) == (8 << 20, 8 << 20)
    assert (policy.ledger, policy.late_policy, policy.capture) == ("main", "revise", "full")


def test_the_digest_is_the_same_in_every_process() -> None:
    """Records of a replay carry the same config_digest: it depends on the values alone."""
    assert Policy().digest == Policy().digest == "d808d04f04470663"


@pytest.mark.parametrize("name", [field.name for field in fields(Policy) if field.name not in NOT_SHAPING])
def test_every_setting_that_shapes_a_record_changes_the_digest(name: str) -> None:
    """Two records with the same config_digest were made by the same rules."""
    value = getattr(Policy(), name)
    other = OTHERS.get(name, value)
    changed: dict[str, Any] = {name: value + 1 if isinstance(value, int) else other}

    assert replace(Policy(), **changed).digest != Policy().digest


def test_how_long_markers_are_kept_shapes_no_record() -> None:
    """marker_retention decides what is remembered, not what is written."""
    assert replace(Policy(), marker_retention=1).digest == Policy().digest


def test_the_tokenizer_shapes_a_record_where_it_is_used() -> None:
    """Another version may count otherwise; where nothing is estimated there is none, and the digest is the old one."""
    counted = replace(Policy(), estimate_usage="tokenizer", tokenizer="t 1")

    assert counted.digest != replace(counted, tokenizer="t 2").digest
    assert replace(Policy(), tokenizer="t 1").digest == Policy().digest
