"""What `streamledger top` shows, as lines of text that fit a terminal of any size.

Owns sections, columns and what is left out where there is no room. What came from outside is made harmless for a
terminal. Imports the shapes of the live views.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from pipeline.ops.explain.words import safe
from pipeline.ops.kinds import KINDS
from pipeline.ops.layout import columns

if TYPE_CHECKING:
    from pipeline.ops.live import DeadRow, Headline, MoneyRow, Snapshot, Strip

NOTHING: Final = "–"
NAMES: Final = ((100, 18), (130, 24))
"""Characters of a request id or model below so many columns; its middle is left out."""
NAME: Final = 36
"""The same in a wider terminal, and in a text: a UUID fits."""

_HEADS: Final = {
    "open": ("open request", "type", "provider/model", "age", "chunks", "gaps", "labels"),
    "closed": ("finished", "type", "status", "in", "out", "cost USD", "latency", "provider/model"),
    "dead": ("dead letters", "count", "ago", "newest", "detail"),
}
_MONEY: Final = ("requests", "in", "out", "cost USD", "unpriced", "incompl.")


@dataclass(frozen=True)
class View:
    """What one screen is made of: open requests from the oldest on, and finished ones from the newest on."""

    now: Snapshot
    open: Sequence[Strip]
    closed: Sequence[Strip]


@dataclass(frozen=True)
class Line:
    """A line; `head` of a section, `bad` where something is wrong."""

    text: str
    style: str = ""


def screen(view: View, names: Sequence[str], width: int | None = None, height: int | None = None) -> list[Line]:
    """All sections; in a terminal as much of each as there is room for.

    Args:
        view: What is to be shown.
        names: What money is shown by.
        width: Columns; None: lines are as long as they are.
        height: Rows; None: all there is.
    """
    lines = [Line(each) for each in _top(view.now)]
    if view.now.trouble is not None:
        lines.append(Line(safe(view.now.trouble), "bad"))
    if overdue := view.now.headline.overdue:
        lines.append(Line(f"overdue {overdue:,}: no record although it is time; is a worker running?", "bad"))
    most = next((name for columns, name in NAMES if width is not None and width < columns), NAME)
    sections = [
        _table(_HEADS["open"], _open(view.open, view.now.taken_at, most), {3, 4, 5}),
        _table(_HEADS["closed"], _closed(view.closed, most), {3, 4, 5, 6}),
        *(_table((name, *_MONEY), _money(view.now.money[name], most), range(1, 7)) for name in names),
        _table(_HEADS["dead"], _dead(view.now.dead, view.now.taken_at), {1, 2}),
    ]
    sections = [section for section in sections if len(section) > 1]
    counts = _shared([len(section) for section in sections], None if height is None else height - len(lines))
    for section, count in zip(sections, counts, strict=True):
        if count:
            lines += [Line(""), Line(section[0], "head"), *map(Line, section[1 : count - 1])]
    return lines if width is None else [Line(_cropped(line.text, width), line.style) for line in lines]


def _shared(sizes: Sequence[int], room: int | None) -> list[int]:
    """Lines of each section, with the empty one before it; where room is short, the same for all, the first ones first.

    A section needs three: nothing, its head, and a row.
    """
    wanted = [size + 1 for size in sizes]
    if room is None:
        return wanted
    given = [0] * len(wanted)
    for place in range(len(wanted)):
        if room >= 3:
            given[place], room = 3, room - 3
    while room > 0 and any(0 < has < wants for has, wants in zip(given, wanted, strict=True)):
        for place, wants in enumerate(wanted):
            if 0 < given[place] < wants and room > 0:
                given[place], room = given[place] + 1, room - 1
    return given


def _top(now: Snapshot) -> Iterator[str]:
    """The numbers."""
    of: Headline = now.headline
    rate = NOTHING if of.success_rate is None else f"{of.success_rate:.1%}"
    oldest = "" if of.oldest_ms is None else f", oldest {age(of.oldest_ms)}"
    behind = f"   {of.behind:,} offsets to read" if of.behind else ""
    yield f"{safe(now.ledger)}   {_time(now.taken_at)}   figures of the last {age(of.seconds * 1_000)}{behind}"
    yield f"open {of.open:,}{oldest}   chunks/s {of.chunks_per_second:,.1f}   records/s {of.records_per_second:,.1f}"
    yield f"requests {of.requests:,}   success {rate}   errors {of.errors:,}   incomplete {of.incomplete:,}"
    yield (f"tokens in {of.tokens_in:,}   out {of.tokens_out:,}   cost {_usd(of.cost)} USD   unpriced {of.unpriced:,}")
    yield (
        f"TTFT p50 {_ms(of.first_token_ms)}   latency p50 {_ms(of.latency_ms)}   duplicates {of.duplicates:,}   "
        f"gaps {of.gaps:,}   late {of.late:,}   dead {of.dead:,}"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[int]) -> list[str]:
    """Head and rows as lines; the columns with these places are numbers."""
    return list(columns([heads, *rows], right=numbers))


def _open(strips: Iterable[Strip], now: int, most: int) -> Iterator[tuple[str, ...]]:
    for strip in strips:
        yield (
            _short(strip.request_id, most),
            KINDS.get(strip.stream_type, strip.stream_type),
            _named(strip, most),
            age(now - strip.started_at),
            f"{strip.chunks:,}",
            f"{len(strip.gaps):,}",
            safe(",".join(f"{name}={value}" for name, value in sorted(strip.labels.items())) or NOTHING),
        )


def _closed(strips: Iterable[Strip], most: int) -> Iterator[tuple[str, ...]]:
    for strip in strips:
        box = strip.box
        if box is not None:
            yield (
                _short(strip.request_id, most),
                KINDS.get(strip.stream_type, strip.stream_type),
                box.status,
                _count(box.tokens_in),
                _count(box.tokens_out),
                _usd(box.cost),
                _ms(box.latency_ms),
                _named(strip, most),
            )


def _money(rows: Iterable[MoneyRow], most: int) -> Iterator[tuple[str, ...]]:
    for row in rows:
        counts = (row.requests, row.tokens_in, row.tokens_out)
        after = (row.unpriced, row.incomplete)
        yield (
            NOTHING if row.key is None else _short(row.key, most),
            *(f"{count:,}" for count in counts),
            _usd(row.cost if row.unpriced < row.requests else None),
            *(f"{count:,}" for count in after),
        )


def _dead(rows: Iterable[DeadRow], now: int) -> Iterator[tuple[str, ...]]:
    for row in rows:
        place = f"{row.partition}:{row.offset}"
        yield safe(row.reason), f"{row.count:,}", age(now - row.newest_at), place, safe(row.detail)


def _named(strip: Strip, most: int) -> str:
    """Provider and model, as far as they are known."""
    return _short(strip.named or NOTHING, most)


def _short(text: str, most: int) -> str:
    """A name without its middle: ids differ at their ends."""
    text = safe(text)
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - half]}…{text[-half:]}"


def _cropped(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _count(number: int | None) -> str:
    return NOTHING if number is None else f"{number:,}"


def _usd(cost: Decimal | None) -> str:
    """An amount as far as a person reads it; JSON has it to the last digit."""
    return NOTHING if cost is None else f"{cost:,.6f}"


def _ms(ms: int | None) -> str:
    return NOTHING if ms is None else f"{ms:,} ms"


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def age(ms: int) -> str:
    """A length of time in its two largest units: 850 ms, 12s, 3m05s, 2h10m."""
    seconds = max(ms, 0) // 1_000
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3_600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3_600}h{seconds % 3_600 // 60:02d}m"
