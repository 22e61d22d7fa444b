"""What the fold asks of the outside: the price of a call, and the tokens of a text that nobody counted.

Both are pure functions of their arguments and of data that was read at the start, so a replay with the same data gives
the same record.  Owns the questions and the shape of the answers; `pipeline.pricing` answers them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple, Protocol

from pipeline.core.cost import Price
from pipeline.core.output import Json


class Call(NamedTuple):
    """One attempt of a request, as far as its price depends on it.

    Attributes:
        provider, model: as the chunks name them.
        stream_type: of the request.
        at: when the request was sent; list prices have dates.
        usage: normalised (pipeline.core.usage); input includes cache reads and writes, output includes reasoning.
        service_tier: served tier, as the chunks name it.
    """

    provider: str | None
    model: str | None
    stream_type: str
    at: datetime
    usage: Json
    service_tier: str | None


class Unpriced(NamedTuple):
    """Why a call has no price: a short constant, and what it was about."""

    reason: str


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
