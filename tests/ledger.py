"""One source partition in memory, driven by hand: chunks in at append times, records and dead letters out.

Whatever comes out is held to the contract: every record validates against the record model and, where it has been
generated, the JSON Schema; every dead letter has a reason of the closed list.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import jsonschema
from jsonschema.protocols import Validator

import schemas
from pipeline.core.partition import Partition
from pipeline.core.policy import Policy
from pipeline.core.rows import DeadLetter, MemoryRows, Outgoing, SourceRecord
from pipeline.core.valuation import UNVALUED, Valuation
from pipeline.testing.chunk import SENT, Document, encoded
from schemas.deadletter import DeadLetterReason
from schemas.record import RECORD_FIELDS, AccumulatedData

START: Final = int(SENT.timestamp() * 1000)
"""Append time 0 of tests, ms since the epoch."""

TOPIC: Final = "llm.chunks"
NUMBER: Final = 3


class _Watched(Partition):
    """A partition that tells what it finalized."""

    closed: list[tuple[str, str | None, int]]

    def finalize(self, request_id: str) -> None:
        """Note what closed the request, and when."""
        head = self.closing.get(request_id)
        if head is not None:
            self.closed.append((request_id, head.closed_by, head.closed_at - START))
        super().finalize(request_id)


class Ledger:
    """A partition with its store, what it gave out so far, and when each request closed."""

    def __init__(self, policy: Policy | None = None, valuation: Valuation = UNVALUED) -> None:
        """Start empty."""
        self.policy = policy or Policy()
        self.valuation = valuation
        self.rows = MemoryRows()
        self.closed: list[tuple[str, str | None, int]] = []
        self.partition = self._partition()
        self.records: list[Document] = []
        self.outgoing: list[Outgoing] = []
        self.dead: list[DeadLetter] = []

    def _partition(self) -> Partition:
        partition = _Watched(self.policy, self.rows, TOPIC, NUMBER, valuation=self.valuation)
        partition.closed = self.closed
        return partition

    def send(
        self,
        *chunks: Mapping[str, Any] | bytes | None,
        at: int = 0,
        key: bytes | Any | None = ...,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> Self:
        """Append chunks at `at` ms; their key is their request id unless told."""
        records = []
        for offset, document in enumerate(chunks, self.partition.position):
            value = document if document is None or isinstance(document, bytes) else encoded(document)
            own = str(document["request_id"]).encode() if isinstance(document, Mapping) else b"r-1"
            records.append(SourceRecord(own if key is ... else key, value, offset, START + at, headers))
        self.partition.apply(records, self.partition.position + len(records))
        return self._drain()

    def until(self, at: int) -> Self:
        """Let append time pass."""
        self.partition.expire(START + at)
        return self._drain()

    def end(self) -> Self:
        """End of input."""
        self.partition.close_now()
        return self._drain()

    def checkpoint(self) -> Self:
        """Take a snapshot and put it into the store."""
        snapshot = self.partition.snapshot()
        if snapshot is not None:
            self.rows.write(snapshot)
            self.partition.settled()
        return self

    def restart(self) -> Self:
        """Lose the working set and load it from the store: what came after the last checkpoint is gone."""
        self.partition = self._partition()
        self.partition.load()
        return self._drain()

    @property
    def record(self) -> Document:
        """The only record."""
        (only,) = self.records
        return only

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """(reason, source offset) of the dead letters, in order."""
        return [(letter.reason, letter.offset) for letter in self.dead]

    @property
    def closings(self) -> list[tuple[str | None, int]]:
        """(closed_by, ms) of the closings, in order."""
        return [(cause, at) for _, cause, at in self.closed]

    def _drain(self) -> Self:
        for request_id in list(self.partition.closing):
            self.partition.finalize(request_id)
        outgoing, dead = self.partition.take_output()
        self.outgoing += outgoing
        self.records += [valid(record.value) for record in outgoing]
        self.dead += dead
        for letter in dead:
            DeadLetterReason(letter.reason)
        return self


def fold(*chunks: Mapping[str, Any], policy: Policy | None = None, valuation: Valuation = UNVALUED) -> Document:
    """The one record of chunks that arrive together, at the end of input."""
    return Ledger(policy, valuation).send(*chunks).end().record


def valid(value: bytes | None) -> Document:
    """A record as a document, once it has been held to the contract."""
    document: Document = json.loads(value or b"")
    AccumulatedData.model_validate_json(value or b"")
    assert tuple(document) == RECORD_FIELDS
    validator = record_schema()
    if validator is not None:
        validator.validate(document)
    return document


@cache
def record_schema() -> Validator | None:
    """The generated JSON Schema of records, if `make schemas` has made it."""
    found = sorted(Path(schemas.__file__).parent.glob("generated/**/*ccumulated*.schema.json"))
    if not found:
        return None
    schema = json.loads(found[0].read_text())
    kind = jsonschema.validators.validator_for(schema)
    checked: Validator = kind(schema)
    return checked
