"""Your own prices: negotiated ones, and those that the price list does not have.

Owns which entry of an overlay counts for a call; `pipeline.pricing.overlay_file` reads the file.  An entry stands by
itself: what it does not price is not taken from the price list.  Imports the rates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cached_property
from typing import NamedTuple

from pipeline.pricing.provider import KNOWN, plain_name
from pipeline.pricing.rates import Rates

Address = tuple[str, str]
"""(provider, model): the provider by its id in the price list or in plain form, the model in lower case."""


class Period(NamedTuple):
    """The prices of a model from some time on, by service tier."""

    begin: datetime | None
    tiers: Mapping[str, Rates]


@dataclass(frozen=True)
class Entry:
    """A model of the overlay, or with `*` in its name several; periods stand in the order of time."""

    provider: str
    model: str
    periods: Sequence[Period]

    @property
    def price_id(self) -> str:
        """What records call it."""
        return f"{self.provider}/{self.model}"

    def rates(self, at: datetime, tier: str) -> Rates | None:
        """The prices of a tier at a time; None where the overlay has none and the price list is asked."""
        begun = [period for period in self.periods if period.begin is None or period.begin <= at]
        return begun[-1].tiers.get(tier) if begun else None


@dataclass(frozen=True)
class Overlay:
    """A whole file.

    Attributes:
        path: where it was read.
        version: as the file names itself.
        hash: SHA-256 of its bytes, first 16 hex digits.
        entries: by address; those with `*` too.
        aliases: ids of the price list by the plain form of your own providers' names.
    """

    path: str
    version: str | None
    hash: str
    entries: Mapping[Address, Entry]
    aliases: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def providers(self) -> frozenset[str]:
        """Providers that have entries."""
        return frozenset(provider for provider, _ in self.entries)

    @cached_property
    def _patterns(self) -> list[Entry]:
        """Entries with `*`, the most exact first."""
        found = [entry for entry in self.entries.values() if "*" in entry.model]
        return sorted(found, key=lambda entry: (-len(entry.model), entry.model))

    def provider(self, name: str) -> str:
        """A provider by its id in the price list, as far as it has one."""
        plain = plain_name(name)
        return self.aliases.get(plain) or KNOWN.get(plain) or plain

    def find(self, provider: str, model: str) -> Entry | None:
        """The entry of exactly this model."""
        return self.entries.get((provider, model.lower()))

    def find_pattern(self, provider: str, model: str) -> Entry | None:
        """The most exact entry with `*` that fits."""
        name = model.lower()
        return next((e for e in self._patterns if e.provider == provider and fnmatchcase(name, e.model)), None)
