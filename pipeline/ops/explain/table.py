"""An explanation as text for a person: head, chunks, numbers, troubles, cost, evidence, verdict.

Owns the order of the parts and their words. Imports rich and its siblings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.ops.explain import comparison
from pipeline.ops.explain.layout import grid, pairs
from pipeline.ops.explain.rows import chunk_table, content_table
from pipeline.ops.explain.words import closed, opened, places, safe, some

Json = dict[str, Any]

_OBJECTS: Final = ("token_usage.", "inter_chunk_latency.")
"""Beginnings of fields that are parts of objects."""
_VALUE: Final = 12
"""Width of a value: most fit, so that what they came from stands in one column."""


def render(told: Json, console: Console, *, everything: bool) -> None:
    """Print an explanation.

    Args:
        told: the document.
        console: to print on.
        everything: also the middle of long streams.
    """
    _head(told, console)
    _section(console, f"chunks by {told['position']}", chunk_table(told, everything=everything))
    if any(row["brings"] and "content" in row["brings"] for row in told["timeline"]):
        _section(console, "content", content_table(told["timeline"]))
    if told["attempts"]:
        _section(console, "attempts", _attempts(told["attempts"]))
    if told["numbers"]:
        _section(console, "numbers so far" if told["state"] == "open" else "numbers", _numbers(told))
    _section(console, "gaps, repeats, refusals", _troubles(told))
    if told["cost"] is not None:
        _section(console, "cost", _cost(told["cost"]))
    _section(console, "evidence", _evidence(told))
    for verdict in told["comparison"] or ():
        _verdict(verdict, console)


def _section(console: Console, title: str, body: RenderableType) -> None:
    console.print()
    console.print(Text(title, style="bold"))
    console.print(body)


def _head(told: Json, console: Console) -> None:
    console.print(Text(f"request {safe(told['request_id'])}", style="bold", overflow="fold"))
    console.print(pairs(list(_summary(told))))


def _summary(told: Json) -> Iterator[tuple[str, str]]:
    summary, position = told["summary"], told["position"]
    yield "state", told["state"] + (f", revision {summary['revision']}" if summary and summary["revision"] else "")
    if summary is not None:
        soon = " if it closed now" if told["state"] == "open" else ""
        yield "status", f"{summary['status']}{soon}" + (f": {summary['because']}" if summary["because"] else "")
        if summary["error"]:
            yield "error", " ".join(f"{name} {safe(value)}" for name, value in summary["error"].items())
        yield "complete", safe(summary["complete"])
        yield "type", f"{summary['stream_type']}, provider {safe(summary['provider'])}, model {safe(summary['model'])}"
        yield "finish", safe(summary["finish_reason"])
        labels = ", ".join(f"{safe(name)}={safe(value)}" for name, value in summary["labels"].items())
        yield "labels", labels or "none"
        if summary["truncated"] or summary["content_omitted"]:
            yield "content", f"left out: {summary['content_omitted'] or 'past max_bytes or max_chunks'}"
    for ending in told["closings"]:
        yield f"revision {ending['revision']}", closed(ending, position)
        if ending["delta"]:
            yield "  delta", f"against {ending['supersedes']}: {safe(ending['delta'])}"
    if told["outlook"] is not None:
        yield f"revision {told['outlook']['revision']}", opened(told["outlook"], position)
    for note in told["notes"]:
        yield "note", safe(note)


def _attempts(attempts: Sequence[Json]) -> Table:
    table = grid("attempt", "status", "provider", "model", "finish", "tokens", "cost", "chunks", "")
    for each in attempts:
        usage = each["token_usage"] or {}
        tokens = "–" if not usage else f"{safe(usage.get('prompt_tokens'))} + {safe(usage.get('completion_tokens'))}"
        texts = [safe(each[name]) for name in ("number", "status", "provider", "model", "finish_reason")]
        where = f"{each['chunks']} of {each['first_offset']}–{each['last_offset']}"
        table.add_row(*texts, tokens, safe(each["cost"]), where, "shown" if each["shown"] else "")
    return table


def _numbers(told: Json) -> Group:
    """Fields under the rule that they follow, each with its chunks; parts of an object stand below its name."""
    rows = list(_rows(told))
    width = max(len(name) for _, name, _, _ in rows)
    parts: list[RenderableType] = []
    for rule, group in groupby(rows, key=itemgetter(0)):
        table = Table.grid(padding=(0, 2))
        table.add_column(min_width=width, no_wrap=True)
        table.add_column(min_width=_VALUE, overflow="fold")
        table.add_column(overflow="fold", style="dim")
        for _, name, value, where in group:
            table.add_row(Text(name), Text(value, overflow="fold"), Text(where, overflow="fold"))
        parts += [Text(rule, style="dim", overflow="fold"), Padding(table, (0, 0, 0, 2))]
    return Group(*parts)


def _rows(told: Json) -> Iterator[tuple[str, str, str, str]]:
    """Rule, name, value and origin of each field; objects have a row of their own without a value."""
    several, position = told["attempts"] is not None, told["position"]
    parents: list[str] = []
    for number in told["numbers"]:
        rule = f"{number['rule']}: {number['meaning']}"
        path = number["field"].split(".") if number["field"].startswith(_OBJECTS) else [number["field"]]
        for depth, name in enumerate(path[:-1]):
            if parents[: depth + 1] != path[: depth + 1]:
                yield rule, "  " * depth + name, "", ""
        parents = path[:-1]
        where = places(number["chunks"], several=several)
        told_where = "; ".join(each for each in (where and f"{position} {where}", number["note"]) if each)
        yield rule, "  " * len(parents) + safe(path[-1]), safe(number["value"]), told_where
    for sent in told["usage_as_sent"]:
        figures = ", ".join(f"{safe(name)} {safe(value)}" for name, value in sent["usage"].items())
        rule = "WIRE §4, S-META-5: as it was sent, before aliases and totals are resolved"
        yield rule, "usage", figures, f"{position} {places([sent], several=several)}"


def _troubles(told: Json) -> Table:
    rows = [
        ("gap", f"{_image(gap)}index {gap['first']} to {gap['last']} missing" + _before(gap, told["position"]))
        for gap in told["gaps"]
    ]
    again = {row["offset"]: f"{row['offset']} (of {row['repeats']})" for row in told["timeline"]}
    dropped = {name: [again[offset] for offset in told[name]] for name in ("duplicates", "conflicts")}
    dropped["late"] = [str(each["offset"]) for each in told["late"]]
    rows += [(name, f"{len(listed):,}: {some(listed)}") for name, listed in dropped.items() if listed]
    rows += [
        (f"dead letter {letter['offset']}", f"{letter['reason']}: {safe(letter['detail'])}")
        for letter in told["dead_letters"]
    ]
    return pairs(rows or [("none", "")])


def _before(gap: Json, position: str) -> str:
    return "" if gap["before"] is None else f", before {position} {gap['before']}"


def _image(gap: Json) -> str:
    return "" if gap["image_index"] is None else f"image {gap['image_index']} "


def _cost(cost: Json) -> Table:
    """The lines of the cost, then what they were made with."""
    rows = [(part["part"], f"{part['amount']} {cost['currency']}") for part in cost["parts"]]
    for asked in cost["asked"]:
        tier = f", tier {safe(asked['service_tier'])}" if asked["service_tier"] else ""
        rows.append(("price of", f"{safe(asked['provider'])} {safe(asked['model'])} at {asked['at']}{tier}"))
        rows += [("", ", ".join(f"{safe(k)} {safe(v)}" for k, v in line.items())) for line in asked["lines"]]
    rows += [
        (f"attempt {each['number']}", f"{safe(each['cost'])} {each['provider'] or ''} {each['model'] or ''}".rstrip())
        for each in cost["attempts"]
    ]
    rows.append(("total", "unknown" if cost["total"] is None else f"{cost['total']} {cost['currency']}"))
    rows += [
        (name, safe(cost[name]))
        for name in ("source", "price_id", "price_version", "price_hash", "reason")
        if cost.get(name)
    ]
    if cost["adds_up"] is not None:
        rows.append(("adds up", safe(cost["adds_up"])))
    return pairs(rows)


def _evidence(told: Json) -> Table:
    evidence = told["evidence"]
    source = evidence["source"] or {}
    rows = []
    if source.get("topic") is not None:
        rows.append(
            (
                "source",
                f"{source['topic']} {source['partition']} offsets {source['first_offset']}–{source['last_offset']}",
            )
        )
    read = ", ".join(f"{name} {safe(value)}" for name, value in evidence["read"].items())
    rows += [("read", read)]
    rows += [(name, safe(evidence[name])) for name in ("record_id", "digest", "config_digest") if evidence[name]]
    return pairs([*rows, ("again", safe(evidence["again"]))])


def _verdict(verdict: Json, console: Console) -> None:
    """Whether the record is what its chunks give."""
    result, where = verdict["result"], verdict["record"]
    head = f"rebuilt revision {verdict['revision']}: "
    good = result not in comparison.PROBLEMS | {comparison.NOT_FOUND}
    words = {
        comparison.IDENTICAL: f"identical digest {verdict['rebuilt_digest']}, every byte as in {where}",
        comparison.SAME_DIGEST: f"identical digest {verdict['rebuilt_digest']} as in {where}",
        comparison.DIFFERENT: f"differs from {where}",
        comparison.CORRECTED: f"revision {verdict['revision'] - 1} with other money, by a price list: {where}",
        comparison.NOT_REBUILT: f"the chunks give no such record, but there is one: {where}",
        comparison.NO_RECORD: "there is no such record; is the worker behind?",
        comparison.NOT_FOUND: "no record to compare with",
    }
    console.print()
    console.print(Text(head + words[result], style="green" if good else "bold red", overflow="fold"))
    for difference in verdict["differences"]:
        record, rebuilt = safe(difference["record"]), safe(difference["rebuilt"])
        values = f": record {record}, rebuilt {rebuilt}" if (record, rebuilt) != ("–", "–") else ": content differs"
        console.print(Text(f"  {safe(difference['field'])}{values}", overflow="fold"))
    for note in verdict["notes"]:
        console.print(Text(f"  {note}", overflow="fold"))
