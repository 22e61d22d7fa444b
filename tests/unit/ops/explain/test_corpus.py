"""Every conformance case and every recorded stream explained: the record is the fold's, and no origin is a guess.

Both lie outside of the repository: where STREAMLEDGER_CASES and STREAMLEDGER_RECORDINGS say, else in ../shared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline.core.policy import Policy
from pipeline.ops.explain.document import explanation
from pipeline.ops.explain.numbers import UNSURE
from tests.integration.engine.corpus import recordings, shared
from tests.unit.ops.explain.telling import gather, records


def cases() -> Mapping[str, list[Any]]:
    """Chunks of the cases with their clock."""
    files = sorted(shared("cases").glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8"))["chunks"] for file in files}


def corpus() -> Iterator[tuple[str, list[bytes]]]:
    """Name and lines of each."""
    for found in (cases(), recordings()):
        for name, chunks in found.items():
            yield name, [each.encode() if isinstance(each, str) else json.dumps(each).encode() for each in chunks]


@pytest.mark.parametrize("capture", ["full", "metadata"])
def test_every_record_is_the_folds_and_every_number_names_its_chunks(capture: Any) -> None:
    """Counts aside, a value has a chunk; what an estimate gave says so."""
    policy, explained = Policy(capture=capture), 0
    for name, lines in corpus():
        for request_id in {record["request_id"] for record in records(lines, policy)}:
            gathered = gather(lines, request_id, policy=policy)
            made = [record for record in records(lines, policy) if record["request_id"] == request_id]
            document = explanation(gathered, content=False)
            explained += 1

            assert [closing.record for closing in gathered.watch.closings] == made, name
            for number in document["numbers"]:
                where = f"{name} {number['field']}"
                assert UNSURE not in number["note"], where
                named = number["chunks"] or number["value"] in (None, 0) or number["field"] == "chunk_count"
                assert named or "estimated" in number["meaning"], where
    if not explained:
        pytest.skip(f"neither cases nor recordings at {shared('cases').parent}; STREAMLEDGER_CASES names another place")
