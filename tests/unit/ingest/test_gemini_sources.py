"""What Gemini grounds its answers with: where quotes stand, and that nothing comes twice."""

import pytest

from pipeline.ingest.gemini_sources import Sourced, Sources
from pipeline.ingest.leaf import Payload

CHUNKS = [
    {"web": {"uri": "https://a.example/r", "title": "a.example"}},
    {"retrievedContext": {"title": "Notes", "text": "Cologne lies on the Rhine.", "fileSearchStore": "s/1"}},
    {"maps": {"uri": "https://maps.example/1", "title": "Dom", "placeId": "p1"}},
]


def flushed(answer: str, **metadata: Payload) -> Sourced:
    """All that these metadata give for an answer."""
    sources = Sources()
    sources.note(metadata)
    return sources.flush(answer)


def support(start: int | None, end: int | None, text: str | None, *indexes: object) -> Payload:
    """A segment of the answer and the chunks that support it; zeros are left out, as by protocol buffers."""
    segment = {"startIndex": start, "endIndex": end, "text": text}
    return {
        "segment": {name: value for name, value in segment.items() if value is not None},
        "groundingChunkIndices": list(indexes),
    }


def test_quotes_are_counted_in_characters() -> None:
    """Gemini counts bytes of UTF-8; one annotation for each source of a segment (WIRE §5)."""
    grounding: Payload = {
        "groundingChunks": CHUNKS,
        "groundingSupports": [support(None, 5, "Köln", 0), support(6, 14, "am Rhein", 1, 0)],
    }

    assert [note["url_citation"] for note in flushed("Köln am Rhein", groundingMetadata=grounding).annotations] == [
        {"url": "https://a.example/r", "title": "a.example", "text": "Köln", "start_index": 0, "end_index": 4},
        {"title": "Notes", "text": "am Rhein", "start_index": 5, "end_index": 13},
        {"url": "https://a.example/r", "title": "a.example", "text": "am Rhein", "start_index": 5, "end_index": 13},
    ]


@pytest.mark.parametrize(("start", "end", "text"), [(0, 5, "Bonn"), (0, 2, None), (3, 99, None), (9, 3, None)])
def test_a_place_outside_of_the_answer_keeps_geminis_names(start: int, end: int, text: str | None) -> None:
    """Bytes that do not hold the quote, or cut a character, are no characters of the answer."""
    grounding: Payload = {"groundingSupports": [support(start, end, text)]}
    (note,) = flushed("Köln am Rhein", groundingMetadata=grounding).annotations

    assert note["url_citation"] == {**({"text": text} if text else {}), "startIndex": start, "endIndex": end}


def test_a_segment_without_end_or_known_source_is_kept() -> None:
    """An index that leads nowhere is none, and a quote is worth keeping without a place."""
    grounding: Payload = {"groundingChunks": CHUNKS[:1], "groundingSupports": [support(None, None, "K", 7, "x", -1)]}

    assert flushed("K", groundingMetadata=grounding).annotations == [
        {"type": "url_citation", "url_citation": {"text": "K"}}
    ]


def test_chunks_are_search_results() -> None:
    """Under WIRE's names beside their own, which say more."""
    assert flushed("", groundingMetadata={"groundingChunks": [*CHUNKS, {}, "odd"]}).results == [
        {"uri": "https://a.example/r", "title": "a.example", "url": "https://a.example/r", "source": "web"},
        {
            "title": "Notes",
            "text": "Cologne lies on the Rhine.",
            "fileSearchStore": "s/1",
            "snippet": "Cologne lies on the Rhine.",
            "source": "retrievedContext",
        },
        {
            "uri": "https://maps.example/1",
            "title": "Dom",
            "placeId": "p1",
            "url": "https://maps.example/1",
            "source": "maps",
        },
        {},
    ]


def test_what_else_the_metadata_say_is_an_item() -> None:
    """Queries, the entry point that has to be shown, and what was fetched."""
    grounding = {"webSearchQueries": ["q"], "searchEntryPoint": {"renderedContent": "<p>"}, "groundingChunks": []}
    fetched = {"urlMetadata": [{"retrievedUrl": "https://a.example", "urlRetrievalStatus": "OK"}]}

    assert flushed("", groundingMetadata=grounding, urlContextMetadata=fetched).items == [
        {"groundingMetadata": {"webSearchQueries": ["q"], "searchEntryPoint": {"renderedContent": "<p>"}}},
        {"urlContextMetadata": fetched},
    ]


@pytest.mark.parametrize("name", ["citationSources", "citations"])
def test_recitations_are_annotations(name: str) -> None:
    """The Gemini API and Vertex name the list differently; a licence is kept."""
    cited = {"startIndex": 1, "endIndex": 3, "uri": "https://a.example", "license": "mit"}

    assert flushed("abcd", citationMetadata={name: [cited, {"title": "Book"}]}).annotations == [
        {
            "type": "url_citation",
            "url_citation": {"license": "mit", "url": "https://a.example", "start_index": 1, "end_index": 3},
        },
        {"type": "url_citation", "url_citation": {"title": "Book"}},
    ]


def test_what_grew_is_given_out_once() -> None:
    """Metadata may come with every event, each time whole."""
    sources = Sources()
    first: Payload = {"groundingChunks": CHUNKS[:1], "groundingSupports": [support(None, 2, "ab", 0)]}
    more = {
        **first,
        "groundingSupports": [*first["groundingSupports"], support(2, 3, "c", 0)],
        "webSearchQueries": ["q"],
    }

    sources.note({"groundingMetadata": first})
    before = sources.flush("ab")
    sources.note({"groundingMetadata": {}})
    sources.note({"groundingMetadata": more})
    after = sources.flush("abc")

    assert (len(before.annotations), len(before.results), before.items) == (1, 1, [])
    assert [note["url_citation"]["text"] for note in after.annotations] == ["c"]
    assert (after.results, after.items) == ([], [{"groundingMetadata": {"webSearchQueries": ["q"]}}])
    assert sources.flush("abc") == Sourced([], [], [])
    assert sources.searches == 1


def test_queries_are_counted_for_the_bill() -> None:
    """Searches are priced apart from tokens; without metadata there was none."""
    sources = Sources()
    assert sources.searches == 0

    sources.note({"groundingMetadata": {"webSearchQueries": ["a", "b"], "imageSearchQueries": ["c"]}})
    assert sources.searches == 3

    sources.note({"groundingMetadata": {"webSearchQueries": "odd", "retrievalQueries": ["d"]}})
    assert sources.searches == 0
