"""Everything there is to fold: conformance cases, recorded provider streams, examples of the schemas, made streams.

Cases and recordings lie outside of the repository: where STREAMLEDGER_CASES and STREAMLEDGER_RECORDINGS say, else in
../shared beside the checkout. Request ids are made unique, so that all of it fits into one topic.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.ingest.recording import chunks_of
from pipeline.testing.chunk import Document
from tests.integration.engine.harness import streams
from tests.replay import ROOT

PROVIDERS: Final = {
    "anthropic": "anthropic-messages",
    "chat": "openai-chat",
    "completion": "openai-completions",
    "responses": "openai-responses",
    "transcription": "openai-transcription",
}
"""Provider format by folder of the recordings."""

Stream = list[Any]
"""Values of the topic in order of delivery: chunks, or what should be one."""


def shared(name: str) -> Path:
    """A folder outside of the repository; it may be missing."""
    told = os.environ.get(f"STREAMLEDGER_{name.upper()}")
    return Path(told) if told else ROOT.parent / "shared" / name


def cases() -> Mapping[str, Stream]:
    """Chunks of every conformance case by its name; the clock that some of them carry is the broker's here."""
    found = {}
    for file in sorted(shared("cases").glob("*.json")):
        case = json.loads(file.read_text(encoding="utf-8"))
        start = {} if case.get("start_timestamp") is None else {"start_timestamp": case["start_timestamp"]}
        found[file.stem] = [_unplaced(each | start) if isinstance(each, dict) else each for each in case["chunks"]]
    return found


def _unplaced(chunk: Document) -> Document:
    return {name: leaf for name, leaf in chunk.items() if name != "_kafka"}


def recordings() -> Mapping[str, Stream]:
    """Every recorded stream as chunks, by its file's name."""
    found = {}
    for file in sorted(shared("recordings").glob("*/*")):
        if file.parent.name in PROVIDERS and file.suffix in (".sse", ".jsonl"):
            provider = PROVIDERS[file.parent.name]
            found[file.name] = list(chunks_of(file.read_bytes(), provider=provider, request_id="r"))
    return found


def examples() -> Mapping[str, Stream]:
    """The chunks among the examples of the schemas, by stream type and name."""
    found: dict[str, Stream] = {}
    for file in sorted((ROOT / "schemas" / "examples").glob("*/*.chunk.json")):
        name = f"{file.parent.name}-{file.name.rpartition('-')[0]}"
        found.setdefault(name, []).append(json.loads(file.read_text(encoding="utf-8")))
    return found


def made() -> Mapping[str, Stream]:
    """Chat streams of random lengths, some of which never end: enough to kill workers over if all else is missing."""
    listed = streams(60, seed=8, shortest=3, longest=8)
    return {each.request_id: [json.loads(each.chunk(index)) for index in range(len(each.words))] for each in listed}


CORPORA: Final[Mapping[str, Callable[[], Mapping[str, Stream]]]] = {
    "cases": cases,
    "recordings": recordings,
    "examples": examples,
    "made": made,
}


def unique(corpus: str, name: str, stream: Stream) -> list[tuple[bytes, bytes]]:
    """(key, value) of a stream under ids that no other stream has; half characters stay escapes."""
    made = []
    for each in stream:
        own = each.get("request_id") if isinstance(each, dict) else None
        request_id = f"{corpus}/{name}/{own if isinstance(own, str) else '-'}"
        value = each | {"request_id": request_id} if isinstance(own, str) and own else each
        made.append((request_id.encode(errors="replace"), json.dumps(value).encode()))
    return made
