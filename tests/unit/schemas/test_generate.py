"""Generated files are what the models and topics say, and say it in JSON Schema 2020-12."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas import generate
from schemas.chunk import CHUNKS
from schemas.deadletter import DeadLetter, DeadLetterReason
from schemas.generate import DIALECT, FOLDER, SCHEMAS, files, main, stale, write


def test_the_committed_files_are_fresh() -> None:
    """`make schemas` would change nothing."""
    assert stale() == []


def test_there_is_a_file_for_all_that_is_described() -> None:
    """The chunk union, each stream type's chunk, the record, the dead letter, and the AsyncAPI document."""
    assert {path.name for path in FOLDER.iterdir()} == {
        *("chunk.schema.json", "accumulated.schema.json", "dead-letter.schema.json", "asyncapi.yaml"),
        *(f"{stream_type}.chunk.schema.json" for stream_type in CHUNKS),
    }


def _schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((FOLDER / f"{name}.schema.json").read_bytes())
    return schema


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_every_schema_is_valid_2020_12(name: str) -> None:
    """The dialect is named, the schema is one, and all its references resolve in the file."""
    schema = _schema(name)

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert schema["$id"] == f"urn:streamledger:schema:{name}:1"
    references = {part.split('"')[0] for part in json.dumps(schema).split('"$ref": "')[1:]}
    assert {reference.removeprefix("#/$defs/") for reference in references} <= schema["$defs"].keys()


def test_fields_are_described_by_their_docstrings() -> None:
    """Units and meanings reach readers without Python, also of inherited fields."""
    record, chunk = _schema("accumulated")["properties"], _schema("responses.chunk")["properties"]

    assert record["latency"]["description"].startswith("Milliseconds")
    assert record["cost"]["description"].startswith("USD")
    assert chunk["chunk_index"]["description"].startswith("Position")
    assert "title" not in record["latency"]


def test_an_absent_attempt_is_0_for_readers() -> None:
    """That it can be told from 0 is our own affair."""
    assert _schema("chat.completion.chunk")["properties"]["attempt"]["default"] == 0


def test_a_dead_letter_line_validates() -> None:
    """What `fold` prints is described."""
    line = json.loads(DeadLetter.of(DeadLetterReason.CONFLICT, "other content", value=b"{}").line())

    assert list(Draft202012Validator(_schema("dead-letter")).iter_errors(line)) == []
    assert not Draft202012Validator(_schema("dead-letter")).is_valid(line | {"reason": "boring"})


def test_files_are_written_once_and_then_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--check tells what is stale and changes nothing; writing makes it fresh and removes what nobody generates."""
    folder = tmp_path / "generated"

    assert main(["--check"], folder) == 1
    assert not folder.exists()
    assert write(folder) == sorted(files())

    (folder / "asyncapi.yaml").write_text("old", encoding="utf-8")
    (folder / "orphan.schema.json").write_text("{}", encoding="utf-8")
    capsys.readouterr()
    assert main(["--check"], folder) == 1
    assert capsys.readouterr().out == "stale: asyncapi.yaml\nstale: orphan.schema.json\n"
    assert main([], folder) == 0
    assert capsys.readouterr().out == "wrote: asyncapi.yaml\nwrote: orphan.schema.json\n"
    assert main(["--check"], folder) == 0
    assert capsys.readouterr().out == ""


def test_it_runs_as_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m schemas.generate --check` says by its exit code that all is fresh."""
    monkeypatch.setattr("sys.argv", ["generate", "--check"])

    with pytest.raises(SystemExit) as ended:
        runpy.run_path(generate.__file__, run_name="__main__")
    assert ended.value.code == 0


def test_generation_is_deterministic() -> None:
    """The same models give the same bytes."""
    assert files() == files()
