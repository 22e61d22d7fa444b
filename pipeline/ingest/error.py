"""Errors that a provider sends inside its stream.

Owns how an event is recognised as an error and where its words are: OpenAI nests them under `error`, vLLM and some
gateways write them into the payload itself. Imports this room's leaves only.
"""

from __future__ import annotations

from typing import Final

from pipeline.ingest.leaf import Payload, count, mapping, text

_HTTP_ERRORS: Final = range(400, 600)
_WORDS: Final = ("type", "code", "message", "param")


def is_error(name: str | None, payload: Payload) -> bool:
    """Whether an event brings an error: by its name, its type, the object it says it is, or an `error` in it."""
    return "error" in (name, payload.get("type"), payload.get("object")) or bool(payload.get("error"))


def error_object(payload: Payload) -> Payload:
    """What an event says about its error, always with a message; fields that WIRE does not list are kept."""
    error = payload.get("error")
    said = {"message": error} if isinstance(error, str) else mapping(error)
    said = said or {word: payload[word] for word in _WORDS if payload.get(word) not in (None, "error")}
    messages = (text(said.get("message")), text(payload.get("detail")), text(said.get("type")))
    return {**said, "message": next((message for message in messages if message), "an error without a message")}


def bifrost_error(payload: Payload) -> Payload:
    """The error of an event as BifrostError (WIRE §3), but for the provider, which the envelope knows.

    It has a status code only where the provider wrote one; an error's type is never turned into one.
    """
    error = error_object(payload)
    code = error.get("code")
    numbers = (payload.get("status_code"), payload.get("status"), error.get("status_code"), error.get("status"), code)
    status = next((number for number in map(count, numbers) if number in _HTTP_ERRORS), None)
    if code is not None:
        error["code"] = str(code)
    return {
        "is_bifrost_error": False,
        **({} if status is None else {"status_code": status}),
        "error": error,
    }
