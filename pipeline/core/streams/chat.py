"""Chat and text completions: chunks of one attempt -> Output.

The fold of chat chunks is the hot loop of the program: a plain text delta takes no function call.
Imports pipeline.core and the contract only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pipeline.core.error import is_faulty, payload_error
from pipeline.core.output import Json, Output
from pipeline.core.streams.answer import Answer
from schemas.chunk import ChatStreamChunk, StreamType, TextStreamChunk
from schemas.payload import ChatChoice, ChatResponse

_BESIDE: Final = {
    "citations": "citations",
    "search_results": "search_results",
    "images": "search_images",
    "videos": "videos",
    "provider": "upstream_provider",
}
"""Fields beside the choices and their names in a message, where `images` are those that the model made.

Citations and search results are read from every chunk, the others from the first, the last, and every one that is no
plain delta: whoever sends them repeats them, or sends them at an end.
"""


def fold_chat(chunks: Sequence[ChatStreamChunk]) -> Output:
    """Fold the chat chunks of one attempt; `text` beside a delta is not content (S-CHAT-2)."""
    first = Answer(0)
    answers = {0: first}
    times: list[datetime] = []
    say, stamp = first.content.append, times.append
    faulty: ChatResponse | None = None
    beside: Json = {}
    for chunk in chunks:
        response = chunk.response
        if response is None or chunk.error is not None:
            continue
        choices = response.choices
        if response.error or response.citations or response.search_results or response.x_groq or not choices:
            faulty = _aside(beside, response) or faulty
            if not choices:
                continue
        if len(choices) == 1:
            choice = choices[0]
            delta = choice.delta
            if (
                delta is not None
                and not choice.index
                and isinstance(content := delta.content, str)
                and not delta.tool_calls
                and not delta.reasoning
                and not delta.reasoning_content
                and not delta.reasoning_details
                and not delta.refusal
                and delta.audio is None
                and not delta.annotations
                and not delta.images
                and not delta.provider_items
                and not delta.extra_content
                and not choice.finish_reason
            ):
                if content:
                    say(content)
                    stamp(chunk.timestamp)
                if delta.role:
                    first.role = delta.role
                if choice.logprobs is not None:
                    first.log(choice.logprobs)
                first.seen = True
                continue
        faulty = _aside(beside, response) or faulty
        if _add_chat(answers, choices):
            stamp(chunk.timestamp)
    _look_at_ends(beside, chunks)
    return _output(answers, times, faulty, beside, StreamType.CHAT)


def fold_text(chunks: Sequence[TextStreamChunk]) -> Output:
    """Fold the text completion chunks of one attempt: `text` is the content, the last log-probs win (S-TEXT-1)."""
    answers: dict[int, Answer] = {}
    times: list[datetime] = []
    faulty: ChatResponse | None = None
    beside: Json = {}
    for chunk in chunks:
        response = chunk.response
        if response is None or chunk.error is not None:
            continue
        faulty = _aside(beside, response) or faulty
        if response.choices and _add_text(answers, response.choices):
            times.append(chunk.timestamp)
    return _output(answers, times, faulty, beside, StreamType.TEXT)


def has_chat_content(response: ChatResponse) -> bool:
    """Whether a chat payload carries text, reasoning, refusal, a tool call or audio."""
    return bool(response.choices) and _add_chat({}, response.choices or [])


def has_text_content(response: ChatResponse) -> bool:
    """Whether a text completion payload carries text."""
    return bool(response.choices) and _add_text({}, response.choices or [])


def _add_chat(answers: dict[int, Answer], choices: Sequence[ChatChoice]) -> bool:
    found = False
    for choice in choices:
        answer = _answer(answers, choice)
        if choice.delta is not None:
            found |= answer.add(choice.delta)
        if choice.logprobs is not None:
            answer.log(choice.logprobs)
    return found


def _add_text(answers: dict[int, Answer], choices: Sequence[ChatChoice]) -> bool:
    found = False
    for choice in choices:
        answer = _answer(answers, choice)
        if choice.text:
            answer.content.append(choice.text)
            found = True
        elif choice.text is None and choice.delta is not None:
            found |= answer.add(choice.delta)
        if choice.logprobs is not None:
            answer.logprobs = choice.logprobs
    return found


def _answer(answers: dict[int, Answer], choice: ChatChoice) -> Answer:
    """The answer that a choice belongs to, by its index (S-CHAT-7); its finish_reason is noted unchanged (S-FIN-1)."""
    index = choice.index or 0
    answer = answers.get(index)
    if answer is None:
        answer = answers[index] = Answer(index)
    answer.seen = True
    if choice.finish_reason:
        answer.finish(choice)
    return answer


def _aside(beside: Json, response: ChatResponse) -> ChatResponse | None:
    """Keep what a payload says beside its choices: providers repeat it whole, so the latest counts.

    Returns:
        The payload, if it reports an error.
    """
    for name, shown in _BESIDE.items():
        value = getattr(response, name)
        if value:
            beside[shown] = value
    return response if is_faulty(response) else None


def _look_at_ends(beside: Json, chunks: Sequence[ChatStreamChunk]) -> None:
    """Read what stands beside plain deltas at both ends; the last chunk has the last word."""
    for chunk in (chunks[0], chunks[-1]) if chunks else ():
        if chunk.response is not None and chunk.error is None:
            held = dict(beside)
            _aside(beside, chunk.response)
            if chunk is not chunks[-1]:
                beside.update(held)


def _output(
    answers: dict[int, Answer],
    times: list[datetime],
    faulty: ChatResponse | None,
    beside: Json,
    stream_type: StreamType,
) -> Output:
    """The output is that of choice 0, or of the lowest index when there is no 0; `choices` only when there are more."""
    output = Output(content_times=times)
    seen = [answers[index] for index in sorted(answers) if answers[index].seen]
    if faulty is not None:
        output.error, output.anomalies = payload_error(stream_type, faulty)
    if not seen:
        return output
    chosen = next((answer for answer in seen if answer.index == 0), seen[0])
    output.anomalies += sum(answer.odd for answer in seen)
    output.output_message = chosen.message() | beside
    output.tool_calls = output.output_message.get("tool_calls")
    output.finish_reason = chosen.finish_reason
    output.logprobs = chosen.logprobs
    output.terminal = any(answer.finish_reason is not None for answer in seen)
    if len(seen) > 1:
        output.choices = [
            {
                "index": answer.index,
                "message": output.output_message if answer is chosen else answer.message(),
                "finish_reason": answer.finish_reason,
                "logprobs": answer.logprobs,
            }
            for answer in seen
        ]
    return output
