"""What the chunks of one attempt say beside their output: usage, cost, errors, attribution (S-META-1 to S-META-6).

Each field comes from the highest-index chunk that has it; nothing is summed inside an attempt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter, ge
from typing import Any

import msgspec

from pipeline.core.convention import Origin
from pipeline.core.error import bifrost_error
from pipeline.core.identity import index_order, order_of
from pipeline.core.output import Output
from pipeline.core.streams import FOLDS, reveal
from pipeline.core.tier import served_tier
from pipeline.core.usage import is_partial, llm_usage, stated_usage
from schemas.chunk import Chunk, StreamType

_CHAT = (StreamType.CHAT, StreamType.TEXT)


@dataclass(slots=True)
class Attempt:
    """One attempt of a request, folded.

    Attributes:
        number: of the attempt.
        chunks, folded: by index; and in fold order, which is another for images.
        output: of the stream type's fold.
        error: BifrostError, out of band before in band; null when the attempt had none.
        finish_reason: the provider's, or "error" for an out-of-band error that nothing finished before (S-ERR-2).
        cost: USD as the gateway priced it.
        call, response_id: request_type of the gateway, and the provider's id, of the first chunk that has them.
        anomalies: odd leaves found while folding.
        estimated: nobody stated `token_usage`, or its output; it was estimated.
    """

    number: int
    chunks: Sequence[Chunk]
    folded: Sequence[Chunk]
    output: Output
    error: dict[str, Any] | None
    finish_reason: str | None
    token_usage: dict[str, Any] | None
    cost: float | None
    cache_debug: dict[str, Any] | None
    service_tier: str | None
    provider: str | None
    model: str | None
    anomalies: int
    call: str | None = None
    response_id: str | None = None
    estimated: bool = False


def attempt_of(number: int, chunks: list[Chunk], stream_type: str, *, stripped: bool = False) -> Attempt:
    """Fold the chunks of one attempt, given in any order; `stripped`: some may have been stored without content."""
    indexes = [chunk.chunk_index for chunk in chunks]
    if any(map(ge, indexes, indexes[1:])):
        chunks = sorted(chunks, key=index_order)
    payloads = [chunk.response for chunk in chunks if chunk.response is not None]
    folding = sorted(chunks, key=order_of(stream_type)) if stream_type == StreamType.IMAGE else chunks
    output = FOLDS[stream_type](folding)
    if stripped:
        reveal(output, folding, stream_type)
    error, odd = _error(chunks, output)
    provider = _newest(chunks, "provider")
    model = _newest(chunks, "model") or _stated(payloads, stream_type, "model")
    usage, odd_usage = _usage(chunks, stream_type, Origin(provider, model))
    extras = [payload.extra_fields for payload in payloads if payload.extra_fields is not None]
    return Attempt(
        number=number,
        chunks=chunks,
        folded=folding,
        output=output,
        error=error,
        finish_reason=_finish_reason(chunks, output) if error is not None else output.finish_reason,
        token_usage=usage,
        cost=_last(chunks, "cost"),
        cache_debug=_last(extras, "cache_debug"),
        service_tier=served_tier(payloads, stream_type),
        provider=provider,
        model=model,
        call=next((extra.request_type for extra in extras if extra.request_type), None),
        response_id=_response_id(payloads, stream_type),
        anomalies=output.anomalies + odd + odd_usage,
    )


def _newest(chunks: Sequence[Any], name: str) -> Any:
    """A name that nearly every chunk has: the search ends at once. An empty one is how some gateways leave it out."""
    return next((value for chunk in reversed(chunks) if (value := getattr(chunk, name))), None)


def _last(chunks: Sequence[Any], name: str) -> Any:
    """What few chunks have: all are looked at, in compiled code."""
    read = attrgetter(name)
    found = [value for value in map(read, chunks) if value is not None]
    return found[-1] if found else None


def _stated(payloads: Sequence[Any], stream_type: str, name: str) -> str | None:
    """What the payloads themselves state: chat chunks on top, Responses events inside `response`."""
    if stream_type in _CHAT:
        texts = [text for text in map(attrgetter(name), payloads) if text is not None]
    elif stream_type == StreamType.RESPONSES:
        found = [payload.response.get(name) for payload in payloads if payload.response is not None]
        texts = [text for text in found if isinstance(text, str)]
    else:
        return None
    return texts[-1] if texts else None


def _response_id(payloads: Sequence[Any], stream_type: str) -> str | None:
    """The first id that is none of an event; some providers give each chunk another, or an empty one (symptom 31)."""
    if stream_type == StreamType.RESPONSES:
        ids = (payload.response.get("id") for payload in payloads if payload.response is not None)
    else:
        ids = (getattr(payload, "id", None) for payload in payloads)
    return next((found for found in ids if found and isinstance(found, str)), None)


def _usage(chunks: Sequence[Any], stream_type: str, origin: Origin) -> tuple[dict[str, Any] | None, int]:
    """Usage of the highest chunk that has it; an error may state what the failed stream was billed (WIRE §3)."""
    upper: dict[str, Any] = {}
    for chunk in reversed(chunks):
        payload = chunk.response
        if chunk.error is not None:
            raw, kind = billed_usage(chunk.error), StreamType.CHAT.value
        elif payload is None:
            continue
        else:
            raw, kind = stated_usage(stream_type, payload), stream_type
        if raw is None:
            continue
        if upper and isinstance(raw, dict):
            raw = raw | upper
        usage, odd = llm_usage(kind, raw, origin)
        if usage is not None and is_partial(kind, raw):
            upper = {name: value for name, value in raw.items() if value is not None}
        elif usage is not None:
            return usage, odd
    return llm_usage(stream_type, upper or None, origin)


def billed_usage(error: dict[str, Any]) -> Any:
    """What an error says of usage."""
    extra = error.get("extra_fields")
    return extra.get("billed_usage") if isinstance(extra, dict) else None


def _error(chunks: Sequence[Any], output: Output) -> tuple[dict[str, Any] | None, int]:
    raised = [chunk for chunk in chunks if chunk.error is not None]
    if raised:
        return bifrost_error(raised[-1].error)
    return output.error, 0


def _finish_reason(chunks: Sequence[Any], output: Output) -> str | None:
    """S-META-1 over finish reasons and errors: an error at or above the last finish counts as reason "error"."""
    errors = [chunk.chunk_index for chunk in chunks if chunk.error is not None]
    if not errors or (output.finish_reason is not None and not _above(chunks, max(errors))):
        return output.finish_reason
    return "error"


def _above(chunks: Sequence[Any], index: int) -> bool:
    """Whether an error index is above all data, so that it tells when the error came (S-ERR-4)."""
    return all(chunk.chunk_index < index for chunk in chunks if chunk.error is None)


def raw_responses(attempts: Sequence[Attempt]) -> str | None:
    """S-RAW-1: non-null raws in index order, joined by a blank line.

    A payload beside an error, and one with odd leaves, is kept as raw when it brings none of its own (CONTRACT §1).
    """
    likely = (
        chunk
        for attempt in attempts
        for chunk in attempt.folded
        if (payload := chunk.response) is not None and (payload.extra_fields or chunk.anomalies or chunk.error)
    )
    raws = [raw for chunk in likely if (raw := _raw(chunk)) is not None]
    return "\n\n".join(raws) if raws else None


def _raw(chunk: Any) -> str | None:
    payload = chunk.response
    raw = payload.extra_fields.raw_response if payload.extra_fields is not None else None
    if raw is None and chunk.anomalies:
        raw = json.loads(chunk.original).get("response")
    elif raw is None and chunk.error is not None:
        raw = msgspec.to_builtins(payload)
    if raw is None or isinstance(raw, str):
        return raw
    return json.dumps(raw, ensure_ascii=False, separators=(",", ":"))


def raw_request(chunks: Sequence[Any]) -> Any:
    """That of the lowest (attempt, chunk_index) that has it; `chunks` are in that order."""
    for chunk in chunks:
        if chunk.raw_request is not None:
            return chunk.raw_request
        payload = chunk.response
        if payload is not None and payload.extra_fields is not None and payload.extra_fields.raw_request is not None:
            return payload.extra_fields.raw_request
    return None


def labels(chunks: Sequence[Any]) -> dict[str, str]:
    """Per key the value of the lowest (attempt, chunk_index); `chunks` are in that order."""
    merged: dict[str, str] = {}
    for found in [chunk.labels for chunk in chunks if chunk.labels]:
        for key, value in found.items():
            merged.setdefault(key, value)
    return dict(sorted(merged.items()))
