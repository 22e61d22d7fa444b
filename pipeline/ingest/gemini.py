"""gemini: the GenerateContent stream of Gemini (AI Studio and Vertex) → chat completion chunks (WIRE §5).

Owns candidates and how they end; parts, calls, sources and usage have modules of their own. Facts are those of
ai.google.dev/api/generate-content and of streams recorded in public. Imports this room only.
"""

from __future__ import annotations

from typing import Any, Final

from pipeline.ingest.error import error_object, is_error
from pipeline.ingest.format import Part, Stream
from pipeline.ingest.gemini_parts import Parts
from pipeline.ingest.gemini_sources import Sources
from pipeline.ingest.gemini_usage import tier_of, usage_of
from pipeline.ingest.leaf import Payload, count, mapping, objects, text
from schemas.leaves import parse_timestamp

_FILTERED: Final = "content_filter"
_FINISH: Final = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"), _FILTERED),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"), _FILTERED),
}
"""finish_reason by finishReason; what is not here (MALFORMED_FUNCTION_CALL, OTHER, NO_IMAGE …) passes through, for none
of OpenAI's words says it."""

_PLAIN: Final = frozenset({"STOP", "MAX_TOKENS"})
"""Reasons that need no further words."""

_WORDS: Final = ("finishReason", "finishMessage", "safetyRatings")
_UNSPECIFIED: Final = "FINISH_REASON_UNSPECIFIED"
_HTTP_ERRORS: Final = range(400, 600)


class GeminiStream(Stream):
    """A stream of GenerateContentResponse objects; its end is the finishReason of every candidate."""

    def __init__(self) -> None:
        """Begin without candidates."""
        super().__init__()
        self._candidates: dict[int, _Candidate] = {}
        self._head: Payload = {"id": None, "object": "chat.completion.chunk"}
        self._over = False

    def feed(self, name: str | None, payload: Payload) -> list[Part]:
        """Translate one response; one that says nothing (keep-alives) gives nothing."""
        self.name_model(payload.get("modelVersion"))
        self._identify(payload)
        if is_error(name, payload):
            self._over = self.ended = True
            return [Part(response=self._response([]) | {"error": _error(payload)}, failed=True)]
        choices: list[Payload] = []
        for position, candidate in enumerate(objects(payload.get("candidates"))):
            index = count(candidate.get("index"))
            choices.append(self._candidate(position if index is None else index).take(candidate))
        feedback = mapping(payload.get("promptFeedback"))
        if not choices and text(feedback.get("blockReason")):
            self._over = True
            choices.append(_choice(0, {"role": "assistant"}, _FILTERED) | {"stop_details": feedback})
        self._note_end()
        report = mapping(payload.get("usageMetadata"))
        searches = sum(candidate.sources.searches for candidate in self._candidates.values())
        said = {
            "usage": usage_of(report, searches),
            "service_tier": tier_of(report),
            "search_results": self._results(),
        }
        known = {key: value for key, value in said.items() if value}
        return [Part(response=self._response(choices) | known)] if choices or known else []

    def rest(self) -> list[Part]:
        """Calls and sources of candidates that the recording leaves unfinished."""
        choices = [choice for candidate in self._candidates.values() if (choice := candidate.rest()) is not None]
        results = self._results()
        if not choices and not results:
            return []
        return [Part(response=self._response(choices) | ({"search_results": results} if results else {}))]

    def _results(self) -> list[Payload]:
        """Search results of all candidates, if there are new ones: those beside the choices replace earlier ones."""
        candidates = self._candidates.values()
        if not any(candidate.found_more for candidate in candidates):
            return []
        for candidate in candidates:
            candidate.found_more = False
        return [result for candidate in candidates for result in candidate.results]

    def _note_end(self) -> None:
        finished = [candidate.finished for candidate in self._candidates.values()]
        self.ended = self._over or (bool(finished) and all(finished))

    def _candidate(self, index: int) -> _Candidate:
        if index not in self._candidates:
            self._candidates[index] = _Candidate(index)
        return self._candidates[index]

    def _identify(self, payload: Payload) -> None:
        self._head["id"] = text(payload.get("responseId")) or self._head["id"]
        created = _seconds(payload.get("createTime"))
        if created is not None:
            self._head["created"] = created

    def _response(self, choices: list[Payload]) -> Payload:
        return {**self._head, "model": self.model, "choices": choices}


class _Candidate:
    """One of several answers."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.parts = Parts()
        self.sources = Sources()
        self.finished = False
        self.results: list[Payload] = []
        self.found_more = False
        self._begun = False

    def take(self, candidate: Payload) -> Payload:
        """The choice that an event makes.

        With tools that Gemini runs itself it may say that it stopped and go on: then it has not.
        """
        parts = objects(mapping(candidate.get("content")).get("parts"))
        reason = text(candidate.get("finishReason"))
        reason = None if reason == _UNSPECIFIED else reason
        self.finished = reason is not None or (self.finished and not parts)
        delta = {} if self._begun else {"role": "assistant"}
        self._begun = True
        delta |= self.parts.delta(parts, last=reason is not None)
        self.sources.note(candidate)
        if reason is not None:
            self._source(delta)
        choice = _choice(self.index, delta, self._reason(reason))
        if reason is not None and reason not in _PLAIN:
            choice["stop_details"] = {name: candidate[name] for name in _WORDS if candidate.get(name)}
        logprobs = _logprobs(mapping(candidate.get("logprobsResult")))
        return choice | {"logprobs": {"content": logprobs}} if logprobs else choice

    def rest(self) -> Payload | None:
        """The choice that what is still held back makes."""
        delta = self.parts.delta([], last=True)
        self._source(delta)
        return _choice(self.index, delta, None) if delta else None

    def _source(self, delta: Payload) -> None:
        """Put sources into a delta; the search results stand beside the choices."""
        found = self.sources.flush("".join(self.parts.said))
        if found.annotations:
            delta["annotations"] = found.annotations
        if found.items:
            delta["provider_items"] = [*delta.get("provider_items", []), *found.items]
        if found.results:
            self.results, self.found_more = found.results, True

    def _reason(self, reason: str | None) -> str | None:
        """A call is a stop to Gemini, "tool_calls" to those who read WIRE §5, as to Google's own OpenAI endpoint."""
        if reason is None:
            return None
        finish = _FINISH.get(reason, reason)
        return "tool_calls" if finish == "stop" and self.parts.calls.count else finish


def _choice(index: int, delta: Payload, reason: str | None) -> Payload:
    return {"index": index, "delta": delta, "finish_reason": reason}


def _error(payload: Payload) -> Payload:
    """Google's error: its status is a word, which WIRE calls the type, its code an HTTP status."""
    error = error_object(payload)
    code = count(error.get("code"))
    word = text(error.get("type")) or text(error.get("status"))
    more = {"type": word, "status_code": code if code in _HTTP_ERRORS else None}
    return error | {name: value for name, value in more.items() if value is not None}


def _seconds(moment: object) -> int | None:
    """Whole seconds since the epoch of an RFC 3339 timestamp."""
    try:
        return int(parse_timestamp(moment).timestamp()) if isinstance(moment, str) else None
    except ValueError:
        return None


def _logprobs(result: Payload) -> list[Payload]:
    """Log-probs of the tokens that were chosen, with those of the alternatives."""
    alternatives: list[Any] = [objects(step.get("candidates")) for step in objects(result.get("topCandidates"))]
    chosen = objects(result.get("chosenCandidates"))
    alternatives += [[]] * (len(chosen) - len(alternatives))
    return [
        {**_token(token), "top_logprobs": [_token(other) for other in others]}
        for token, others in zip(chosen, alternatives, strict=False)
    ]


def _token(entry: Payload) -> Payload:
    return {"token": entry.get("token"), "logprob": entry.get("logProbability")}
