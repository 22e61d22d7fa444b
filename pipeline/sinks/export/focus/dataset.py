"""Rows of a FOCUS dataset: one for each charge, or gathered by hour or day.

Gathered are charges that are alike in everything but what is summed; unit prices are among what has to be alike, so
price × quantity is the cost of a gathered row, too. Owns that. Imports columns and charges.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final

from pipeline.core.cost import EXACT
from pipeline.sinks.export.entry import Entry
from pipeline.sinks.export.focus.charge import Charge, Tariff
from pipeline.sinks.export.focus.columns import COLUMNS, GATHERED, Accounts, Column, Row, span_of

PERIODS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
"""By what rows are gathered."""

Values = tuple[Any, ...]


@dataclass
class Seen:
    """What a dataset is made of.

    Attributes:
        records: how many.
        unpriced: those whose costs are null.
        repeats: records that came again, and were left out.
    """

    records: int = 0
    unpriced: int = 0
    repeats: int = 0


class Dataset:
    """Rows out of entries, each entry once: in a sum nobody could find what stood twice in the topic.

    What was seen is remembered, about 100 bytes a record.

    Attributes:
        columns: of its rows.
        seen: so far.
    """

    def __init__(self, tariff: Tariff, accounts: Accounts, by: timedelta | None = None) -> None:
        """Gather by periods of a length, or not."""
        self._tariff, self._accounts, self._by = tariff, accounts, by
        self.columns: tuple[Column, ...] = COLUMNS
        if by is not None:
            self.columns = (*(column for column in COLUMNS if not column.single), GATHERED)
        self.seen = Seen()
        self._summed = [at for at, column in enumerate(self.columns) if column.summed]
        self._sums: dict[Values, list[Any]] = {}
        self._ids: set[bytes] = set()

    def add(self, entry: Entry) -> Iterable[Values]:
        """Rows that are ready; none where they are gathered, and none of what was there before."""
        identity = blake2b(entry.id.encode(), digest_size=16).digest()
        if identity in self._ids:
            self.seen.repeats += 1
            return ()
        self._ids.add(identity)
        self.seen.records += 1
        charges = self._tariff.charges(entry)
        self.seen.unpriced += charges[0].cost is None
        rows = [self._values(charge) for charge in charges]
        if self._by is None:
            return rows
        for row in rows:
            self._gather(row)
        return ()

    def rest(self) -> Iterator[Values]:
        """Rows that were gathered, in the order of what they are of."""
        for key in sorted(self._sums, key=lambda key: [("" if value is None else str(value)) for value in key]):
            row, sums = list(key), self._sums[key]
            for at, total in zip(self._summed, sums, strict=True):
                row[at] = total
            yield tuple(row)
        self._sums.clear()

    def _values(self, charge: Charge) -> Values:
        row = Row(charge, span_of(charge, self._by), self._accounts)
        return tuple(column.take(row) for column in self.columns)

    def _gather(self, row: Values) -> None:
        """Add to the row that is alike; where something is null in one, it is null in both."""
        key = tuple(value is None if self.columns[at].summed else value for at, value in enumerate(row))
        sums = self._sums.get(key)
        if sums is None:
            self._sums[key] = [row[at] for at in self._summed]
            return
        for index, at in enumerate(self._summed):
            sums[index] = _plus(sums[index], row[at])


def _plus(first: Decimal | int | None, second: Decimal | int | None) -> Decimal | int | None:
    if first is None or second is None:
        return None
    if isinstance(first, int) and isinstance(second, int):
        return first + second
    return EXACT.add(Decimal(first), Decimal(second))
