"""The views that every database of records has: what people ask of a ledger, ready to select from.

Owns their SQL, in the words that both databases understand or once for each. Imports nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class View(NamedTuple):
    """One view.

    Attributes:
        name: In the database.
        what: One sentence, shown as its comment.
        duckdb: The SELECT in DuckDB.
        postgres: The SELECT in PostgreSQL; None: the same.
    """

    name: str
    what: str
    duckdb: str
    postgres: str | None = None


VIEWS: Final = (
    View(
        "latest_records",
        "One row for each request: its highest revision, which is what counts for a bill.",
        "SELECT r.* FROM records r WHERE NOT EXISTS "
        "(SELECT 1 FROM records newer WHERE newer.request_id = r.request_id AND newer.revision > r.revision)",
    ),
)
"""In the order in which they are made: a view may stand on the ones before it."""
