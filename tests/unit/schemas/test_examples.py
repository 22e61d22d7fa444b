"""The examples are the specification: each validates, decodes, and the chunks fold into the records."""

import json
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from pipeline.core.accumulator import Accumulator
from pipeline.pricing import valuation
from pipeline.settings import Settings
from schemas.chunk import CHUNKS, StreamType
from schemas.generate import FOLDER as GENERATED
from schemas.identity import record_id
from schemas.record import NOT_CANONICAL, RECORD_FIELDS, AccumulatedData
from tests.unit.schemas import examples
from tests.unit.schemas.decoders import both

MOVING = {"config_digest", "digest", "source"}
"""Fields that depend on settings and on where the chunks lay."""


def _still(record: dict[str, Any]) -> dict[str, Any]:
    """A record without what moves with settings, places and releases of the price list."""
    kept = {name: value for name, value in record.items() if name not in MOVING}
    return kept | {"cost_details": kept["cost_details"] | {"price_version": None, "price_hash": None}}


def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((GENERATED / f"{name}.schema.json").read_bytes()))


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_every_stream_type_has_examples() -> None:
    """At least two chunks and one record of each, with the end of a stream and a usage."""
    chunks = Counter(path.parent.name for path in examples.CHUNKS)
    records = Counter(path.parent.name for path in examples.RECORDS)

    assert chunks.keys() == records.keys() == set(StreamType)
    assert min(chunks.values()) >= 2
    for stream_type in StreamType:
        ends = [_read(path) for path in examples.CHUNKS if path.parent.name == stream_type]
        assert any(chunk.get("is_final") for chunk in ends)
        assert any("usage" in json.dumps(chunk) for chunk in ends)


def test_the_examples_show_errors_markers_attempts_and_gaps() -> None:
    """What is rare is shown, too."""
    chunks = [_read(path) for path in examples.CHUNKS]
    records = [_read(path) for path in examples.RECORDS]

    assert any("error" in chunk for chunk in chunks)
    assert any(chunk.get("is_final") and not {"error", "response"} & chunk.keys() for chunk in chunks)
    assert any(chunk.get("attempt") for chunk in chunks)
    assert any(record["missing_indexes"] for record in records)
    assert {record["status"] for record in records} == {"success", "error", "incomplete"}
    assert any(record["revision"] for record in records)
    assert any(record["choices"] for record in records)
    assert any(record["tool_calls"] for record in records)


@pytest.mark.parametrize("path", examples.CHUNKS, ids=examples.place)
def test_a_chunk_example_validates_and_decodes(path: Path) -> None:
    """Against the union and its own schema; both decoders read it without an anomaly."""
    document = _read(path)
    chunk = both(path.read_bytes())

    assert chunk.stream_type == path.parent.name
    assert chunk.anomalies == 0
    for name in ("chunk", f"{path.parent.name}.chunk"):
        assert list(_validator(name).iter_errors(document)) == []


@pytest.mark.parametrize("path", examples.RECORDS, ids=examples.place)
def test_a_record_example_validates_and_is_read(path: Path) -> None:
    """Every field in schema order; the model gives back what it read."""
    document = _read(path)
    record = AccumulatedData.model_validate_json(path.read_bytes())

    assert tuple(document) == RECORD_FIELDS
    assert list(_validator("accumulated").iter_errors(document)) == []
    assert json.loads(record.model_dump_json(exclude_unset=True)) == document
    assert record.stream_type == path.parent.name


@pytest.mark.parametrize("path", examples.RECORDS, ids=examples.place)
def test_a_record_example_proves_itself(path: Path) -> None:
    """record_id is that of ledger `main`, digest that of the canonical record."""
    document = _read(path)
    canonical = {name: value for name, value in document.items() if name not in NOT_CANONICAL}

    assert document["record_id"] == record_id("main", document["request_id"], document["revision"])
    assert document["digest"] == sha256(msgspec.json.encode(canonical)).hexdigest()


@pytest.mark.parametrize(("path", "chunks"), examples.streams().items(), ids=str)
def test_the_chunks_of_an_example_fold_into_its_record(path: Path, chunks: list[Path]) -> None:
    """Text, tokens, finish, times and evidence as written in the example."""
    accumulator = Accumulator(valuation=valuation(Settings()))
    for chunk in chunks:
        answer = accumulator.process(chunk.read_bytes())
    data = answer.data or accumulator.flush(answer.request_id).data

    assert data is not None
    folded = json.loads(data.model_dump_json(exclude_unset=True))
    assert _still(folded) == _still(_read(path))


@pytest.mark.parametrize("name", list(CHUNKS))
def test_a_chunk_of_another_type_does_not_validate(name: str) -> None:
    """The schemas tell the stream types apart, and the union takes exactly one of them."""
    document = _read(next(path for path in examples.CHUNKS if path.parent.name == name))

    for other in CHUNKS:
        assert _validator(f"{other}.chunk").is_valid(document) is (other == name)
    assert not _validator("chunk").is_valid(document | {"stream_type": "chat.telepathy"})
    assert not _validator("chunk").is_valid(document | {"request_id": "a\nb"})
