"""Image streams."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.output import Output
from pipeline.core.streams import CONTENT, FOLDS
from tests.unit.core.streams.build import Json, chunk, payload_of, times

STREAM = "image.generation"


def part(data: str | None, place: int | None = None, **fields: Any) -> Json:
    """A preview, or a piece of one base64 text when it has no place."""
    return {"type": "image_generation.partial_image", "b64_json": data, "partial_image_index": place, **fields}


def completed(data: str | None = None, **fields: Any) -> Json:
    """A finished image."""
    return {"type": "image_generation.completed", "b64_json": data, **fields}


def fold(*payloads: tuple[int | None, int, Json | None]) -> Output:
    """The output of payloads given as (image_index, chunk_index, payload), in fold order."""
    return FOLDS[STREAM]([chunk(STREAM, payload, index, image_index=image) for image, index, payload in payloads])


def images(*payloads: Json) -> list[Json]:
    """The images of a stream that has one."""
    output = fold(*((None, index, payload) for index, payload in enumerate(payloads)))
    data: list[Json] = (output.image_generation_output or {})["data"]
    return data


@pytest.mark.parametrize("kind", ["image_generation", "image_edit"])
def test_the_completed_event_gives_the_image(kind: str) -> None:
    """S-IMG-1: as data or as a link, with the prompt as it was revised."""
    assert images(part("cA==", 0), completed("ZmluYWw=", type=f"{kind}.completed", revised_prompt="a cat")) == [
        {"b64_json": "ZmluYWw=", "revised_prompt": "a cat", "index": 0}
    ]
    assert images(part("cA==", 0), completed(url="https://img.example/1.png")) == [
        {"url": "https://img.example/1.png", "index": 0}
    ]


def test_a_repeated_completion_is_one_image() -> None:
    """S-IMG-2: the last one that holds an image."""
    assert images(completed("YQ=="), completed("Yg=="), completed()) == [{"b64_json": "Yg==", "index": 0}]


def test_all_images_come_back_by_index() -> None:
    """S-IMG-3: sorted, an absent index is 0; the request is completed when every image is."""
    both = fold((None, 1, completed("YQ==")), (2, 0, completed("Yg==")))
    one = fold((0, 0, completed("YQ==")), (1, 0, part("cA==", 0)))

    assert (both.image_generation_output or {})["data"] == [
        {"b64_json": "YQ==", "index": 0},
        {"b64_json": "Yg==", "index": 2},
    ]
    assert (both.finish_reason, both.terminal) == ("completed", True)
    assert (one.finish_reason, one.terminal) == (None, False)


def test_without_completion_the_latest_preview_stands() -> None:
    """S-IMG-4: the highest partial_image_index, never previews glued together."""
    assert images(part("MA==", 0), part("Mg==", 2), part("MQ==", 1), part("Mg==", 2), part(None, 3)) == [
        {"b64_json": "Mg==", "index": 0}
    ]
    assert images(part("LTE=", -1)) == [{"b64_json": "LTE=", "index": 0}]


@given(st.text("abcd", min_size=1), st.lists(st.integers(0, 20)))
def test_pieces_of_one_text_are_joined(text: str, cuts: list[int]) -> None:
    """S-IMG-5: chunks without partial_image_index, however it was cut, finished or not."""
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [part(text[start:end]) for start, end in pairwise(places)]

    assert images(*pieces, completed()) == images(*pieces) == [{"b64_json": text, "index": 0}]


def test_previews_and_pieces_are_not_mixed() -> None:
    """S-IMG-4, S-IMG-5: a finished text of pieces is the image; an unfinished one is less than a preview."""
    mixed = [part("cHJl", 0), part("aa"), part("bb")]

    assert images(*mixed, completed()) == [{"b64_json": "aabb", "index": 0}]
    assert images(*mixed) == [{"b64_json": "cHJl", "index": 0}]
    assert images(part("cHJl", 0), completed()) == [{"b64_json": "cHJl", "index": 0}]


def test_parameters_and_usage_are_those_of_the_highest_chunk() -> None:
    """S-IMG-7, S-IMG-8: by chunk_index over all images, each field from the highest chunk that has it."""
    parameters = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024"}
    output = fold(
        (0, 5, completed("YQ==", id="i", created_at=17, usage={"total_tokens": 2}, **parameters)),
        (1, 4, completed("Yg==", id="old", usage={"total_tokens": 1}, size="1x1")),
        (1, 6, part("cA==", 0, size=None)),
    )

    assert output.image_generation_output == {
        "id": "i",
        "created": 17,
        "data": [{"b64_json": "YQ==", "index": 0}, {"b64_json": "Yg==", "index": 1}],
        **parameters,
        "usage": {"total_tokens": 2},
    }


def test_data_is_never_null() -> None:
    """WIRE §11: without an image it is empty; an image that only began is not listed, one that was finished is."""
    usage = fold((None, 0, {"usage": {"total_tokens": 1}}))

    assert usage.image_generation_output == {"data": [], "usage": {"total_tokens": 1}}
    assert usage.finish_reason is None
    assert images(part(None, 0)) == []
    assert images(completed()) == [{"index": 0}]


def test_errors_keep_what_came() -> None:
    """S-ERR-1, S-ERR-5: the error event, and an error beside the payload."""
    cut = fold((None, 0, part("cA==", 0)), (None, 1, {"type": "error", "error": {"error": {"message": "safety"}}}))
    beside = FOLDS[STREAM]([chunk(STREAM, completed("YQ=="), error={}), chunk(STREAM, None, 1)])

    assert (cut.error or {})["error"]["message"] == "safety"
    assert (cut.image_generation_output or {})["data"] == [{"b64_json": "cA==", "index": 0}]
    assert cut.finish_reason is None
    assert (beside.image_generation_output, beside.error) == (None, None)


def test_content_is_an_image_or_a_part_of_one() -> None:
    """CONTRACT §2, time_to_first_content: previews count."""
    output = fold((None, 0, part(None, 0)), (None, 1, part("cA==", 0)), (None, 2, completed(url="u")))
    payloads = [part("cA==", 0), completed(url="u"), completed()]

    assert times(output) == [1, 2]
    assert [CONTENT[STREAM](payload_of(STREAM, one)) for one in payloads] == [True, True, False]
