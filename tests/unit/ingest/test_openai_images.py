"""openai-images: which image an event belongs to, and when all are there."""

from typing import Any

from pipeline.ingest.openai_images import ImageStream
from tests.unit.ingest.streams import feed, response, translate


def partial(number: int, kind: str = "image_generation", **fields: Any) -> dict[str, Any]:
    """A preview."""
    return {"type": f"{kind}.partial_image", "partial_image_index": number, "b64_json": "cA==", **fields}


def completed(kind: str = "image_generation", **fields: Any) -> dict[str, Any]:
    """A finished image."""
    return {"type": f"{kind}.completed", "b64_json": "Zg==", **fields}


def places(chunks: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """(image_index, chunk_index) of each chunk."""
    return [(chunk["image_index"], chunk["chunk_index"]) for chunk in chunks]


def test_image_after_image_is_numbered_from_their_completions() -> None:
    """OpenAI names no image: previews belong to the image whose completion follows, chunks count per image."""
    chunks = translate(
        "openai-images", partial(0), partial(1), completed(), partial(0), completed(usage={"total_tokens": 9})
    )

    assert places(chunks) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert [chunk["is_final"] for chunk in chunks] == [False] * 4 + [True]
    assert chunks[0]["response"] == partial(0)
    assert {chunk["stream_type"] for chunk in chunks} == {"image.generation"}


def test_an_image_that_is_named_is_believed() -> None:
    """Interleaved images keep apart by whatever index their events have."""
    chunks = translate(
        "openai-images", partial(0, image_index=1), partial(0, index=0), completed(output_index=1), completed()
    )

    assert places(chunks) == [(1, 0), (0, 0), (1, 1), (0, 1)]
    assert chunks[-1]["is_final"]


def test_a_nameless_event_goes_to_the_lowest_image_that_is_open() -> None:
    """An image that was completed gets nothing more without being named."""
    chunks = translate("openai-images", completed(image_index=0), completed(image_index=1), partial(0))

    assert places(chunks) == [(0, 0), (1, 0), (2, 0)]
    assert not chunks[-1]["is_final"]


def test_an_index_that_is_none_is_passed_over() -> None:
    """Null, negative, true and text are no index."""
    chunks = translate("openai-images", partial(0, image_index=None, index=-1), completed(index=True, output_index="1"))

    assert places(chunks) == [(0, 0), (0, 1)]


def test_the_end_is_when_every_image_seen_is_completed() -> None:
    """A preview without its completion leaves the stream open."""
    stream = ImageStream()
    feed(stream, partial(0, image_index=0), partial(0, image_index=1), completed(image_index=0))
    assert not stream.ended

    feed(stream, completed(image_index=1))
    assert stream.ended


def test_edits_are_images_and_the_type_may_be_the_event_s_name() -> None:
    """image_edit.* is treated like image_generation.*; the model is taken if it is there."""
    stream = ImageStream()

    assert response(feed(stream, {"b64_json": "Zg==", "model": "gpt-image"}, name="image_edit.completed")) == {
        "type": "image_edit.completed",
        "b64_json": "Zg==",
        "model": "gpt-image",
    }
    assert stream.model == "gpt-image"
    assert stream.ended


def test_what_is_of_no_image_gives_no_chunk() -> None:
    """A keep-alive must not look like an image that never ends."""
    assert feed(ImageStream(), {"type": "keepalive"}, {"x": 1}) == []


def test_an_error_belongs_to_the_image_that_was_being_made() -> None:
    """It becomes the chunk's error and ends the stream."""
    chunks = translate("openai-images", partial(0), completed(), {"type": "error", "error": {"message": "safety"}})

    assert places(chunks) == [(0, 0), (0, 1), (1, 0)]
    assert chunks[-1]["error"]["error"] == {"message": "safety"}
    assert chunks[-1]["response"] is None
    assert chunks[-1]["is_final"]
