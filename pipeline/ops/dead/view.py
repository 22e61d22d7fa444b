"""Dead letters as text for a person: the figures, the list, one letter, and what a redrive does.

What came from outside is made harmless for a terminal. Imports its siblings and the words of `explain`.
"""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pipeline.ops.explain.words import safe, some
from pipeline.ops.layout import columns

Json = dict[str, Any]

_HEX: Final = 16
"""Bytes in a line of a dump."""


def figures(told: Json) -> Iterator[str]:
    """The document of a survey."""
    head = ("reason", "letters", "share", "waiting", "redriven", "refused again", "first", "last", "can go back")
    rows = [_row(row) for row in told["reasons"]]
    yield f"{told['topic']}: dead letters {told['letters']:,}, not sent back {told['waiting']:,}"
    if rows:
        yield from columns([head, *rows], right=(1, 2, 3, 4, 5))
        yield from _origins(told["reasons"])
    if told["foreign"]:
        yield f"{told['foreign']:,} records on the topic are neither dead letters nor receipts; they are left alone"


def _row(row: Json) -> tuple[str, ...]:
    sent = row["redriven"]
    return (
        safe(row["reason"]),
        f"{row['letters']:,}",
        f"{row['share']:.1%}",
        f"{row['waiting']:,}",
        f"{sum(sent.values()):,}",
        f"{row['refused_again']:,}",
        _second(row["first"]),
        _second(row["last"]),
        row["again"],
    )


def _origins(rows: Sequence[Json]) -> Iterator[str]:
    """Chunk topics and partitions, over all reasons."""
    counted: dict[tuple[str, int], int] = {}
    for row in rows:
        for source in row["sources"]:
            place = source["topic"], source["partition"]
            counted[place] = counted.get(place, 0) + source["letters"]
    told = [f"{safe(topic)} {number}: {count:,}" for (topic, number), count in sorted(counted.items())]
    yield f"from {' · '.join(told)}"


def listed(row: Json) -> str:
    """A letter as one line."""
    size = "no value" if row["bytes"] is None else f"{row['bytes']:,} bytes"
    state = f"redriven ({row['redriven']})" if row["redriven"] else ""
    again = f"was {safe(row['returned_from'])}" if row["returned_from"] else ""
    parts = (row["place"], _second(row["at"]), safe(row["reason"]), safe(row["request_id"]), size, safe(row["detail"]))
    return "  ".join(part for part in (*parts, state, again) if part)


def letter(told: Json, *, content: bool) -> Iterator[str]:
    """One letter."""
    source = told["source"]
    where = f"{safe(source['topic'])} partition {source['partition']} offset {source['offset']:,}"
    yield f"dead letter {told['place']}, {told['at']}"
    yield from columns(
        [
            ("reason", safe(told["reason"])),
            ("detail", safe(told["detail"])),
            ("request by its key", safe(told["request_id"])),
            ("request in its value", safe(told["named_request_id"])),
            ("chunk stood at", f"{where}, {source['append_time'] or 'append time not kept'}"),
            ("value", _size(told)),
            ("headers", ", ".join(map(_header, told["headers"])) or "–"),
            ("sent back", f"{told['redriven_at']}, {told['redriven']}" if told["redriven"] else "no"),
            ("sent back before", f"as {safe(told['returned_from'])}" if told["returned_from"] else "no"),
            ("can go back", told["again"]),
        ]
    )
    yield from textwrap.wrap(f"What it means: {told['meaning']}.", 100, subsequent_indent="  ")
    yield from textwrap.wrap(f"What to do: {told['remedy']}.", 100, subsequent_indent="  ", break_on_hyphens=False)
    if content:
        yield from _content(told)


def _size(told: Json) -> str:
    return "none" if told["bytes"] is None else f"{told['bytes']:,} bytes"


def _header(told: Json) -> str:
    value = safe(told["value"]) if "value" in told else f"{told['bytes']:,} bytes"
    return f"{safe(told['name'])}: {value}"


def _content(told: Json) -> Iterator[str]:
    """The value as text, or as a dump."""
    if told.get("value_base64") is not None:
        data = base64.b64decode(told["value_base64"])
        for start in range(0, len(data), _HEX):
            part = data[start : start + _HEX]
            shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
            yield f"{start:08x}  {part.hex(' '):<{3 * _HEX}} {shown}"
    elif told["value"] is not None:
        yield from (safe(each) for each in told["value"].split("\n"))


def report(told: Json) -> Iterator[str]:
    """What a redrive did, or would do: counts, corrections, and what stays, by its cause."""
    verb, counts = ("" if told["executed"] else "would be "), told["outcomes"]
    yield f"dead letters looked at: {told['letters']:,}"
    yield f"  {counts['chunks']:,} {verb}sent to the chunk topic"
    yield f"  {counts['correction']:,} {verb}folded into {len(told['corrections']):,} corrections of records"
    yield f"  {counts['done before']:,} were sent back before"
    yield f"  {counts['held']:,} wait, {counts['refused']:,} stay"
    if told["corrections"]:
        head = ("request", "revision", "letters", "cost", "tokens", "record")
        yield from columns([head, *map(_correction, told["corrections"])], right=(1, 2, 3, 4))
    stays: dict[tuple[str, ...], list[str]] = {}
    for verdict in told["verdicts"]:
        if verdict["why"] is not None and verdict["outcome"] in ("held", "refused"):
            until = f", from {_second(verdict['until'])} on" if verdict["until"] else ""
            cause = verdict["outcome"], safe(verdict["reason"]), safe(verdict["why"]) + until
            stays.setdefault(cause, []).append(verdict["place"])
    for (outcome, reason, why), places in stays.items():
        yield f"{outcome} {reason} {some(places)}: {why}"
    if not told["executed"] and counts["chunks"] + counts["correction"]:
        yield "Nothing was sent; --execute does it."


def _correction(told: Json) -> tuple[str, ...]:
    """A correction in the columns of the report."""
    delta = told["delta"]
    tokens = (delta["token_usage"] or {}).get("total_tokens")
    cost = f"{delta['cost']:+.6f}"
    count = "–" if tokens is None else f"{tokens:+,}"
    return safe(told["request_id"]), str(told["revision"]), str(told["letters"]), cost, count, told["record_id"]


def _second(instant: str) -> str:
    """A time to the second, without its zone: all are UTC."""
    return instant[:19].replace("T", " ")
