"""How a request closed, in the words of CONTRACT §4: rule, setting, deadline and append times."""

from __future__ import annotations

import pytest

from pipeline.core.policy import Policy
from pipeline.testing.chunk import HOUR, Document, chat, encoded, error, marker, usage
from tests.unit.ops.explain.telling import Placed, placed, told

OTHER = chat(0, "x", request_id="r-2")


def closings(*chunks: Placed, policy: Policy | None = None) -> list[Document]:
    """How the revisions of r-1 closed."""
    found: list[Document] = told(placed(*chunks), policy=policy)["closings"]
    return found


@pytest.mark.parametrize(
    ("chunks", "closed_by", "setting", "wait"),
    [
        ([(0, chat(0, "a")), (0, marker(1))], "final", None, 0),
        ([(0, chat(0, "a")), (0, marker(2)), (3_000, OTHER)], "final", "finish_grace", 2_000),
        ([(0, chat(0, finish="stop")), (3_000, OTHER)], "finish", "finish_grace", 2_000),
        ([(0, chat(0, "a")), (0, error(1, is_final=True))], "error", None, 0),
        (
            [(0, chat(0, "a")), (0, chat(2)), (0, error(3, is_final=True)), (3_000, OTHER)],
            "error",
            "finish_grace",
            2_000,
        ),
        ([(0, chat(0, "a")), (0, error(1)), (61_000, OTHER)], "error", "attempt_grace", 60_000),
        ([(0, chat(0, "a")), (301_000, OTHER)], "expiry", "session_window", 300_000),
    ],
    ids=["final", "final-gap", "finish", "error-final", "error-gap", "error", "expiry"],
)
def test_each_rule_names_its_setting(chunks: list[Placed], closed_by: str, setting: str | None, wait: int) -> None:
    """At once, or so long after the last new chunk."""
    (closing,) = closings(*chunks)

    assert (closing["closed_by"], closing["setting"], closing["wait_ms"]) == (closed_by, setting, wait)
    assert closing["last_new_chunk"]["append_time"] == "2026-01-01T00:00:00.000Z"
    assert closing["deadline"] == f"2026-01-01T00:{wait // 60_000:02d}:{wait // 1_000 % 60:02d}.000Z"


def test_the_record_that_passed_the_deadline_is_named() -> None:
    """It was of another request; the deadline counts from the last new chunk, no repeat."""
    chunks = [(0, chat(0, "a", finish="stop")), (500, usage(1)), (900, usage(1)), (9_000, OTHER)]
    (closing,) = closings(*chunks)

    assert closing["last_new_chunk"] == {"offset": 1, "append_time": "2026-01-01T00:00:00.500Z"}
    assert closing["deadline"] == "2026-01-01T00:00:02.500Z"
    assert closing["seen_at"] == {"offset": 3, "append_time": "2026-01-01T00:00:09.000Z"}


def test_without_a_later_append_time_nobody_passed_the_deadline() -> None:
    """The worker's wall clock did, or the input ended."""
    (closing,) = closings((0, chat(0, "a")))

    assert (closing["seen_at"], closing["deadline"]) == (None, "2026-01-01T00:05:00.000Z")


def test_a_limit_counts_from_the_first_chunk() -> None:
    """Rule 5, whatever still comes."""
    chunks = [(at, chat(at // 1_000, "a")) for at in range(0, 5_000, 1_000)]
    (closing,) = closings(*chunks, (6_000, OTHER), policy=Policy(max_request_age=5_000, session_window=4_000))

    assert (closing["closed_by"], closing["setting"], closing["wait_ms"]) == ("limit", "max_request_age", 5_000)
    assert closing["deadline"] == "2026-01-01T00:00:05.000Z"
    assert closing["first_append_time"] == "2026-01-01T00:00:00.000Z"


def test_a_revision_says_what_it_changes() -> None:
    """Late chunks gather for a grace; delta and supersedes are those of the record."""
    first, second = closings(
        (0, chat(0, "a", finish="stop")), (5_000, usage(1, cost=0.5)), (9_000, OTHER), policy=Policy()
    )

    assert (second["closed_by"], second["setting"], second["deadline"]) == (
        "late",
        "finish_grace",
        "2026-01-01T00:00:07.000Z",
    )
    assert second["supersedes"] == first["record_id"]
    assert second["delta"]["cost"] == 0.5


def test_an_open_request_says_when_it_will_close() -> None:
    """By the rule that applies now, from the partition's time."""
    document = told(placed((0, chat(0, "a", finish="stop")), (1_500, OTHER)), keep_open=True)
    outlook = document["outlook"]

    assert (document["state"], document["closings"]) == ("open", [])
    assert (outlook["closes_by"], outlook["deadline"]) == ("finish", "2026-01-01T00:00:02.000Z")
    assert (outlook["partition_time"], outlook["remaining_ms"]) == ("2026-01-01T00:00:01.500Z", 500)


def test_a_request_that_gathers_late_chunks_says_so_beside_its_record() -> None:
    """The numbers are those of the newest record until the next is made."""
    lines = placed((0, chat(0, "a", finish="stop")), (5_000, usage(1)), (6_000, OTHER))
    document = told(lines, keep_open=True)

    assert document["state"] == "gathering"
    assert (document["summary"]["revision"], document["outlook"]["revision"]) == (0, 1)
    assert document["outlook"]["deadline"] == "2026-01-01T00:00:07.000Z"


def test_without_a_clock_no_time_is_told() -> None:
    """What closes at once closes in place; the rest at the end of the input."""
    (final,) = told(map(encoded, [chat(0, "a"), marker(1)]))["closings"]
    (expired,) = told(map(encoded, [chat(0, "a")]))["closings"]
    opened = told(map(encoded, [chat(0, "a")]), keep_open=True)["outlook"]

    assert [each["deadline"] for each in (final, expired, opened)] == [None, None, None]
    assert (final["setting"], expired["setting"], opened["closes_by"]) == (None, "session_window", "expiry")


def test_the_times_are_exact_far_from_the_epoch() -> None:
    """Milliseconds of append time are integers, never binary fractions."""
    (closing,) = closings((HOUR + 7, chat(0, "a")), (HOUR + 8, marker(1)))

    assert closing["last_new_chunk"]["append_time"] == "2026-01-01T01:00:00.008Z"
