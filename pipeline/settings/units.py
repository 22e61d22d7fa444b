"""Durations and sizes as people write them: text to integer and back, without loss.

Owns the grammar of CONTRACT §6 (`500ms`, `2s`, `24h`; `64KiB`, `8MiB`). A value is whole milliseconds or whole bytes:
nothing is ever rounded. Imports the standard library and pydantic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

_NUMBER: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([A-Za-z]*)", re.ASCII)


@dataclass(frozen=True)
class Unit:
    """One family of units; `scale` goes from the smallest to the largest and every factor divides the next."""

    noun: str
    examples: str
    scale: tuple[tuple[str, int], ...]
    bare: bool
    """Whether a number without a unit is unambiguous (bytes are; `30` as a time is not)."""
    also: tuple[tuple[str, int], ...] = ()
    """Units that are understood but never printed, so that a printed value looks as in CONTRACT §6: `300s`."""

    def parse(self, value: object) -> int:
        """The integer a setting's text means; an int is taken as already converted.

        Raises ValueError, with examples, for text that is no amount, has no unit where one is needed, or is no whole
        number of the smallest unit.
        """
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        match = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            message = f"not a {self.noun}; write for example {self.examples}"
            raise ValueError(message)
        number, unit = Fraction(match[1]), match[2].lower()
        if not unit and (self.bare or number == 0):
            unit = self.scale[0][0].lower()
        factor = next((size for name, size in self.scale + self.also if name.lower() == unit), None)
        if factor is None:
            wrong = f"has the unknown unit {match[2]}" if unit else "has no unit"
            message = f"{wrong}; write for example {self.examples}"
            raise ValueError(message)
        amount = number * factor
        if amount.denominator != 1:
            message = f"is finer than one {self.scale[0][0]}"
            raise ValueError(message)
        return int(amount)

    def show(self, amount: int) -> str:
        """The amount in the largest unit that leaves no fraction: 5_400_000 ms is `5400s`; `parse` reads it back."""
        name, factor = next((name, size) for name, size in reversed(self.scale) if amount % size == 0)
        return f"{amount // factor}{name}" if amount else f"0{self.scale[0][0]}"


DURATION: Final = Unit(
    "duration",
    "500ms, 2s, 5m or 24h",
    (("ms", 1), ("s", 1_000), ("h", 3_600_000)),
    bare=False,
    also=(("m", 60_000), ("d", 86_400_000)),
)
SIZE: Final = Unit(
    "size", "512KiB, 8MiB or 1GiB", (("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)), bare=True
)

Duration = Annotated[int, DURATION, BeforeValidator(DURATION.parse), Field(le=DURATION.parse("8760h"))]
"""Milliseconds, up to a year: what is longer is a slip of the hand and would not fit the state's row formats."""

Size = Annotated[int, SIZE, BeforeValidator(SIZE.parse), Field(le=SIZE.parse("1024GiB"))]
"""Bytes, up to a tebibyte, for the same reason."""
