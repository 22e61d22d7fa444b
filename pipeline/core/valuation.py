"""What the fold asks of the outside: the price of a call, and the tokens of a text that nobody counted.

Both are pure functions of their arguments and of data that was read at the start, so a replay with the same data gives
the same record.  Owns the questions and the shape of the answers; `pipeline.pricing` answers them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple, Protocol

from pipeline.core.cost import Price, Unpriced
from pipeline.core.output import Json

__all__ = ["UNVALUED", "Call", "Estimator", "Price", "Pricer", "Units", "Unpriced", "Valuation"]


class Units(NamedTuple):
    """What an attempt used beside tokens; null where nobody says.

    Attributes:
        characters: of the text that was to be spoken.
        seconds: of sound.
        images: finished ones.
        tools: calls of tools that the provider itself ran, by unit: web_searches, file_searches, code_executions,
            image_generations.
    """

    characters: int | None = None
    seconds: Decimal | None = None
    images: int | None = None
    tools: Mapping[str, int] | None = None


class Call(NamedTuple):
    """One attempt of a request, as far as its price depends on it.

    Attributes:
        provider, model: as the chunks name them.
        stream_type: of the request.
        at: when the request was sent; list prices have dates.
        usage: normalised (pipeline.core.usage); input includes cache reads and writes, output includes reasoning.
        service_tier: served tier, as the chunks name it.
        units: what was used beside tokens.
    """

    provider: str | None
    model: str | None
    stream_type: str
    at: datetime
    usage: Json | None
    service_tier: str | None
    units: Units = Units()


class Pricer(Protocol):
    """A price list."""

    def price(self, call: Call) -> Price | Unpriced:
        """What a call costs; never a zero for what is not known to be free."""
        ...


class Estimator(Protocol):
    """A tokenizer."""

    def tokens(self, model: str | None, text: str) -> int:
        """How many tokens a text is, about."""
        ...


class Valuation(NamedTuple):
    """The answers that a fold may use; without a price list only what chunks state is known."""

    pricer: Pricer | None = None
    estimator: Estimator | None = None


UNVALUED: Final = Valuation()
