"""What a Gemini answer is grounded with → annotations, search results and items (WIRE §5).

Owns the places of quotes: Gemini counts them in bytes of the answer, WIRE in characters. Gemini may repeat the metadata
with every event, growing; they are read when a candidate finishes, and nothing is given out twice. Imports this room's
leaves only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pipeline.ingest.leaf import Payload, count, mapping, objects, text

_METADATA: Final = ("groundingMetadata", "citationMetadata", "urlContextMetadata")
_LISTED: Final = frozenset({"groundingChunks", "groundingSupports"})
_QUERIES: Final = ("webSearchQueries", "imageSearchQueries")


class Sourced(NamedTuple):
    """Sources that were not given out before."""

    annotations: list[Payload]
    results: list[Payload]
    items: list[Payload]


class Sources:
    """The metadata of one candidate."""

    def __init__(self) -> None:
        """Begin without any."""
        self._latest: dict[str, Payload] = {}
        self._given: set[str] = set()

    def note(self, candidate: Payload) -> None:
        """Keep what an event says; later metadata replace earlier ones of their kind."""
        self._latest |= {name: mapping(candidate[name]) for name in _METADATA if mapping(candidate.get(name))}

    @property
    def searches(self) -> int:
        """Queries that were made for the answer."""
        grounding = self._latest.get("groundingMetadata", {})
        return sum(len(grounding[name]) for name in _QUERIES if isinstance(grounding.get(name), list))

    def flush(self, answer: str) -> Sourced:
        """What is new since the last time.

        Args:
            answer: The text so far.
        """
        grounding = self._latest.get("groundingMetadata", {})
        sources = [_source(chunk) for chunk in objects(grounding.get("groundingChunks"))]
        body = answer.encode(errors="surrogatepass")
        notes = [*_supported(grounding, sources, body), *_cited(self._latest.get("citationMetadata", {}), body)]
        rest = {name: value for name, value in grounding.items() if name not in _LISTED}
        url_context = self._latest.get("urlContextMetadata")
        items = [
            *([{"groundingMetadata": rest}] if rest else []),
            *([{"urlContextMetadata": url_context}] if url_context else []),
        ]
        annotations = [{"type": "url_citation", "url_citation": note} for note in notes]
        return Sourced(self._new(annotations), sources if self._new(sources) else [], self._new(items))

    def _new(self, found: list[Payload]) -> list[Payload]:
        keys = [json.dumps(entry, sort_keys=True) for entry in found]
        fresh = [entry for key, entry in zip(keys, found, strict=True) if key not in self._given]
        self._given.update(keys)
        return fresh


def _source(chunk: Payload) -> Payload:
    """A grounding chunk as a search result: it holds one object, named by where it was found (web, maps …)."""
    kind, found = next(((name, value) for name, value in chunk.items() if isinstance(value, dict)), (None, {}))
    names = {
        "title": text(found.get("title")),
        "url": text(found.get("uri")) or text(found.get("sourceUri")),
        "snippet": text(found.get("text")),
        "source": kind,
    }
    return {**found, **{name: value for name, value in names.items() if value is not None}}


def _supported(grounding: Payload, sources: list[Payload], body: bytes) -> Iterator[Payload]:
    """One citation for each source that supports a segment of the answer."""
    for support in objects(grounding.get("groundingSupports")):
        segment = mapping(support.get("segment"))
        quoted = text(segment.get("text"))
        place = _place(segment, body, quoted)
        listed: Any = support.get("groundingChunkIndices")
        indexes = [index for index in map(count, listed if isinstance(listed, list) else []) if index is not None]
        known = [sources[index] for index in indexes if index < len(sources)]
        for source in known or [{}]:
            named: Payload = {name: source[name] for name in ("url", "title") if name in source}
            yield {**named, **({} if quoted is None else {"text": quoted}), **place}


def _cited(metadata: Payload, body: bytes) -> Iterator[Payload]:
    """Recitations: `citationSources` of the Gemini API, `citations` of Vertex."""
    for name in ("citationSources", "citations"):
        for citation in objects(metadata.get(name)):
            rest = {key: value for key, value in citation.items() if key not in ("uri", "startIndex", "endIndex")}
            url = text(citation.get("uri"))
            yield {**rest, **({} if url is None else {"url": url}), **_place(citation, body, None)}


def _place(segment: Payload, body: bytes, quoted: str | None) -> Payload:
    """Characters from start to end; under Gemini's own names where its bytes are not those of the answer."""
    start, end = count(segment.get("startIndex")) or 0, count(segment.get("endIndex"))
    if end is None:
        return {}
    try:
        before, inside = body[:start].decode(), body[start:end].decode()
    except UnicodeDecodeError:
        inside = None
    if inside is None or not start <= end <= len(body) or (quoted is not None and inside != quoted):
        return {"startIndex": start, "endIndex": end}
    return {"start_index": len(before), "end_index": len(before) + len(inside)}
