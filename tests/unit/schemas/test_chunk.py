"""The envelope is that of CONTRACT §1."""

from typing import get_args

import pytest

from schemas.chunk import CHUNKS, NO_ATTEMPT, SCHEMA_VERSION, Chunk, StreamChunk, StreamType

ENVELOPE = {
    *("schema_version", "request_id", "stream_type", "chunk_index", "timestamp", "start_timestamp", "provider"),
    *("model", "is_final", "image_index", "response", "error", "cost", "raw_request", "labels", "attempt"),
}


@pytest.mark.parametrize("stream_type", list(StreamType))
def test_every_stream_type_has_the_envelope_of_the_contract(stream_type: StreamType) -> None:
    """One class per stream type, each with the same fields, four of them required."""
    model = CHUNKS[stream_type]

    assert set(model.model_fields) == ENVELOPE
    assert {name for name, info in model.model_fields.items() if info.is_required()} == {
        *("request_id", "stream_type", "chunk_index", "timestamp"),
    }


def test_the_union_holds_every_class() -> None:
    """Chunk is any of the six."""
    assert set(get_args(Chunk)) == set(CHUNKS.values())


def test_defaults_are_those_of_the_contract() -> None:
    """Version 1, not final, no labels; an absent attempt is known from attempt 0."""
    fields = StreamChunk.model_fields

    assert fields["schema_version"].default == SCHEMA_VERSION == 1
    assert fields["is_final"].default is False
    assert fields["labels"].get_default(call_default_factory=True) == {}
    assert fields["attempt"].default == NO_ATTEMPT
