"""Every reason of the contract has a meaning, a remedy, and a way back or none."""

from __future__ import annotations

import pytest

from pipeline.ops.dead.advice import ADVICE, UNKNOWN, Again, advice
from schemas.deadletter import DeadLetterReason


def test_every_reason_has_its_row() -> None:
    """None is missing, none is made up, no two say the same."""
    assert set(ADVICE) == set(DeadLetterReason)
    assert len({row.meaning for row in ADVICE.values()}) == len(ADVICE)
    assert len({row.remedy for row in ADVICE.values()}) == len(ADVICE)


def test_an_unknown_reason_is_left_alone() -> None:
    """That of a newer version: nothing is guessed."""
    assert advice("from_the_future") is UNKNOWN
    assert UNKNOWN.again is Again.NEVER


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        ("not_json", Again.FIXED),
        ("invalid", Again.FIXED),
        ("conflict", Again.FIXED),
        ("stream_type_conflict", Again.FIXED),
        ("key_mismatch", Again.WITH_KEY),
        ("wrong_partition", Again.AS_IT_IS),
        ("unsupported_version", Again.AS_IT_IS),
        ("oversize", Again.AS_IT_IS),
        ("late", Again.AS_IT_IS),
        ("internal", Again.AS_IT_IS),
        ("request_id_reused", Again.NEVER),
    ],
)
def test_what_can_go_back_is_decided_by_reason(reason: str, again: Again) -> None:
    """A second request is never merged into the first; what is wrong in itself needs another value."""
    assert advice(reason).again is again
