"""From a round of chaos to the books: nothing is found, and then exactly what was planted."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from pipeline.ops.demo.worker import environment
from pipeline.settings import Settings
from pipeline.testing.chunk import Document
from tests.chaos.run import Options, chaos
from tests.integration.engine.harness import Seen, committed
from tests.integration.spoiling import altered, copied, mispriced

SECONDS: Final = 120.0
NOTHING: Final = {"missing": 0, "duplicate": 0, "different": 0, "mispriced": 0}


def told(settings: Settings, *arguments: str) -> tuple[int, Document]:
    """Exit status and JSON of a command of this project."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments, "--json"],
        env=environment(settings),
        capture_output=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.stdout, done.stderr.decode()
    document: Document = json.loads(done.stdout.splitlines()[-1] if arguments[0] == "sink" else done.stdout)
    return done.returncode, document


@pytest.mark.integration
@pytest.mark.chaos
def test_from_chaos_to_the_books(postgres: str, tmp_path: Path) -> None:
    """Both databases hold the topic, a replay differs in nothing, no comparison finds anything; then four faults."""

    async def downstream(settings: Settings) -> None:
        await asyncio.to_thread(_books, settings, [str(tmp_path / "records.duckdb"), postgres])

    asked = Options(seed=31, minutes=0.2, faults=("kill", "emptied"), per_second=250, grace=5_000, then=downstream)
    report = asyncio.run(chaos(asked))
    assert report.passed, report.table()


def _books(settings: Settings, databases: Sequence[str]) -> None:
    records = asyncio.run(committed(settings, settings.record_topic))
    assert len(records) > 100
    for name, db in zip(("duckdb", "postgres"), databases, strict=True):
        assert told(settings, "sink", name, "--db", db, "--once")[1]["rows"] == len(records)
        code, found = told(settings, "reconcile", "--db", db)
        assert (code, found["findings"]) == (0, NOTHING), found["listed"][:3]
    code, diff = told(settings, "replay", "--diff")
    assert code == 0, diff
    assert diff["diff"]["counts"]["same"] == len(records)
    code, found = told(settings, "reconcile")
    assert (code, found["findings"]) == (0, NOTHING), found["listed"][:3]
    spoiled, planted = _planted(settings, records)
    code, found = told(spoiled, "reconcile")
    assert (code, {(each["class"], each["request_id"]) for each in found["listed"]}) == (1, planted)
    assert found["findings"] == dict.fromkeys(NOTHING, 1)


def _planted(settings: Settings, records: Sequence[Seen]) -> tuple[Settings, set[tuple[str, Any]]]:
    """A copy of the record topic with one record lost, doubled, altered and mispriced; which."""
    documents = [json.loads(record.value or b"") for record in records]
    revisions = Counter(document["request_id"] for document in documents)
    chosen: dict[str, str] = {}
    copy: list[Seen] = []
    for record, document in zip(records, documents, strict=True):
        name = document["request_id"]
        kind = _next(chosen, document) if revisions[name] == 1 else None
        if kind is not None:
            chosen[kind] = name
        match kind:
            case "missing":
                pass
            case "duplicate":
                copy += [record, record]
            case "different":
                copy.append(replace(record, value=altered(document)))
            case "mispriced":
                copy.append(replace(record, value=mispriced(document)))
            case _:
                copy.append(record)
    return copied(settings, copy), set(chosen.items())


def _next(chosen: Document, document: Document) -> str | None:
    """What may be planted into a record and has not been yet."""
    usage, plain = document["token_usage"] or {}, document["attempts"] is None
    countable = plain and usage.get("completion_tokens") and usage.get("total_tokens")
    stated = plain and document["cost"] and document["cost_details"]["source"] == "gateway"
    fitting = {"missing": True, "duplicate": True, "different": countable and stated, "mispriced": stated}
    return next((kind for kind, fits in fitting.items() if fits and kind not in chosen), None)
