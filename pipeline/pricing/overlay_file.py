"""The overlay file: TOML, USD per million units throughout → entries, with an error for whatever can't be meant.

Owns the grammar and its error texts: file, table, key, and what to do.  Prices are read as decimals, never as floats.
Imports the units, the rates and the errors.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NoReturn

from pipeline.errors import UsageError
from pipeline.pricing.overlay import Address, Entry, Overlay, Period
from pipeline.pricing.provider import KNOWN, plain_name
from pipeline.pricing.rates import Rate, Rates
from pipeline.pricing.tier import STANDARD, tier_of
from pipeline.pricing.unit import KEYS, MILLION, MODALITIES, TOKENS

_TOP: Final = ("version", "providers", "models")
_ABOVE: Final = "above"
_WORDS: Final = ("from", "tiers", _ABOVE)
_DEAREST: Final = 1_000_000_000
"""USD per million units above which a price can't be meant."""

Prices = dict[str, Decimal]
Table = Mapping[str, Any]


def read(path: Path) -> Overlay:
    """Read an overlay.

    Raises:
        UsageError: there is no such file, it is not TOML, or something in it can't be meant; the text says where.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"price overlay {path}: {error.strerror}", hint="check price_overlay") from None
    try:
        document = tomllib.loads(data.decode(), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"price overlay {path} is not TOML: {error}", hint="see docker/prices.toml") from None
    return _File(path).overlay(document, hashlib.sha256(data).hexdigest()[:16])


class _File:
    """Turns one document into an overlay; knows where it is for the sake of errors."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def overlay(self, document: Table, digest: str) -> Overlay:
        self.known(document, _TOP, "")
        version = document.get("version")
        if version is not None and not isinstance(version, str):
            self.wrong("", "version", "must be a text", 'write version = "2026-04"')
        aliases = dict(self.alias(name, known) for name, known in self.table(document, "providers", "").items())
        entries: dict[Address, Entry] = {}
        for name, value in self.table(document, "models", "").items():
            entry = self.entry(name, value, aliases)
            if (entry.provider, entry.model) in entries:
                self.wrong(f'models."{name}"', None, "is there twice, in another spelling", "keep one of them")
            entries[entry.provider, entry.model] = entry
        return Overlay(str(self.path), version, digest, entries, aliases)

    def alias(self, name: str, known: Any) -> tuple[str, str]:
        found = KNOWN.get(plain_name(known)) if isinstance(known, str) else None
        if found is None:
            near = get_close_matches(str(known), KNOWN.values(), n=1)
            hint = f"did you mean {near[0]}?" if near else "`streamledger prices show` lists them"
            self.wrong("providers", name, f"{known!r} is no provider of the price list", hint)
        return plain_name(name), found

    def entry(self, name: str, value: Any, aliases: Mapping[str, str]) -> Entry:
        where = f'models."{name}"'
        provider, slash, model = name.partition("/")
        if not slash or not provider.strip() or not model.strip():
            self.wrong(where, None, "is no provider/model", 'write for example [models."openai/gpt-4o"]')
        tables = value if isinstance(value, list) else [value]
        if not tables or not all(isinstance(table, dict) for table in tables):
            self.wrong(where, None, "is no table of prices", f"write [{where}] and below it input = 2.50")
        periods = sorted((self.period(table, where) for table in tables), key=_begin)
        begins = [period.begin for period in periods]
        if len(set(begins)) < len(begins):
            self.wrong(where, "from", "two tables begin at the same time", "give each its own from = 2026-04-01")
        plain = plain_name(provider)
        return Entry(aliases.get(plain) or KNOWN.get(plain) or plain, model.strip().lower(), periods)

    def period(self, table: Table, where: str) -> Period:
        self.known(table, (*KEYS, *_WORDS), where)
        standard = self.prices(table, where)
        steps = self.steps(table, where)
        tiers = {STANDARD: self.rates(standard, steps, where)}
        for name, own in self.table(table, "tiers", where).items():
            place = f"{where}.tiers.{name}"
            if not isinstance(own, dict):
                self.wrong(place, None, "is no table of prices", f"write [{place}] and below it input = 1.25")
            self.known(own, (*KEYS, _ABOVE), place)
            more = self.steps(own, place) if _ABOVE in own else steps
            tiers[tier_of(name)] = self.rates(standard | self.prices(own, place), more, place)
        return Period(self.begin(table.get("from"), where), tiers)

    def begin(self, value: Any, where: str) -> datetime | None:
        """The beginning of a day in UTC, or a time with its zone."""
        if isinstance(value, datetime):
            if value.tzinfo is None:
                self.wrong(where, "from", "has no zone", "write a date, or a time such as 2026-04-01T00:00:00Z")
            return value.astimezone(UTC)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        if value is not None:
            self.wrong(where, "from", "is no date", "write from = 2026-04-01, without quotes")
        return None

    def prices(self, table: Table, where: str) -> Prices:
        return {key: self.price(value, where, key) for key, value in table.items() if key in KEYS}

    def price(self, value: Any, where: str, key: str) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self.wrong(where, key, "is no number", f"write {key} = 2.50, USD per million, without quotes")
        price = Decimal(value)
        if not price.is_finite() or not 0 <= price <= _DEAREST:
            self.wrong(where, key, f"{value} can't be a price", "prices are USD per million units, 0 or more")
        if 0 < price < Decimal(KEYS[key].least):
            meant = f"{price * MILLION:f}".rstrip("0").rstrip(".")
            self.wrong(where, key, f"{price:f} looks like the price of one", f"prices are per million: {key} = {meant}")
        return price

    def steps(self, table: Table, where: str) -> list[tuple[int, Prices]]:
        """(tokens, prices) of `above`, upwards."""
        found: dict[int, Prices] = {}
        steps = table.get(_ABOVE, [])
        if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
            self.wrong(where, _ABOVE, "is no list", "write above = [{ tokens = 200_000, input = 2.50 }]")
        for step in steps:
            place = f"{where}.{_ABOVE}"
            self.known(step, ("tokens", *KEYS), place)
            tokens = step.get("tokens")
            if type(tokens) is not int or tokens <= 0 or tokens in found:
                self.wrong(place, "tokens", "must be whole numbers that differ", "write tokens = 200_000")
            found[tokens] = self.prices(step, place)
        return sorted(found.items())

    def rates(self, prices: Prices, steps: Sequence[tuple[int, Prices]], where: str) -> Rates:
        if not prices:
            self.wrong(where, None, "has no price", "write input = … and output = …, 0 for what is free")
        for key in {key for _, step in steps for key in step} - prices.keys():
            self.wrong(f"{where}.{_ABOVE}", key, "has no price up to there", f"write {key} = … before it")
        rates = {
            key: Rate(KEYS[key], price, MILLION, tuple((tokens, step[key]) for tokens, step in steps if key in step))
            for key, price in prices.items()
        }
        self.whole(rates, where)
        self.monotone(rates, [0, *(tokens + 1 for tokens, _ in steps)], where)
        return Rates(rates.values())

    def whole(self, rates: Mapping[str, Rate], where: str) -> None:
        """A part needs the price of what it is a part of, and where two parts overlap the overlap needs its own."""
        for key, rate in rates.items():
            if rate.unit.family == TOKENS and rate.unit.side not in rates:
                self.wrong(where, key, f"needs the price of {rate.unit.side} too", f"write {rate.unit.side} = …")
        for modality in MODALITIES:
            if {"cache_read", f"input_{modality}"} <= rates.keys() and f"cache_read_{modality}" not in rates:
                text = f"is needed where cache_read and input_{modality} have prices"
                self.wrong(where, f"cache_read_{modality}", text, "write what a cached one costs")
            if f"cache_read_{modality}" in rates and not {"cache_read", f"input_{modality}"} <= rates.keys():
                text = f"needs the prices of cache_read and input_{modality} too"
                self.wrong(where, f"cache_read_{modality}", text, "write both")
            if f"input_{modality}" in rates and any(key.startswith("cache_write") for key in rates):
                text = "can't be told from a cache write that has a price"
                self.wrong(where, f"input_{modality}", text, "leave one of them out")
        for key in ("cache_write_5m", "cache_write_1h"):
            if key in rates and "cache_write" not in rates:
                self.wrong(where, key, "needs the price of cache_write too", "write cache_write = …")

    def monotone(self, rates: Mapping[str, Rate], prompts: Iterable[int], where: str) -> None:
        for key, rate in rates.items():
            full = key.replace("cache_read_", "input_") if key != "cache_read" else "input"
            if key.startswith("cache_read") and any(rate.price(at) > rates[full].price(at) for at in prompts):
                self.wrong(where, key, f"is dearer than {full}", "a cache that costs more is a slip of the hand")

    def known(self, table: Table, names: Iterable[str], where: str) -> None:
        """Refuse the first key that is not known, with the nearest one that is."""
        names = tuple(names)
        for key in table:
            if key not in names:
                near = get_close_matches(key, names, n=1)
                self.wrong(
                    where, key, "is unknown", f"did you mean {near[0]}?" if near else "one of " + ", ".join(names)
                )

    def table(self, table: Table, key: str, where: str) -> Table:
        value = table.get(key, {})
        if not isinstance(value, dict):
            self.wrong(where, key, "is no table", f"write [{where}.{key}]" if where else f"write [{key}]")
        found: Table = value
        return found

    def wrong(self, where: str, key: str | None, text: str, hint: str) -> NoReturn:
        place = ".".join(part for part in (where, key) if part)
        raise UsageError(f"price overlay {self.path}: {place} {text}", hint=hint)


def _begin(period: Period) -> tuple[bool, float]:
    return period.begin is not None, period.begin.timestamp() if period.begin is not None else 0.0
