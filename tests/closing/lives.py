"""What comes after the close, what belongs together over attempts, and who pays (CONTRACT §1, §2, §4)."""

from __future__ import annotations

from typing import Final

from pipeline.testing.chunk import chat, chunk, error, marker, speech, usage
from tests.closing.ends import OK, SEVEN
from tests.closing.scenario import (
    IN_ATTEMPT,
    IN_FINISH,
    IN_MARKER,
    PAST_ATTEMPT,
    PAST_FINISH,
    PAST_MARKER,
    REVISE_WINDOW,
    Outcome,
    Scenario,
    closed,
)

TEN: Final = {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10}
HOURS_LATER: Final = 10_000_000
"""Payload time in ms, outside the span of any request here."""

LATE: Final = (
    Scenario(
        "usage-after-the-grace-revises",
        [chat(0, "Hi", finish="stop", cost=0.5), PAST_FINISH, usage(1, cost=0.75)],
        Outcome([
            closed("finish", "Hi", cost=0.5, token_usage=None, delta=None, supersedes=None, **OK),
            closed("late", "Hi", revision=1, cost=0.75, token_usage__total_tokens=7, delta__cost=0.25,
                   delta__token_usage=SEVEN, chunk_count=2, **OK),
        ]),
        strict=Outcome([closed("finish", "Hi", cost=0.5, token_usage=None, **OK)], [("late", 1)]),
    ),
    Scenario(
        "two-pauses-two-revisions",
        [chat(0, "a", finish="stop"), PAST_FINISH, usage(1), PAST_FINISH, usage(2, TEN, cost=0.5)],
        Outcome([
            closed("finish", "a", token_usage=None, cost=None),
            closed("late", "a", revision=1, token_usage__total_tokens=7, delta__token_usage=SEVEN, delta__cost=0.0),
            closed("late", "a", revision=2, token_usage__total_tokens=10, cost=0.5, delta__cost=0.5,
                   delta__token_usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}),
        ]),
        strict=Outcome([closed("finish", "a", token_usage=None)], [("late", 1), ("late", 2)]),
    ),
    Scenario(
        "a-correction-may-be-negative",
        [chat(0, "a", finish="stop", usage=TEN, cost=0.75), PAST_FINISH, usage(1, SEVEN, cost=0.5)],
        Outcome([
            closed("finish", "a", token_usage__total_tokens=10, cost=0.75),
            closed("late", "a", revision=1, token_usage__total_tokens=7, cost=0.5, delta__cost=-0.25,
                   delta__token_usage={"prompt_tokens": -1, "completion_tokens": -2, "total_tokens": -3}),
        ]),
        strict=Outcome([closed("finish", "a", token_usage__total_tokens=10, cost=0.75)], [("late", 1)]),
    ),
    Scenario(
        "late-chunks-gather-to-one-revision",
        [
            chat(0, "a", finish="stop"), PAST_FINISH, chat(1, "b"), IN_FINISH, chat(2, "c"), IN_FINISH,
            chat(3, "d"), IN_FINISH, usage(4),
        ],
        Outcome([
            closed("finish", "a", chunk_count=1),
            closed("late", "abcd", revision=1, token_usage__total_tokens=7, chunk_count=5),
        ]),
        strict=Outcome([closed("finish", "a")], [("late", 1), ("late", 2), ("late", 3), ("late", 4)]),
    ),
    Scenario(
        "too-late-for-a-revision",
        [chat(0, "a", finish="stop"), REVISE_WINDOW, PAST_FINISH, usage(1)],
        Outcome([closed("finish", "a", token_usage=None)], [("late", 1)]),
    ),
    Scenario(
        "what-adds-nothing-makes-no-revision",
        [chat(0, "a", finish="stop"), PAST_FINISH, chat(1), PAST_FINISH, chat(0, "a", finish="stop")],
        Outcome([closed("finish", "a", chunk_count=1, duplicate_count=0)]),
    ),
    Scenario(
        "repeats-of-a-closed-request-are-dropped",
        [chat(0, "a"), chat(1, "b", is_final=True), IN_FINISH, chat(0, "a"), PAST_FINISH, chat(1, "b", is_final=True)],
        Outcome([closed("final", "ab", chunk_count=2, duplicate_count=0)]),
    ),
    Scenario(
        "an-id-that-is-used-again",
        [
            chat(0, "a"), chat(1, "b", is_final=True), IN_FINISH, chat(0, "x", sent=HOURS_LATER),
            chat(7, "y", sent=HOURS_LATER), chat(1, "b", is_final=True),
        ],
        Outcome([closed("final", "ab")], [("request_id_reused", 2), ("request_id_reused", 3)]),
    ),
    Scenario(
        "a-marker-is-kept-and-expires",
        [
            chat(0, "a", finish="stop", is_final=True), IN_MARKER, chat(0, "a", finish="stop", is_final=True),
            PAST_MARKER, chat(0, "a", finish="stop", is_final=True),
        ],
        Outcome([closed("final", "a", **OK), closed("final", "a", **OK)]),
    ),
)  # fmt: skip

TOGETHER: Final = (
    Scenario(
        "a-conflict-keeps-the-first",
        [chat(0, "a"), chat(0, "x"), chat(0, "a"), chat(1, "b", finish="stop", is_final=True)],
        Outcome([closed("final", "ab", conflict_count=1, duplicate_count=1, chunk_count=2, **OK)], [("conflict", 1)]),
    ),
    Scenario(
        "another-stream-type-is-refused",
        [chat(0, "a"), speech(1, b"x"), chat(1, "b", finish="stop", is_final=True)],
        Outcome([closed("final", "ab", chunk_count=2, **OK)], [("stream_type_conflict", 1)]),
    ),
    Scenario(
        "who-pays-and-how",
        [
            chat(1, "b", labels={"team": "second", "user": "u"}, provider="p", model="m"),
            chunk(0, {"service_tier": "flex", "choices": [{"index": 0, "delta": {"content": "a"}}]},
                  labels={"team": "first"}, raw_request={"n": 1}),
            chunk(2, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": SEVEN,
                      "extra_fields": {"cache_debug": {"cache_hit": True, "hit_type": "direct"}}}, cost=0.25),
            IN_FINISH,
            marker(3),
        ],
        Outcome([
            closed("final", "ab", labels={"team": "first", "user": "u"}, service_tier="flex", provider="p", model="m",
                   cache_debug__cache_hit=True, cost=0.25, usage_source="provider", raw_request={"n": 1},
                   cost_details__source="gateway", cost_details__total="0.25", **OK),
        ]),
    ),
)  # fmt: skip

ATTEMPTS: Final = (
    Scenario(
        "a-fallback-in-time-is-one-record",
        [
            chat(0, "a", provider="p", model="m"), usage(1, SEVEN, cost=0.25), error(2), IN_ATTEMPT,
            chat(0, "b", attempt=1, provider="q", model="n"), IN_ATTEMPT,
            chat(1, "c", finish="stop", usage=TEN, attempt=1, cost=0.5, is_final=True),
        ],
        Outcome([
            closed("final", "bc", finish_reason="stop", provider="q", model="n", cost=0.75, chunk_count=5,
                   token_usage__prompt_tokens=11, token_usage__completion_tokens=6, token_usage__total_tokens=17,
                   error_details=None, attempts__0__status="error", attempts__0__provider="p", attempts__0__cost=0.25,
                   attempts__0__token_usage__total_tokens=7, attempts__1__status="success", attempts__1__model="n",
                   attempts__1__cost=0.5, attempts__1__token_usage__total_tokens=10, **OK),
        ]),
    ),
    Scenario(
        "a-fallback-that-finishes-waits-its-grace",
        [error(0), IN_ATTEMPT, chat(0, "b", attempt=1, finish="stop"), IN_FINISH, usage(1, attempt=1)],
        Outcome([
            closed("finish", "b", attempts__0__status="error", attempts__1__status="success",
                   token_usage__total_tokens=7, **OK),
        ]),
    ),
    Scenario(
        "a-fallback-after-the-grace-revises",
        [
            usage(0, SEVEN, cost=0.25), error(1), PAST_ATTEMPT,
            chat(0, "b", attempt=1, finish="stop", usage=TEN, cost=0.5),
        ],
        Outcome([
            closed("error", status="error", finish_reason="error", cost=0.25, attempts=None),
            closed("late", "b", revision=1, finish_reason="stop", cost=0.75, token_usage__total_tokens=17,
                   delta__cost=0.5, delta__token_usage=TEN, attempts__0__status="error", **OK),
        ]),
        strict=Outcome([closed("error", status="error", cost=0.25)], [("late", 2)]),
    ),
    Scenario(
        "an-attempt-without-a-price-makes-the-cost-unknown",
        [usage(0, SEVEN), error(1), IN_FINISH, chat(0, "b", attempt=1, finish="stop", usage=TEN, cost=0.5), marker(1)],
        Outcome([
            closed("final", "b", cost=None, token_usage__total_tokens=17, attempts__0__cost=None,
                   attempts__1__cost=0.5, cost_details__total=None, **OK),
        ]),
    ),
    Scenario(
        "an-error-in-both-attempts",
        [error(0, "first"), IN_FINISH, error(0, "second", attempt=1)],
        Outcome([
            closed("error", status="error", finish_reason="error", error_details__error__message="second",
                   attempts__0__status="error", attempts__1__status="error"),
        ]),
    ),
)  # fmt: skip

LIMITED: Final = (
    Scenario(
        "more-chunks-than-are-kept",
        [
            *(chat(index, f"{index}") for index in range(12)),
            chat(12, finish="stop", usage=SEVEN, cost=0.5, is_final=True),
        ],
        Outcome([closed("final", "01234567891011", truncated=False, chunk_count=13, **OK)]),
        strict=Outcome([
            closed("final", "01234567", truncated=True, chunk_count=13, finish_reason="stop", cost=0.5,
                   token_usage__total_tokens=7, **OK),
        ]),
    ),
    Scenario(
        "more-bytes-than-are-kept",
        [*(chat(index, f"{index}" * 500) for index in range(5)), chat(5, finish="stop", is_final=True)],
        Outcome([closed("final", "".join(f"{index}" * 500 for index in range(5)), truncated=False, **OK)]),
        strict=Outcome([
            closed("final", "".join(f"{index}" * 500 for index in range(4)), truncated=True, chunk_count=6,
                   finish_reason="stop", **OK),
        ]),
    ),
    Scenario(
        "repeats-at-a-limit",
        [
            chat(0), chat(0, "x"), *(chat(index, "w") for index in range(1, 10)), chat(9, "w"), chat(3, "w"),
            chat(10, finish="stop", is_final=True),
        ],
        Outcome([closed("final", "w" * 9, conflict_count=1, duplicate_count=2, **OK)], [("conflict", 1)]),
        strict=Outcome(
            [closed("final", "w" * 7, conflict_count=1, duplicate_count=2, truncated=True)], [("conflict", 1)]
        ),
    ),
)  # fmt: skip
