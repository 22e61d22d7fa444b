"""What the fold asks of the price list, heard as it asks; so the lines of a price need no second way to it.

Imports the core's questions.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from pipeline.core.valuation import Call, Pricer, Valuation

Json = dict[str, Any]


@runtime_checkable
class Itemising(Protocol):
    """A price list that tells the lines of a price: tuples with names, one for each unit that was charged."""

    def quote(self, call: Call) -> Any:
        """The price of a call, its `lines` beside it."""
        ...


class _Heard:
    """The price list, with a note of each question."""

    def __init__(self, pricer: Pricer, calls: list[Call]) -> None:
        self._pricer, self._calls = pricer, calls

    def price(self, call: Call) -> Any:
        """The price list's answer."""
        self._calls.append(call)
        return self._pricer.price(call)


class Listener:
    """Stands between the fold and its price list.

    Attributes:
        valuation: what the fold is given instead: the same answers.
    """

    def __init__(self, valuation: Valuation) -> None:
        """Listen, if there is a price list."""
        self._pricer = valuation.pricer
        self._calls: list[Call] = []
        heard = None if self._pricer is None else _Heard(self._pricer, self._calls)
        self.valuation = valuation._replace(pricer=heard)

    def take(self) -> list[Call]:
        """What was asked since the last time."""
        taken = list(self._calls)
        self._calls.clear()
        return taken

    def lines(self, call: Call) -> list[Json]:
        """The lines of a call's price, as JSON: decimals are texts; none where the price list tells none."""
        pricer: object = self._pricer
        if not isinstance(pricer, Itemising):
            return []
        lines = pricer.quote(call).lines
        return [{name: _plain(value) for name, value in line._asdict().items()} for line in lines]


def _plain(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value
