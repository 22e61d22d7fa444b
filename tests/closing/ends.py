"""How requests end (CONTRACT §4, rules 1 and 2): finish and final, and what they wait for."""

from __future__ import annotations

from typing import Any, Final

from pipeline.testing.chunk import (
    AUDIO,
    IMAGE,
    RESPONSES,
    TRANSCRIPTION,
    chat,
    event,
    image,
    marker,
    speech,
    transcript,
    usage,
)
from tests.closing.scenario import (
    IN_FINISH,
    PAST_FINISH,
    Outcome,
    Scenario,
    closed,
)

OK: Final[dict[str, Any]] = {"status": "success", "complete": True, "missing_indexes": []}
SEVEN: Final = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
LAST: Final = 2**53 - 1
"""The highest index that a chunk may have."""

FINISH: Final = (
    Scenario(
        "finish-without-usage-waits-for-it",
        [chat(0, "Hi", finish="stop"), IN_FINISH, usage(1)],
        Outcome([closed("finish", "Hi", finish_reason="stop", token_usage__total_tokens=7, chunk_count=2, **OK)]),
    ),
    Scenario(
        "finish-without-usage-does-not-wait-forever",
        [chat(0, "Hi", finish="stop")],
        Outcome([closed("finish", "Hi", finish_reason="stop", token_usage=None, usage_source=None, cost=None, **OK)]),
    ),
    Scenario(
        "finish-on-every-chunk-closes-after-the-last",
        [
            chat(0, "a", finish="stop"), IN_FINISH, chat(1, "b", finish="stop"), IN_FINISH,
            chat(2, "c", finish="stop"), IN_FINISH, chat(3, "d", finish="stop"), IN_FINISH, usage(4),
        ],
        Outcome([closed("finish", "abcd", finish_reason="stop", token_usage__total_tokens=7, chunk_count=5, **OK)]),
    ),
    Scenario(
        "two-finishes-one-record",
        [chat(0, "a", finish="length"), IN_FINISH, chat(1, "b", finish="stop"), IN_FINISH, usage(2)],
        Outcome([closed("finish", "ab", finish_reason="stop", token_usage__total_tokens=7, chunk_count=3, **OK)]),
    ),
    Scenario(
        "two-finishes-out-of-order",
        [chat(0, "a"), chat(2, "c", finish="stop"), IN_FINISH, chat(1, "b", finish="length")],
        Outcome([closed("finish", "abc", finish_reason="stop", **OK)]),
    ),
    Scenario(
        "finish-with-a-gap-is-not-complete",
        [chat(0, "a"), chat(3, "d", finish="stop")],
        Outcome([closed("finish", "ad", status="success", complete=False, missing_indexes=[[1, 2]])]),
    ),
    Scenario(
        "speech-done",
        [
            speech(0, b"ab"), speech(1, type_="speech.audio.done", usage=SEVEN), IN_FINISH,
            marker(2, is_final=False, cost=0.5, stream_type=AUDIO),
        ],
        Outcome([closed("finish", audio_output__audio="YWI=", token_usage__total_tokens=7, cost=0.5, **OK)]),
    ),
    Scenario(
        "transcript-done",
        [
            transcript(0, "he"), transcript(1, type_="transcript.text.done", whole="hello"), IN_FINISH,
            marker(2, is_final=False, cost=0.5, stream_type=TRANSCRIPTION),
        ],
        Outcome([closed("finish", transcription_output__text="hello", cost=0.5, **OK)]),
    ),
    Scenario(
        "image-completed",
        [
            image(0, 0, "YQ=="), image(1, 0, "YWI=", done=True), IN_FINISH,
            marker(2, is_final=False, cost=0.5, stream_type=IMAGE),
        ],
        Outcome([closed("finish", image_generation_output__data__0__b64_json="YWI=", cost=0.5, **OK)]),
    ),
    Scenario(
        "response-completed",
        [
            event(0, "response.created"),
            event(1, "response.completed", fields={"response": {"status": "completed"}}),
            IN_FINISH,
            marker(2, cost=0.5, is_final=False, stream_type=RESPONSES),
        ],
        Outcome([closed("finish", cost=0.5, **OK)]),
    ),
)  # fmt: skip

CHOICES: Final = (
    Scenario(
        "n-of-raw-request-needs-n-finishes",
        [
            chat(0, "a", finish="stop", raw_request={"n": 2}), PAST_FINISH,
            chat(1, "b", finish="length", choice=1), IN_FINISH, usage(2),
        ],
        Outcome([
            closed("finish", "a", finish_reason="stop", choices__1__message__content="b",
                   choices__1__finish_reason="length", token_usage__total_tokens=7, **OK),
        ]),
    ),
    Scenario(
        "n-of-raw-request-as-text",
        [
            chat(0, "a", finish="stop", raw_request='{"n": 2, "model": "m"}'), PAST_FINISH,
            chat(1, "b", finish="stop", choice=1),
        ],
        Outcome([closed("finish", "a", choices__1__message__content="b", **OK)]),
    ),
    Scenario(
        "n-that-comes-late-counts",
        [
            chat(1, "a", finish="stop"), chat(0, raw_request={"n": 2}), PAST_FINISH,
            chat(2, "b", finish="stop", choice=1),
        ],
        Outcome([closed("finish", "a", choices__1__message__content="b", chunk_count=3, **OK)]),
    ),
    Scenario(
        "each-choice-seen-needs-its-finish",
        [
            chat(0, "a"), chat(1, "b", choice=1), chat(2, finish="stop"), PAST_FINISH,
            chat(3, finish="length", choice=1),
        ],
        Outcome([closed("finish", "a", choices__1__finish_reason="length", chunk_count=4, **OK)]),
    ),
    Scenario(
        "a-choice-that-never-finishes-expires",
        [chat(0, "a", finish="stop", raw_request={"n": 2}), PAST_FINISH, chat(1, "b", choice=1)],
        Outcome([closed("expiry", "a", status="incomplete", complete=False, choices__1__finish_reason=None)]),
    ),
)  # fmt: skip

FINAL: Final = (
    Scenario(
        "final-closes-at-once",
        [chat(0, "a"), chat(1, "b", finish="stop", is_final=True), IN_FINISH, usage(2)],
        Outcome([closed("final", "ab", token_usage=None, **OK)], [("late", 2)]),
    ),
    Scenario(
        "bare-final-closes-a-finished-stream-at-once",
        [chat(0, "a", finish="stop"), IN_FINISH, marker(1, cost=0.5), IN_FINISH, usage(2)],
        Outcome([closed("final", "a", cost=0.5, finish_reason="stop", **OK)], [("late", 2)]),
    ),
    Scenario(
        "final-without-finish-is-incomplete",
        [chat(0, "a"), marker(1)],
        Outcome([closed("final", "a", status="incomplete", finish_reason=None, complete=True)]),
    ),
    Scenario(
        "final-early-waits-for-the-gap",
        [chat(0, "a"), chat(3, "d", finish="stop", is_final=True), IN_FINISH, chat(2, "c"), IN_FINISH, chat(1, "b")],
        Outcome([closed("final", "abcd", chunk_count=4, **OK)]),
    ),
    Scenario(
        "a-gap-that-is-never-filled",
        [chat(0, "a"), chat(2, "c", finish="stop", is_final=True), PAST_FINISH, chat(1, "b")],
        Outcome([
            closed("final", "ac", status="success", complete=False, missing_indexes=[[1, 1]]),
            closed("late", "abc", revision=1, chunk_count=3, **OK),
        ]),
        strict=Outcome([closed("final", "ac", complete=False, missing_indexes=[[1, 1]])], [("late", 2)]),
    ),
    Scenario(
        "a-huge-index-is-a-gap",
        [chat(0, "a"), chat(LAST, "z", finish="stop", is_final=True)],
        Outcome([closed("final", "az", status="success", complete=False, missing_indexes=[[1, LAST - 1]])]),
    ),
    Scenario(
        "an-index-too-huge-and-a-negative-one-harm-nobody",
        [chat(0, "a"), chat(LAST + 1, "x"), chat(-1, "y"), chat(1, "b", finish="stop", is_final=True)],
        Outcome([closed("final", "ab", chunk_count=2, **OK)], [("invalid", 1), ("invalid", 2)]),
    ),
    Scenario(
        "indexes-from-one-wait-and-have-no-gap",
        [chat(1, "a"), chat(2, "b", finish="stop", is_final=True), IN_FINISH, usage(3)],
        Outcome([closed("final", "ab", token_usage__total_tokens=7, chunk_count=3, **OK)]),
    ),
    Scenario(
        "indexes-from-one-until-zero-comes",
        [chat(1, "b"), chat(2, "c", finish="stop", is_final=True), IN_FINISH, chat(0, "a"), IN_FINISH, usage(3)],
        Outcome([closed("final", "abc", token_usage=None, **OK)], [("late", 3)]),
    ),
    Scenario(
        "indexes-from-two-have-a-gap",
        [chat(2, "a"), chat(3, "b", finish="stop", is_final=True)],
        Outcome([closed("final", "ab", complete=False, missing_indexes=[[0, 1]])]),
    ),
    Scenario(
        "final-waits-for-the-other-image",
        [
            image(0, 0, "YQ==", done=True, raw_request={"n": 2}), marker(1, stream_type=IMAGE), IN_FINISH,
            image(0, 1, "YWI=", done=True), IN_FINISH, image(7, 0, "YQ=="),
        ],
        Outcome([closed("final", image_generation_output__data__1__b64_json="YWI=", **OK)], [("late", 3)]),
    ),
)  # fmt: skip
