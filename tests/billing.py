"""Records by hand, and databases filled with them through the row that every sink writes.

Imports the examples of the schemas and what a row is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from pipeline.sinks.line import row_of
from pipeline.sinks.row import COLUMNS
from pipeline.sinks.writer import Writer

Record = dict[str, Any]

EXAMPLES: Final = Path(__file__).parents[1] / "schemas/examples"
_PLACES: Final = 3
"""Columns behind a record's own: where on the record topic it was read."""


def example(name: str) -> Record:
    """The record of an example whose file begins so."""
    (path,) = (path for path in EXAMPLES.rglob("*.accumulated.json") if path.name.startswith(name))
    read: Record = json.loads(path.read_text(encoding="utf-8"))
    return read


def record(
    request_id: str, *, cost: str | None = None, tokens: tuple[int, int] | None = None, **changes: Any
) -> Record:
    """A record of a request; `changes` are fields of it, and its id follows from its revision.

    Args:
        request_id: Of the request.
        cost: In USD, as `cost_details` has it; None: unpriced.
        tokens: Of prompt and completion; None: no usage.
        changes: Fields.
    """
    usage = None
    if tokens is not None:
        usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    details = {"currency": "USD", "total": cost, "source": "catalog", "reason": None if cost else "no_usage"}
    made = example("tool-call") | {
        "request_id": request_id,
        "labels": {},
        "token_usage": usage,
        "cost": None if cost is None else float(cost),
        "cost_details": details,
        **changes,
    }
    return made | {"record_id": f"{request_id}/{made['revision']}"}


def fill(writer: Writer, records: Iterable[Record]) -> None:
    """Put records into a migrated database."""
    places = ", ".join(f"${number}" for number in range(1, len(COLUMNS) + _PLACES + 1))
    with writer.transaction():
        for offset, each in enumerate(records):
            statement = f"INSERT INTO records VALUES ({places})"  # noqa: S608 (numbers only)
            writer.change(statement, (*row_of(json.dumps(each).encode()), "records", 0, offset))


def planted(writer: Writer, records: Iterable[Record]) -> None:
    """Put content of records into a migrated database: for each a document that says nothing."""
    columns = writer.query(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'contents' ORDER BY ordinal_position"
    )
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    statement = f"INSERT INTO contents VALUES ({places})"  # noqa: S608 (numbers only)
    for offset, each in enumerate(records):
        values = {"record_id": each["record_id"], "request_id": each["request_id"], "document": "{}"}
        numbers = {"record_offset": offset, "record_partition": 0}
        writer.change(statement, [values.get(name, numbers.get(name, "records")) for (name,) in columns])
