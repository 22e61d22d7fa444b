"""The tier that served an attempt, wherever it is told."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.facts import attempt_of
from pipeline.testing.chunk import Document, chunk, encoded, event, speech
from schemas.decode import decode


def completed(**response: Any) -> Document:
    """The end of a response."""
    return event(0, "response.completed", fields={"response": response})


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param([chunk(0, {"service_tier": "flex"}), chunk(1, {"usage": {}})], "flex", id="beside the choices"),
        pytest.param([chunk(0, {"service_tier": "auto"}), chunk(1, {"service_tier": ""})], "auto", id="empty is none"),
        pytest.param(
            [chunk(0, {"service_tier": "auto"}), chunk(1, {"usage": {"service_tier": "batch", "speed": 5}})],
            "batch",
            id="inside the usage",
        ),
        pytest.param(
            [chunk(0, {"service_tier": "standard", "speed": "fast"}), chunk(1, {"choices": []})], "fast", id="fast"
        ),
        pytest.param([chunk(0, {"service_tier": "priority", "speed": "standard"})], "priority", id="not fast"),
        pytest.param([completed(service_tier="default", usage={"speed": "fast"})], "fast", id="fast responses"),
        pytest.param([completed(service_tier=5, usage=None)], None, id="odd leaves"),
        pytest.param([event(0, "response.ping")], None, id="no response"),
        pytest.param([speech(0, b"a")], None, id="speech has none"),
    ],
)
def test_the_newest_word_counts_and_fast_is_a_tier(chunks: list[Document], expected: str | None) -> None:
    """S-META-6, SYMPTOMS 12: served, not asked for; fast is what its price list calls a tier of its own."""
    found = attempt_of(0, [decode(encoded(document)) for document in chunks], chunks[0]["stream_type"])

    assert found.service_tier == expected
