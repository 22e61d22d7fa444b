"""Sums over records, by what somebody asks for and in all.

Owns that they are exact: by model, by provider and in all they are the same. One pass over the records, whatever is
asked for. Imports this room and errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import Final

from pipeline.errors import UsageError
from pipeline.ops.live.told import Told
from pipeline.ops.live.view import OTHERS, MoneyRow

LABEL: Final = "label."
"""What stands before a label's name where money is grouped by it."""

_EXACT: Final = Context(prec=200)
"""Digits of a sum; amounts have at most 17 digits, but of any size."""

Group = tuple[str | None, ...]
"""Values of what was asked for, in its order."""


@dataclass(slots=True)
class Sum:
    """Sums over some records."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    incomplete: int = 0
    errors: int = 0
    duplicates: int = 0
    gaps: int = 0
    late: int = 0

    def add(self, told: Told) -> None:
        """One record more; within a context of enough digits."""
        box = told.box
        self.requests += 1
        self.tokens_in += box.tokens_in or 0
        self.tokens_out += box.tokens_out or 0
        if box.cost is None:
            self.unpriced += 1
        else:
            self.cost += box.cost
        if box.status != "success":
            self.incomplete += box.status == "incomplete"
            self.errors += box.status == "error"
        self.duplicates += told.duplicates
        if told.missing:
            self.gaps += len(told.missing)
        self.late += told.late

    def row(self, key: str | None) -> MoneyRow:
        """As the row of a table."""
        return MoneyRow(key, self.requests, self.tokens_in, self.tokens_out, self.cost, self.unpriced, self.incomplete)


def sums(records: Iterable[Told], names: Sequence[str]) -> Mapping[Group, Sum]:
    """Sums by all the names at once: `model`, `provider`, `label.NAME`.

    Raises:
        UsageError: there is no such thing to group by.
    """
    readers = [_reader(name) for name in names]
    found: dict[Group, Sum] = {}
    with localcontext(_EXACT):
        for told in records:
            group = tuple([read(told) for read in readers])
            held = found.get(group)
            if held is None:
                held = found[group] = Sum()
            held.add(told)
    return found


def merged(parts: Iterable[Sum]) -> Sum:
    """Several in one."""
    whole = Sum()
    with localcontext(_EXACT):
        for part in parts:
            for name in Sum.__slots__:
                setattr(whole, name, getattr(whole, name) + getattr(part, name))
    return whole


def rows(found: Mapping[Group, Sum], place: int, most: int) -> tuple[MoneyRow, ...]:
    """The sums by one of the names, the dearest first.

    Args:
        found: By all names.
        place: Which of the names.
        most: Lines; with more the cheapest are one line, the last.
    """
    groups: dict[str | None, list[Sum]] = {}
    for group, part in found.items():
        groups.setdefault(group[place], []).append(part)
    by_key = {key: merged(parts) for key, parts in groups.items()}
    ranked = sorted(by_key, key=lambda key: (-by_key[key].cost, -by_key[key].requests, key or ""))
    if len(ranked) <= most:
        return tuple(by_key[key].row(key) for key in ranked)
    shown, rest = ranked[: most - 1], ranked[most - 1 :]
    return (*(by_key[key].row(key) for key in shown), merged(by_key[key] for key in rest).row(OTHERS))


def _reader(name: str) -> Callable[[Told], str | None]:
    if name == "model":
        return lambda told: told.model
    if name == "provider":
        return lambda told: told.provider
    if name.startswith(LABEL) and len(name) > len(LABEL):
        label = name.removeprefix(LABEL)
        return lambda told: told.labels.get(label)
    raise UsageError(f"money can't be grouped by {name!r}", hint=f"there are model, provider and {LABEL}NAME")
