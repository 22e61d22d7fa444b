"""Content planted wherever a chunk may carry some: one text for each place, so that what leaks tells from where (G7).

Imports the chunk builders and the standard library.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pipeline.testing.chunk import AUDIO, IMAGE, TRANSCRIPTION, Document, chat, chunk, event, marker, text

USAGE: Final = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
_CANARY: Final = re.compile(rb"zq-([a-z0-9-]+?)-qz")


def canary(place: str) -> str:
    """The text planted in a place."""
    return f"zq-{place}-qz"


def coded(place: str) -> str:
    """The same as base64, as audio and images come."""
    return b64encode(canary(place).encode()).decode()


def found(blobs: Iterable[bytes]) -> set[str]:
    """Places whose text is in these bytes, as it is or as base64 wherever it begins."""
    seen: set[str] = set()
    for blob in blobs:
        seen.update(match.decode() for match in _CANARY.findall(blob))
        seen.update(place for form, place in _CODED if form in blob)
    return seen


def _delta(**fields: Any) -> Document:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


CHAT: Final = [
    chunk(
        0,
        _delta(content=canary("content"), reasoning=canary("reasoning"), refusal=canary("refusal"))
        | {"extra_fields": {"raw_request": canary("inner-raw-request"), "raw_response": canary("raw-response")}},
        raw_request={"n": 1, "messages": [{"role": "user", "content": canary("raw-request")}]},
        labels={"team": canary("label")},
    ),
    chunk(1, _delta(reasoning_details=[
        {"index": 0, "type": "reasoning.text", "text": canary("thought"), "signature": canary("signature")},
        {"index": 1, "type": "reasoning.summary", "summary": canary("thought-summary"), "data": canary("thought-data")},
    ])),
    chunk(2, _delta(tool_calls=[
        {"index": 0, "id": "call_1", "type": "function",
         "function": {"name": canary("tool-name"), "arguments": canary("arguments")}},
    ])),
    chunk(3, _delta(
        annotations=[{"type": "url_citation", "url_citation": {"title": canary("title"), "url": canary("url")}}],
        audio={"id": "a", "data": coded("spoken"), "transcript": canary("spoken-text")},
    )),
    chunk(4, {
        "citations": [canary("citation")],
        "choices": [{"index": 0, "delta": {"extra_content": canary("extra")}, "logprobs": {
            "content": [{"token": canary("token"), "logprob": -0.5, "bytes": None, "top_logprobs": []}],
        }}],
    }),
    chat(5, finish="stop", usage=USAGE, is_final=True),
]  # fmt: skip

ODD: Final = [
    chunk(0, _delta(content={"odd": canary("odd-leaf")})),
    chunk(1, _delta(content=canary("half") + "\ud83d")),
    chunk(2, _delta(content=[{"type": "text", "text": canary("block")}])),
    chat(3, canary("last"), finish="stop", usage=USAGE, is_final=True),
]

TEXT: Final = [text(0, canary("text")), text(1, canary("text-last"), finish="stop", is_final=True)]

SPEECH: Final = [
    chunk(0, {"type": "speech.audio.delta", "audio": coded("speech")}, stream_type=AUDIO),
    chunk(1, {"type": "speech.audio.done", "usage": {"total_tokens": 7}}, stream_type=AUDIO, is_final=True),
]

TRANSCRIPT: Final = [
    chunk(0, {"type": "transcript.text.delta", "delta": canary("heard"), "logprobs": [
        {"token": canary("heard-token"), "logprob": -0.5, "bytes": []},
    ]}, stream_type=TRANSCRIPTION),
    chunk(1, {"type": "transcript.text.segment", "id": "s", "text": canary("segment"), "start": 0, "end": 1,
              "speaker": canary("speaker")}, stream_type=TRANSCRIPTION),
    chunk(2, {"type": "transcript.text.done", "text": canary("transcript"), "words": [
        {"word": canary("word"), "start": 0, "end": 1},
    ]}, stream_type=TRANSCRIPTION, is_final=True),
]  # fmt: skip

PICTURE: Final = [
    chunk(0, {"type": "image_generation.partial_image", "b64_json": coded("preview"), "partial_image_index": 0},
          stream_type=IMAGE, image_index=0, raw_request={"n": 1, "prompt": canary("prompt")}),
    chunk(1, {"type": "image_generation.completed", "b64_json": coded("picture"), "url": canary("picture-url"),
              "revised_prompt": canary("revised-prompt")}, stream_type=IMAGE, image_index=0, is_final=True),
]  # fmt: skip

_ITEM: Final = {"output_index": 0, "item_id": "m"}
_CALL: Final = {"output_index": 1, "item_id": "f"}
EVENTS: Final = [
    event(0, "response.created", fields={"response": {
        "id": "resp", "model": "m", "instructions": canary("instructions"), "metadata": {"k": canary("metadata")},
        "output": [],
    }}),
    event(1, "response.output_item.added", fields={"output_index": 0, "item": {
        "id": "m", "type": "message", "role": "assistant", "content": [],
    }}),
    event(2, "response.output_text.delta", fields={**_ITEM, "content_index": 0, "delta": canary("said")}),
    event(3, "response.output_text.annotation.added", fields={**_ITEM, "content_index": 0, "annotation_index": 0,
          "annotation": {"type": "url_citation", "title": canary("noted")}}),
    event(4, "response.refusal.delta", fields={**_ITEM, "content_index": 1, "delta": canary("refused")}),
    event(5, "response.output_item.added", fields={"output_index": 1, "item": {
        "id": "f", "type": "function_call", "call_id": "c", "name": canary("function"), "arguments": "",
    }}),
    event(6, "response.function_call_arguments.delta", fields={**_CALL, "delta": canary("function-arguments")}),
    event(7, "response.output_item.done", fields={"output_index": 2, "item": {
        "id": "i", "type": "image_generation_call", "status": "completed", "result": coded("generated"),
    }}),
    event(8, "response.output_item.done", fields={"output_index": 3, "item": {
        "id": "r", "type": "reasoning", "encrypted_content": canary("encrypted"),
        "summary": [{"type": "summary_text", "text": canary("summary")}],
    }}),
    event(9, "response.code_interpreter_call_code.delta",
          fields={"output_index": 4, "item_id": "ci", "delta": canary("code")}),
    event(10, "response.output_text.done", fields={**_ITEM, "content_index": 0, "text": canary("said")}),
    event(11, "response.completed", fields={"response": {
        "id": "resp", "status": "completed", "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
    }}, is_final=True),
]  # fmt: skip

ANSWER: Final = [
    event(0, "response.created", fields={"response": {"id": "resp", "model": "m", "output": []}}),
    event(1, "response.completed", fields={"response": {"id": "resp", "status": "completed", "output": [
        {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [
            {"type": "output_text", "text": canary("output"), "annotations": []},
        ]},
    ]}}, is_final=True),
]  # fmt: skip

_RAW: Final = {"raw_request": canary("error-raw-request"), "raw_response": canary("error-raw-response")}
ERROR: Final = [
    chat(0, canary("before-error")),
    {
        **chunk(1, {"choices": [{"index": 0, "delta": {"content": canary("beside-error")}}]}),
        "error": {
            "is_bifrost_error": True,
            "status_code": 400,
            "error": {"message": canary("error-message"), "param": "p"},
            "extra_fields": _RAW,
        },
    },
    marker(1),
]

IN_BAND: Final = [
    chat(0, canary("before-in-band")),
    chunk(1, {"choices": [], "error": {"message": canary("in-band-message"), "extra_fields": {
        "raw_response": canary("in-band-raw-response"),
    }}}),
    marker(1),
]  # fmt: skip

UNFINISHED: Final = [chat(0, canary("unfinished")), chat(1, canary("unfinished-too"))]

CONFLICT: Final = [
    chat(0, canary("first")),
    chat(0, canary("conflict")),
    chat(0, canary("first")),
    chat(1, finish="stop", is_final=True),
]

REVISED: Final = [chat(0, canary("early")), chat(1, finish="stop", usage=USAGE)]

STREAMS: Final[Mapping[str, list[Document]]] = {
    "chat": CHAT, "odd": ODD, "text": TEXT, "speech": SPEECH, "transcript": TRANSCRIPT, "picture": PICTURE,
    "events": EVENTS, "answer": ANSWER, "error": ERROR, "in-band": IN_BAND, "unfinished": UNFINISHED,
    "conflicting": CONFLICT, "revised": REVISED,
}  # fmt: skip
"""Chunks by request; the last of each is sent when the others have been written into state."""

LATE: Final[Mapping[str, Document]] = {
    "revised": chat(2, canary("late"), raw_request=canary("late-raw-request")),
    "text": text(2, canary("too-late")),
}
"""Sent when the record is there: a revision, and a dead letter because the request was final and complete."""

QUARANTINED: Final = [chat(0, canary("quarantined")), chat(1, canary("rebuilt"), finish="stop", is_final=True)]
"""Of a request whose fold raises: its chunks are given back among the dead letters."""

REFUSED: Final = {"conflict", "too-late"}
"""Places of chunks that become dead letters."""

UNSHOWN: Final = REFUSED | {
    "inner-raw-request",  # that of the envelope comes first
    "instructions", "metadata",  # the record holds output
    "heard", "preview",  # the closing event has the whole text, the finished image
    "unfinished", "unfinished-too", "quarantined", "rebuilt",  # without a record, or with one that says why
}  # fmt: skip
"""Places of which records say nothing even where content is captured."""

KEPT: Final = {"label", "error-message", "in-band-message"}
"""Places that are no content of the request: who pays, and what went wrong."""


def places(*chunks: Document) -> set[str]:
    """Where content was planted in chunks."""
    return found([json.dumps(chunks).encode()])


def _forms(place: str) -> Iterable[bytes]:
    """Base64 of a place's text, whatever comes before and after it: the characters that depend on it alone."""
    for shift in range(3):
        whole = b64encode(b"\0" * shift + canary(place).encode())
        yield whole[4 if shift else 0 : -4]


_PLANTED: Final = repr([*STREAMS.values(), *LATE.values(), QUARANTINED]).encode()
_CODED: Final = [
    (form, place) for place in ("spoken", "speech", "preview", "picture", "generated") for form in _forms(place)
]
"""Texts that come as base64, in the forms in which they may be found again."""

PLACES: Final = found([_PLANTED])
"""All places."""
