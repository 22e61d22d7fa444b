"""Usage of a stream that was cut before its provider could state one, estimated from what was delivered.

Asked for by `estimate_usage`, off by default.  The rules:

    which       attempts that end `incomplete` and have no usage; a stated usage is never replaced (symptom 17), and an
                attempt that ended in an error is not one that was cut.  Chat, text completion and Responses only: other
                output has no words.  An attempt that delivered none has no estimate.
    output      the words of pipeline.core.texts, by the tokenizer or by characters; content that was not stored
                (limits, capture) by characters, of which it is known how many there were.
    input       the words of the raw request, where it was kept: messages, prompt or input, instructions, tools; 4 more
                for each message, its frame in the chat format.  A request with anything that is no text (images, audio,
                files) has no estimate of its input: absent is not 0, and then there is no total either.
    characters  four make a token, rounded up: what English text has on average (OpenAI, What are tokens).

Imports pipeline.core and the contract only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from pipeline.core.dialect import mapping
from pipeline.core.facts import Attempt
from pipeline.core.output import Json
from pipeline.core.texts import texts
from pipeline.core.valuation import Estimator
from schemas.chunk import StreamType

CHARACTERS_PER_TOKEN: Final = 4
FRAME: Final = 4
"""Tokens that a message costs beside its texts, in OpenAI's chat format; others are close to it."""

_WORDED: Final = frozenset({StreamType.CHAT, StreamType.TEXT, StreamType.RESPONSES})
_LISTS: Final = ("messages", "input")
_PLAIN: Final = ("prompt", "instructions", "system")
_TEXT_PARTS: Final = frozenset({"text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text"})


class Characters:
    """The estimator without a tokenizer."""

    def tokens(self, model: str | None, text: str) -> int:  # noqa: ARG002  the same for every model
        """How many tokens a text is, about."""
        return by_characters(len(text))


def by_characters(count: int) -> int:
    """How many tokens so many characters are, about."""
    return -(-count // CHARACTERS_PER_TOKEN)


def fill(attempts: Iterable[Attempt], stream_type: str, request: Any, estimator: Estimator) -> None:
    """Estimate the usage of attempts that were cut and have none.

    Args:
        attempts: the incomplete ones of a request; changed in place.
        stream_type: of the request.
        request: its raw request, or None.
        estimator: counts the tokens of a text.
    """
    if stream_type not in _WORDED:
        return
    for attempt in attempts:
        if attempt.token_usage is None:
            attempt.token_usage = _usage(attempt, request, estimator)
            attempt.estimated = attempt.token_usage is not None


def _usage(attempt: Attempt, request: Any, estimator: Estimator) -> Json | None:
    said, hidden = "\n".join(texts(attempt.output)), attempt.output.hidden
    if not said and not hidden:
        return None
    completion = estimator.tokens(attempt.model, said) + by_characters(hidden)
    prompt = _prompt(request, attempt.model, estimator)
    if prompt is None:
        return {"completion_tokens": completion}
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _prompt(request: Any, model: str | None, estimator: Estimator) -> int | None:
    """Tokens of a raw request; None when it is unknown or holds more than text."""
    if isinstance(request, str):
        try:
            request = msgspec.json.decode(request)
        except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
            return None
    if not isinstance(request, dict) or request.keys().isdisjoint((*_LISTS, "prompt")):
        return None
    frames = sum(len(listed) for name in _LISTS if isinstance(listed := request.get(name), list))
    try:
        words = list(filter(None, _words(request)))
    except (_NoText, RecursionError):
        return None
    return estimator.tokens(model, "\n".join(words)) + FRAME * frames if words else None


class _NoText(Exception):
    """A part of a request that is no text."""


def _words(request: Json) -> Iterator[str]:
    for name in (*_LISTS, *_PLAIN):
        yield from _of(request.get(name))
    if request.get("tools"):
        yield json.dumps(request["tools"], ensure_ascii=False, separators=(",", ":"))


def _of(value: Any) -> Iterator[str]:
    """The texts of a message, of its parts, or of a list of them.

    Raises:
        _NoText: one of the parts is no text.
    """
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, list):
            todo.extend(reversed(each))
        elif isinstance(each, dict) and (each.get("role") is not None or _is_text(each)):
            todo.extend((each.get("tool_calls"), each.get("refusal"), each.get("text"), each.get("content")))
        elif isinstance(each, dict):
            yield from _called(each)


def _is_text(part: Json) -> bool:
    """Whether a part says that it is one, or is nothing else."""
    type_ = part.get("type")
    return isinstance(part.get("text"), str) if type_ is None else isinstance(type_, str) and type_ in _TEXT_PARTS


def _called(value: Json) -> Iterator[str]:
    """A call that a model made earlier, or what it was answered; anything else is no text.

    Raises:
        _NoText: it is none.
    """
    fields = value | mapping(value.get("function"))
    found = [text for name in ("name", "arguments", "output") if isinstance(text := fields.get(name), str)]
    if not found:
        raise _NoText
    yield from found
