"""Usage of a stream that was cut before its provider could state it, estimated from what was delivered.

Asked for by `estimate_usage`, off by default.  The rules:

    which       attempts that end `incomplete` and have no usage; an attempt that ended in an error is not one that was
                cut.  Chat, text completion and Responses only: other output has no words.  An attempt that delivered
                none has no estimate.
    stated      a usage that its provider stated is never replaced.  One that content came after speaks of the output up
                to there only: Anthropic begins each stream with 1 or so (symptom 17, bifrost PR 3709).  Its output is
                raised to the estimate where that is more, the rest of it stays, and the usage is marked; one that comes
                with a cost stays whole.
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
from enum import Enum, auto
from typing import Any, Final

from pipeline.core.dialect import mapping
from pipeline.core.facts import Attempt, billed_usage
from pipeline.core.output import Json
from pipeline.core.request import opened
from pipeline.core.streams import CONTENT
from pipeline.core.texts import texts
from pipeline.core.usage import llm_usage, stated_usage
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
    """Estimate the usage of attempts that were cut: where they have none, or an output that was counted too early.

    Args:
        attempts: the incomplete ones of a request; changed in place.
        stream_type: of the request.
        request: its raw request, or None.
        estimator: counts the tokens of a text.
    """
    if stream_type not in _WORDED:
        return
    for attempt in attempts:
        stated = attempt.token_usage
        if stated is not None and not _overtaken(attempt, stated, stream_type):
            continue
        completion = _completion(attempt, estimator)
        if completion is None or (stated is not None and completion <= stated.get("completion_tokens", 0)):
            continue
        found = _usage(attempt, completion, request, estimator) if stated is None else _raised(stated, completion)
        attempt.token_usage, attempt.estimated = found, True


def _completion(attempt: Attempt, estimator: Estimator) -> int | None:
    """Tokens of what was delivered; None when nothing was."""
    said, hidden = "\n".join(texts(attempt.output)), attempt.output.hidden
    return estimator.tokens(attempt.model, said) + by_characters(hidden) if said or hidden else None


def _usage(attempt: Attempt, completion: int, request: Any, estimator: Estimator) -> Json:
    prompt = _prompt(request, attempt.model, estimator)
    if prompt is None:
        return {"completion_tokens": completion}
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


class _Tells(Enum):
    """What a chunk tells that matters here."""

    USAGE = auto()
    CONTENT = auto()


def _overtaken(attempt: Attempt, stated: Json, stream_type: str) -> bool:
    """Whether content came after the chunk that states the usage, and no cost was stated."""
    if attempt.cost is not None or stated.get("cost") is not None:
        return False
    told = (_tells(chunk, stream_type) for chunk in reversed(attempt.chunks))
    return next(filter(None, told), None) is _Tells.CONTENT


def _tells(chunk: Any, stream_type: str) -> _Tells | None:
    """Whether a chunk states a usage or, if not, brings content."""
    if chunk.error is not None:
        return _Tells.USAGE if billed_usage(chunk.error) is not None else None
    if chunk.response is None:
        return None
    if llm_usage(stream_type, stated_usage(stream_type, chunk.response))[0] is not None:
        return _Tells.USAGE
    return _Tells.CONTENT if chunk.said is not None or CONTENT[stream_type](chunk.response) else None


def _raised(stated: Json, completion: int) -> Json:
    """A stated usage with more output, and its total with it."""
    prompt = stated.get("prompt_tokens")
    total = {} if prompt is None else {"total_tokens": prompt + completion}
    return stated | {"completion_tokens": completion} | total


def _prompt(request: Any, model: str | None, estimator: Estimator) -> int | None:
    """Tokens of a raw request; None when it is unknown or holds more than text."""
    request = opened(request)
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
