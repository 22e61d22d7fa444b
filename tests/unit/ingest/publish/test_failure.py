"""Exceptions as BifrostErrors: what SDKs, asyncio and generators raise when a stream breaks."""

from __future__ import annotations

import asyncio

import httpx2
import openai
import pytest

from pipeline.ingest.publish.failure import LONGEST, bifrost_error


@pytest.mark.parametrize("ended", [asyncio.CancelledError(), GeneratorExit(), KeyboardInterrupt()], ids=repr)
def test_whoever_stops_reading_has_cancelled(ended: BaseException) -> None:
    """The ledger calls such a request incomplete, not failed (CONTRACT §2)."""
    error = bifrost_error(ended)
    assert (error["type"], error["error"]["type"]) == ("request_cancelled", "request_cancelled")


def test_an_sdks_error_keeps_its_status_type_and_code() -> None:
    """Of the real SDK: they are what a bill is argued with."""
    response = httpx2.Response(429, request=httpx2.Request("POST", "http://x/"))
    body = {"type": "insufficient_quota", "code": "quota", "param": None, "message": "over quota"}
    error = bifrost_error(openai.RateLimitError("over quota", response=response, body=body))
    assert error["status_code"] == 429
    assert error["error"] == {"type": "insufficient_quota", "code": "quota", "message": "over quota"}


def test_any_other_exception_says_its_type_and_words() -> None:
    """Cut off where an answer might hang on it."""
    assert bifrost_error(TimeoutError())["error"] == {"type": "TimeoutError", "message": "TimeoutError"}
    assert len(bifrost_error(ValueError("x" * 10_000))["error"]["message"]) == LONGEST


def test_an_exception_that_can_not_be_printed_is_told_by_its_type() -> None:
    """The end of a request must get out."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert bifrost_error(Mute())["error"]["message"] == "Mute"


def test_a_bifrost_error_is_passed_on() -> None:
    """As a copy: the caller's may change."""
    given = {"error": {"message": "m"}}
    assert bifrost_error(given) == given
    assert bifrost_error(given) is not given
