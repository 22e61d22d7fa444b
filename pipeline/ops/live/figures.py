"""The records of the window, one for each request, and the sums that are made of them.

Owns how long they are kept, and that every sum is exact: by model, by provider and in all they are the same. Imports
this room and errors.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Context, Decimal, localcontext
from typing import Final, NamedTuple

from pipeline.errors import UsageError
from pipeline.ops.live.told import Key, Told
from pipeline.ops.live.view import OTHERS, MoneyRow

LABEL: Final = "label."
"""What stands before a label's name where money is grouped by it."""

LEEWAY_MS: Final = 60_000
"""Records are kept so much longer than the window: clocks differ, and partitions are read one after the other."""

_EXACT: Final = Context(prec=200)
"""Digits of a sum; amounts have at most 17 digits, but of any size."""


class Money(NamedTuple):
    """Sums over some records."""

    tokens_in: int
    tokens_out: int
    cost: Decimal
    unpriced: int
    incomplete: int


class Figures:
    """The newest record of each request that had one in the window."""

    def __init__(self, window_ms: int, most: int) -> None:
        """`most`: how many are kept."""
        self._window, self._most = window_ms, most
        self._newest: OrderedDict[Key, Told] = OrderedDict()
        self._latest = 0
        self._lost = 0

    def __contains__(self, key: Key) -> bool:
        return key in self._newest

    def of(self, key: Key) -> Told | None:
        """The newest record of a request."""
        return self._newest.get(key)

    def take(self, told: Told) -> None:
        """One more record."""
        known = self._newest
        if not told.supersedes(known.get(told.key)):
            return
        known[told.key] = told
        known.move_to_end(told.key)
        self._latest = max(self._latest, told.at)
        keep = self._latest - self._window - LEEWAY_MS
        while known:
            oldest = next(iter(known.values()))
            if oldest.at > keep and len(known) <= self._most:
                break
            known.popitem(last=False)
            if oldest.at > keep:
                self._lost = max(self._lost, oldest.at)

    def since(self, at: int) -> int:
        """Append time after which records count, seen from `at`: the window, or as far back as is kept."""
        return min(max(at - self._window, self._lost), at)

    def within(self, since: int) -> Iterable[Told]:
        """Records after `since`."""
        return (told for told in self._newest.values() if told.at > since)


def total(records: Sequence[Told]) -> Money:
    """Sums over records, to the last digit."""
    with localcontext(_EXACT):
        cost = sum((told.box.cost for told in records if told.box.cost is not None), Decimal(0))
    return Money(
        tokens_in=sum(told.box.tokens_in or 0 for told in records),
        tokens_out=sum(told.box.tokens_out or 0 for told in records),
        cost=cost,
        unpriced=sum(told.box.cost is None for told in records),
        incomplete=sum(told.box.status == "incomplete" for told in records),
    )


def money(records: Sequence[Told], names: Sequence[str], most: int) -> Mapping[str, tuple[MoneyRow, ...]]:
    """Usage and cost by each name: `model`, `provider`, `label.NAME`; the dearest first.

    Raises:
        UsageError: there is no such thing to group by.
    """
    return {name: _rows(records, _reader(name), most) for name in names}


def _reader(name: str) -> Callable[[Told], str | None]:
    if name == "model":
        return lambda told: told.model
    if name == "provider":
        return lambda told: told.provider
    if name.startswith(LABEL) and len(name) > len(LABEL):
        label = name.removeprefix(LABEL)
        return lambda told: told.labels.get(label)
    raise UsageError(f"money can't be grouped by {name!r}", hint=f"there are model, provider and {LABEL}NAME")


def _rows(records: Sequence[Told], read: Callable[[Told], str | None], most: int) -> tuple[MoneyRow, ...]:
    groups: dict[str | None, list[Told]] = {}
    for told in records:
        groups.setdefault(read(told), []).append(told)
    rest: list[Told] = []
    if len(groups) > most:
        # Which ones are shown is decided by their number of requests, so that not every one has to be summed first.
        ranked = sorted(groups, key=lambda key: (-len(groups[key]), key or ""))
        shown = set(ranked[: most - 1])
        rest = [told for key, found in groups.items() if key not in shown for told in found]
        groups = {key: groups[key] for key in shown}
    rows = [_row(key, found) for key, found in groups.items()]
    rows.sort(key=lambda row: (-row.cost, -row.requests, row.key or ""))
    return (*rows, _row(OTHERS, rest)) if rest else tuple(rows)


def _row(key: str | None, records: Sequence[Told]) -> MoneyRow:
    return MoneyRow(key, len(records), *total(records))
