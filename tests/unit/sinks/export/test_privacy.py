"""No export tells content, unless it is asked for (G7): texts planted in every place of every stream type."""

from __future__ import annotations

import io
import json
from typing import Any, Final

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from tests.integration.canaries import KEPT, STREAMS, found

EXPORTS: Final = (("cloudevents",), ("otlp",), ("otlp", "--spans"), ("focus",), ("focus", "--by", "hour"))


@pytest.fixture(scope="module")
def records() -> bytes:
    """The records of all streams, content captured, one of each revised."""
    chunks = [{**chunk, "request_id": name} for name, stream in STREAMS.items() for chunk in stream]
    lines = "".join(json.dumps(chunk) + "\n" for chunk in chunks)
    folded = CliRunner().invoke(main, ["fold", "-", "--dead-letters", "/dev/null"], input=lines)
    assert folded.exit_code == 1  # one stream has a conflict
    made: list[dict[str, Any]] = [json.loads(line) for line in io.StringIO(folded.stdout)]
    assert len(made) == len(STREAMS)
    delta = {"token_usage": None, "cost": 0.0}
    revised = [record | {"revision": 1, "supersedes": record["record_id"], "delta": delta} for record in made]
    return b"".join(json.dumps(record).encode() + b"\n" for record in made + revised)


@pytest.mark.parametrize("export", EXPORTS, ids=" ".join)
def test_no_export_tells_content(records: bytes, export: tuple[str, ...]) -> None:
    """Labels say who pays and are in it; of errors their type, never their text."""
    assert len(found([records])) > 30
    result = CliRunner().invoke(main, ["export", *export, "-"], input=records)
    assert result.exit_code == 0
    assert found([result.stdout_bytes]) <= {"label"} <= KEPT


def test_content_that_is_asked_for_is_there(records: bytes) -> None:
    """Else the search above would prove nothing."""
    result = CliRunner().invoke(main, ["export", "otlp", "-", "--content"], input=records)
    assert {"content", "reasoning", "arguments", "unfinished"} <= found([result.stdout_bytes])
