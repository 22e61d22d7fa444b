"""Numbers, times and names as a person reads them on the page.

Owns their forms, which templates use as filters. Imports MarkupSafe and the view's shapes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from markupsafe import Markup, escape

from pipeline.ops.kinds import KINDS
from pipeline.ops.live.view import Gap, Strip

NOTHING: Final = "–"
"""What stands where nothing is known."""

TAIL: Final = 8
"""Characters of a request id that are shown whatever else has to go."""

_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DIGITS: Final = 3
"""Digits of an amount below one dollar that say something, after its leading zeros."""


def count(number: int | None) -> str:
    """A whole number with thousands apart."""
    return NOTHING if number is None else f"{number:,}"


def counted(number: int, noun: str) -> str:
    """So many of something: 1 gap, 2 gaps."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def coded(text: str) -> Markup:
    """A text of ours with its commands, which stand between backticks, as code."""
    pieces = (
        Markup("<code>{}</code>").format(piece) if at % 2 else escape(piece) for at, piece in enumerate(text.split("`"))
    )
    return Markup("").join(pieces)


def sentence(text: str) -> str:
    """A text that begins like a sentence, whatever word comes first; errors begin in the midst of one."""
    return text[:1].upper() + text[1:]


def short(number: int) -> str:
    """A number in few characters: 999, 12.3k, 4.5M, 7G."""
    amount, units = float(number), iter("kMG")
    unit = ""
    while abs(amount) >= 999.5 and unit != "G":
        amount, unit = amount / 1_000, next(units)
    return (
        f"{number}"
        if not unit
        else f"{amount:.1f}".removesuffix(".0") + unit
        if amount < 99.95
        else f"{amount:.0f}{unit}"
    )


def usd(amount: Decimal | None) -> str:
    """An amount of USD, without its sign: two decimals from one dollar on, three telling digits below."""
    if amount is None:
        return NOTHING
    places = 2 if amount == 0 or abs(amount) >= 1 else min(max(2, _DIGITS - 1 - amount.adjusted()), 12)
    text = f"{amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN):,f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def duration(ms: int | None) -> str:
    """A time span: 85 ms, 1.24 s, 2 m 05 s, 3 h 10 m."""
    if ms is None:
        return NOTHING
    if ms < _SECOND:
        return f"{ms} ms"
    if ms < _MINUTE:
        return f"{ms / _SECOND:.2f} s" if ms < 10 * _SECOND else f"{ms / _SECOND:.1f} s"
    if ms < _HOUR:
        return f"{ms // _MINUTE} m {ms % _MINUTE // _SECOND:02d} s"
    return f"{ms // _HOUR} h {ms % _HOUR // _MINUTE:02d} m"


def window(seconds: int) -> str:
    """A span that somebody has chosen: 90 s, 15 min, 24 h."""
    for size, unit in ((3_600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def tail(request_id: str) -> str:
    """The end of a request id, which tells one from the next where they begin alike."""
    return request_id[-TAIL:] if len(request_id) > 2 * TAIL else ""


def moment(ms: int) -> str:
    """A point in time, UTC, to the second."""
    return f"{datetime.fromtimestamp(ms / _SECOND, UTC):%Y-%m-%d %H:%M:%S}"


def clock(ms: int) -> str:
    """The time of day, UTC."""
    return f"{datetime.fromtimestamp(ms / _SECOND, UTC):%H:%M:%S}"


def share(part: float | None) -> str:
    """A share of the whole in per cent; 100 % only where it is all, so that one failure in a thousand is seen."""
    if part is None:
        return NOTHING
    percent = part * 100
    text = f"{percent:.1f}"
    if text == "100.0":
        return "100 %" if part >= 1 else "99.9 %"
    return f"{text} %"


def rate(per_second: float) -> str:
    """A rate: 0, 0.4, 12, 4,300."""
    return f"{per_second:,.0f}" if per_second >= 10 or per_second == 0 else f"{per_second:.1f}"


def kind(stream_type: str) -> str:
    """A stream type in one word."""
    return KINDS.get(stream_type, stream_type)


def named(strip: Strip) -> str:
    """Provider and model, as far as they are known."""
    return strip.named or NOTHING


def gap(missing: Gap) -> str:
    """Indexes that are missing, with their attempt if it is not the first."""
    indexes = f"{missing.first}" if missing.first == missing.last else f"{missing.first}–{missing.last}"
    image = "" if missing.image is None else f" of image {missing.image}"
    return f"{indexes}{image}" + (f" of attempt {missing.attempt}" if missing.attempt else "")


def said(strip: Strip) -> str:
    """A strip in words, for whoever does not see it."""
    told = [f"request {strip.request_id}", kind(strip.stream_type)]
    told += [strip.named] if strip.named else []
    told.append("1 chunk" if strip.chunks == 1 else f"{strip.chunks:,} chunks")
    told += [f"first token after {duration(strip.first_token_ms)}"] if strip.first_token_ms is not None else []
    told += [f"gap {', '.join(map(gap, strip.gaps[:3]))}"] if strip.gaps else []
    told += [f"{strip.duplicates:,} duplicate{'s' if strip.duplicates > 1 else ''}"] if strip.duplicates else []
    told.append(strip.state)
    if (box := strip.box) is not None:
        told += [f"revision {box.revision}"] if box.revision else []
        told += [f"{count(box.tokens_in)} in {count(box.tokens_out)} out"] if box.tokens_out is not None else []
        told.append(f"unpriced: {box.unpriced_reason or 'no cost'}" if box.cost is None else f"{usd(box.cost)} USD")
    return ", ".join(told)


FILTERS: Final = {
    each.__name__: each
    for each in (
        count,
        counted,
        coded,
        sentence,
        short,
        usd,
        duration,
        window,
        tail,
        moment,
        clock,
        share,
        rate,
        kind,
        named,
        gap,
        said,
    )
}
"""By the names that templates call them."""
