"""Identity, order and equality of chunks (CONTRACT §1)."""

from typing import Any

import pytest

from pipeline.core.identity import FLOATING, NO_IMAGE, Slot, order_of, same_payload, slot_of
from pipeline.core.signs import DATA, ERROR, MARKER, USAGE
from pipeline.testing.chunk import CHAT, IMAGE, Document, chat, chunk, encoded, error, image, marker, moment, usage
from schemas.chunk import Chunk
from schemas.decode import decode


def decoded(document: Document) -> Chunk:
    """A chunk as it comes from the topic."""
    return decode(encoded(document))


@pytest.mark.parametrize(
    ("attempt", "kind", "picture", "expected"),
    [
        pytest.param(FLOATING, DATA, None, Slot(0, DATA, NO_IMAGE), id="no attempt is attempt 0"),
        pytest.param(FLOATING, USAGE, 2, Slot(0, USAGE, 2), id="also for usage"),
        pytest.param(FLOATING, ERROR, None, Slot(0, ERROR, NO_IMAGE), id="also for errors"),
        pytest.param(FLOATING, MARKER, None, Slot(FLOATING, MARKER, NO_IMAGE), id="a marker floats"),
        pytest.param(0, MARKER, None, Slot(0, MARKER, NO_IMAGE), id="a marker with attempt 0 does not"),
        pytest.param(3, DATA, 0, Slot(3, DATA, 0), id="image 0 is not no image"),
    ],
)
def test_the_slot_is_attempt_kind_and_image(attempt: int, kind: int, picture: int | None, expected: Slot) -> None:
    """Indexes are counted within (attempt, kind, image_index), so that no usage, error or marker meets data."""
    assert slot_of(attempt, kind, picture) == expected


def test_chunks_fold_in_index_order() -> None:
    """Ascending chunk_index; ties by image_index, then data, usage, error, marker (CONTRACT §1)."""
    expected = [chat(0, "a"), chat(1, "b"), usage(1), error(1), marker(1), chat(1, "c", image_index=0), chat(2)]

    found = sorted(map(decoded, reversed(expected)), key=order_of(CHAT))

    assert found == list(map(decoded, expected))


def test_images_fold_by_image_then_index() -> None:
    """Each image is put together by itself (S-ORD-1)."""
    expected = [image(0, None, "YQ=="), image(1, 0, "Yg=="), image(0, 1, "Yw=="), image(5, 1, "ZA==")]

    found = sorted(map(decoded, reversed(expected)), key=order_of(IMAGE))

    assert found == list(map(decoded, expected))


@pytest.mark.parametrize(
    ("stream_type", "pair"),
    [
        pytest.param(CHAT, [marker(6), marker(6, attempt=1)], id="a floating marker and one of the highest attempt"),
        pytest.param(IMAGE, [image(1, None, "YQ=="), image(1, 0, "YQ==")], id="image 0 with and without its name"),
    ],
)
def test_no_two_identities_are_equal_in_order(stream_type: str, pair: list[Document]) -> None:
    """A tie would leave the order, and so the record, to the delivery (G3)."""
    first, second = map(decoded, pair)

    assert sorted([second, first], key=order_of(stream_type)) == [first, second]
    assert sorted([first, second], key=order_of(stream_type)) == [first, second]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param({}, True, id="equal"),
        pytest.param({"timestamp": moment(9_999)}, True, id="another timestamp"),
        pytest.param({"attempt": 0}, True, id="attempt 0 written out"),
        pytest.param({"is_final": False, "labels": {}, "cost": None}, True, id="defaults written out"),
        pytest.param({"unknown": 1}, True, id="an unknown field"),
        pytest.param({"is_final": True}, False, id="another end"),
        pytest.param({"cost": 0.1}, False, id="another cost"),
        pytest.param({"labels": {"tenant": "a"}}, False, id="another label"),
        pytest.param({"response": {"choices": []}}, False, id="another payload"),
    ],
)
def test_a_repeat_has_the_same_payload(change: Document, same: bool) -> None:
    """All but the timestamp must be equal; an absent attempt is attempt 0."""
    first = chat(0, "a")

    assert same_payload(decoded(first), decoded(first | change)) is same


@pytest.mark.parametrize(
    ("extra", "other", "same"),
    [
        pytest.param({"latency": 3}, {"latency": 4}, True, id="another latency"),
        pytest.param({"latency": 3}, None, True, id="latency or nothing"),
        pytest.param({"latency": 3, "raw_response": "x"}, {"latency": 4, "raw_response": "x"}, True, id="same raw"),
        pytest.param({"raw_response": "x"}, {"raw_response": "y"}, False, id="another raw"),
    ],
)
def test_the_latency_of_a_delivery_is_not_compared(extra: Any, other: Any, same: bool) -> None:
    """extra_fields.latency is stamped anew with every delivery (CONTRACT §1)."""
    first, second = (chunk(0, {"choices": [], "extra_fields": fields}) for fields in (extra, other))

    assert same_payload(decoded(first), decoded(second)) is same


def test_comparing_changes_neither_chunk() -> None:
    """What is left out for the comparison stays in the chunks."""
    document = chunk(0, {"choices": [], "extra_fields": {"latency": 3}})
    first, second = decoded(document), decoded(document)

    same_payload(first, second)

    assert first == decoded(document)
