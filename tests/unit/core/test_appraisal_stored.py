"""What an attempt cost where its answer was there before, or was not kept."""

from typing import Any

import pytest

from pipeline.core.policy import Policy
from pipeline.core.valuation import Valuation
from pipeline.testing.chunk import USAGE, Document, event, image, marker
from tests.ledger import fold
from tests.unit.core.test_appraisal import Asked, money, said


def retrieved(**changes: Any) -> Document:
    """A stored response that is read again, with the usage of the first time."""
    usage_ = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7} | changes.pop("usage", {})
    fields = {
        "response": {"id": "resp_1", "usage": usage_},
        "extra_fields": {"request_type": "responses_retrieve_stream"},
    }
    return event(0, "response.completed", fields=fields, is_final=True, **changes)


@pytest.mark.parametrize(
    ("chunk_", "expected"),
    [
        (retrieved(), said(None, None, "retrieved")),
        (retrieved(cost=0), said("0", "gateway")),
        (retrieved(cost=0.5), said("0.5", "gateway")),
        (retrieved(usage={"cost": 0.25}), said("0.25", "provider")),
    ],
)
def test_a_response_that_is_read_again_is_not_priced_again(chunk_: Document, expected: Document) -> None:
    """Symptom 32: its usage was billed with the request that made it; a zero is right, and what is stated stays."""
    assert money(chunk_) == expected


@pytest.mark.parametrize(
    ("chunks", "count"),
    [
        ([image(0, 0, "YQ=="), image(1, 0, "YQ=="), image(0, 1, "YQ==")], 2),
        ([image(0, 0, "YQ==", done=True), image(0, 1, "YQ==")], 1),
        ([image(0, 0, usage=USAGE), marker(1, stream_type="image.generation", image_index=0)], None),
    ],
)
@pytest.mark.parametrize("capture", ["full", "metadata"])
def test_images_are_counted_without_being_kept(capture: Any, chunks: list[Document], count: int | None) -> None:
    """Cost does not depend on `capture` (G7)."""
    prices = Asked()
    fold(*chunks, policy=Policy(capture=capture), valuation=Valuation(prices))

    assert prices.calls[0].units.images == count
