"""The public face of the contract, and the seed's vocabulary in it."""

import subprocess
import sys

import pytest

import schemas
from schemas.chunk import StreamType
from schemas.record import AccumulatedData, ProcessedStreamResponse


def test_every_public_name_resolves() -> None:
    """What __all__ promises is there."""
    for name in schemas.__all__:
        assert getattr(schemas, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name is told like one of any module."""
    with pytest.raises(AttributeError, match="no attribute 'AcumulatedData'"):
        _ = schemas.AcumulatedData


def test_importing_the_package_loads_no_model() -> None:
    """Who needs the topics only does not wait for pydantic models to be built."""
    script = "import sys, schemas; sys.exit('schemas.record' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    "name",
    [
        *("AccumulatedData", "ProcessedStreamResponse", "StreamType", "ChatStreamChunk", "AudioStreamChunk"),
        *("ImageStreamChunk", "ResponsesStreamChunk", "TranscriptionStreamChunk"),
    ],
)
def test_the_types_of_the_seed_are_public(name: str) -> None:
    """Who knows the seed finds its types under its names."""
    assert name in schemas.__all__


def test_stream_types_are_those_of_the_seed() -> None:
    """Six stream types, spelt as on the wire."""
    assert [str(kind) for kind in StreamType] == [
        "text.completion",
        "chat.completion",
        "audio.speech",
        "image.generation",
        "audio.transcription",
        "responses",
    ]


def test_the_record_begins_with_the_fields_of_the_seed() -> None:
    """AccumulatedData's fields in the seed's order and spelling, then what ProcessedStreamResponse adds."""
    seed = [
        *("request_id", "model", "status", "stream", "latency", "time_to_first_token", "start_timestamp"),
        *("end_timestamp", "output_message", "output_messages", "tool_calls", "error_details", "token_usage"),
        *("cache_debug", "cost", "audio_output", "transcription_output", "image_generation_output"),
        *("finish_reason", "raw_response"),
    ]
    assert list(AccumulatedData.model_fields)[: len(seed)] == seed
    assert list(AccumulatedData.model_fields)[len(seed) :][:3] == ["raw_request", "provider", "stream_type"]


def test_the_processed_response_has_the_fields_of_the_seed() -> None:
    """ProcessedStreamResponse in the seed's order and spelling."""
    assert list(ProcessedStreamResponse.model_fields) == [
        *("request_id", "stream_type", "provider", "model", "data", "raw_request"),
    ]
