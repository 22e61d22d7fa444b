"""How requests break off (CONTRACT §4, rules 3 to 5): errors, silence, age."""

from __future__ import annotations

from typing import Final

from pipeline.testing.chunk import (
    cancelled,
    chat,
    error,
    event,
    marker,
)
from tests.closing.ends import OK
from tests.closing.scenario import (
    IN_ATTEMPT,
    IN_FINISH,
    IN_SESSION,
    PAST_SESSION,
    Outcome,
    Scenario,
    closed,
)

ERROR: Final = (
    Scenario(
        "error-then-late-content",
        [chat(0, "a"), error(1), IN_ATTEMPT, chat(1, "b"), IN_ATTEMPT, chat(2, "c")],
        Outcome([
            closed("error", "abc", status="error", finish_reason="error", error_details__error__message="cut",
                   chunk_count=4, complete=True, missing_indexes=[]),
        ]),
    ),
    Scenario(
        "an-error-with-an-index-of-its-own-leaves-a-gap",
        [chat(0, "a"), error(1), IN_ATTEMPT, chat(2, "b")],
        Outcome([closed("error", "ab", status="error", complete=False, missing_indexes=[[1, 1]])]),
    ),
    Scenario(
        "final-error-closes-at-once",
        [chat(0, "a"), error(1, is_final=True), IN_FINISH, chat(2, "b")],
        Outcome([
            closed("error", "a", status="error", finish_reason="error", complete=True),
            closed("late", "ab", revision=1, status="error", chunk_count=3),
        ]),
        strict=Outcome([closed("error", "a", status="error", finish_reason="error")], [("late", 2)]),
    ),
    Scenario(
        "final-error-waits-for-a-gap",
        [chat(0, "a"), error(2, is_final=True), IN_FINISH, chat(1, "b")],
        Outcome([closed("error", "ab", status="error", complete=True, chunk_count=3)]),
    ),
    Scenario(
        "final-error-of-index-zero-collides-with-nothing",
        [chat(0, "a"), chat(1, "b"), error(0, is_final=True), IN_FINISH, chat(2, "c")],
        Outcome([closed("error", "abc", status="error", chunk_count=4)]),
    ),
    Scenario(
        "error-then-bare-final",
        [chat(0, "a"), error(1), IN_FINISH, marker(1), IN_FINISH, chat(2, "b")],
        Outcome([closed("final", "a", status="error", finish_reason="error", complete=True)], [("late", 3)]),
    ),
    Scenario(
        "error-then-bare-final-above-it-waits-for-what-is-between",
        [chat(0, "a"), error(1), IN_FINISH, marker(2), IN_FINISH, chat(1, "b"), IN_FINISH, chat(3, "c")],
        Outcome([closed("final", "ab", status="error", complete=True, missing_indexes=[])], [("late", 4)]),
    ),
    Scenario(
        "given-up-by-the-caller",
        [chat(0, "a"), cancelled(1, is_final=True)],
        Outcome([closed("error", "a", status="incomplete", error_details__error__type="request_cancelled")]),
    ),
    Scenario(
        "response-failed",
        [
            event(0, "response.created"),
            event(1, "response.failed", fields={"response": {"error": {"code": "c", "message": "no"}}}),
        ],
        Outcome([closed("error", status="error", error_details__error__message="no")]),
    ),
)  # fmt: skip

SILENCE: Final = (
    Scenario(
        "expiry-when-all-is-silent",
        [chat(0, "a"), chat(1, "b")],
        Outcome([closed("expiry", "ab", status="incomplete", complete=False, finish_reason=None, token_usage=None)]),
        alone=True,
    ),
    Scenario(
        "expiry-by-stream-time",
        [chat(0, "a"), PAST_SESSION, chat(1, "b", finish="stop", is_final=True)],
        Outcome([
            closed("expiry", "a", status="incomplete", complete=False, finish_reason=None),
            closed("late", "ab", revision=1, finish_reason="stop", **OK),
        ]),
        strict=Outcome([closed("expiry", "a", status="incomplete")], [("late", 1)]),
    ),
    Scenario(
        "a-new-chunk-extends-the-window",
        [chat(0, "a"), IN_SESSION, chat(1, "b"), IN_SESSION, chat(2, "c", finish="stop", is_final=True)],
        Outcome([closed("final", "abc", chunk_count=3, **OK)]),
    ),
    Scenario(
        "a-repeat-does-not-extend-the-window",
        [chat(0, "a"), IN_SESSION, chat(0, "a"), IN_SESSION, chat(1, "b")],
        Outcome([
            closed("expiry", "a", status="incomplete", duplicate_count=1, chunk_count=1),
            closed("late", "ab", revision=1, status="incomplete", chunk_count=2),
        ]),
        strict=Outcome([closed("expiry", "a", duplicate_count=1)], [("late", 2)]),
    ),
    Scenario(
        "nothing-is-older-than-the-limit",
        [
            chat(0, "a"), IN_SESSION, chat(1, "b"), IN_SESSION, chat(2, "c"), IN_SESSION, chat(3, "d"),
            IN_SESSION, chat(4, "e"),
        ],
        Outcome([
            closed("limit", "abcd", status="incomplete", complete=False, finish_reason=None, chunk_count=4),
            closed("late", "abcde", revision=1, status="incomplete", chunk_count=5),
        ]),
        strict=Outcome([closed("limit", "abcd", status="incomplete")], [("late", 4)]),
    ),
)  # fmt: skip
