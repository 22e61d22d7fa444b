"""The timeline as a table: one row for each source record, the plain middle of a long stream as one.

Owns what may be folded away. Imports rich and its siblings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from pipeline.ops.explain.layout import grid, pairs
from pipeline.ops.explain.words import brought, safe

Json = dict[str, Any]

SHORT: Final = 12
"""Plain content chunks in a row that are shown one by one; of more only the ends are."""
EDGE: Final = 3

_PLAIN: Final = frozenset({"event", "choices", "characters", "bytes", "tool_calls", "model", "provider", "labels"})
"""What chunks in the middle of a stream bring."""
_TIME: Final = slice(len("2026-01-01T"), -1)


def chunk_table(told: Json, *, everything: bool) -> Table:
    """The timeline; the middle of a run of plain content is one line unless `everything` is asked for."""
    clock = ["append time"] if told["position"] == "offset" else []
    images = ["image"] if any(row["image_index"] is not None for row in told["timeline"]) else []
    names = [told["position"], *clock, "ms", "attempt", *images, "index", "kind"]
    numbers = [name for name in names if name != "kind"]
    table = grid(*names, "brings", "what it is", numbers=numbers)
    days = len({row["append_time"][: _TIME.start] for row in told["timeline"] if row["append_time"]})
    for run in _runs(told["timeline"], everything=everything):
        if isinstance(run, list):
            middle = [""] * (len(names) - 1)
            table.add_row("…", *middle, _folded(run), "", style="dim")
            continue
        when = (run["append_time"][_TIME] if days == 1 else run["append_time"]) if clock else None
        cells = {**run, "append time": when, "image": run["image_index"], "index": run["chunk_index"]}
        shown = [safe(cells["offset"] if name == told["position"] else cells[name]) for name in names]
        marks = Text("; ".join(map(safe, run["marks"])), style=_style(run), overflow="fold")
        table.add_row(*shown, Text(brought(run["brings"]), overflow="fold"), marks)
    return table


def _style(row: Json) -> str:
    if row["outcome"] in ("refused", "conflict") or any(mark.startswith("gap") for mark in row["marks"]):
        return "red"
    return "dim" if row["outcome"] != "new" else "bold"


def _runs(rows: Sequence[Json], *, everything: bool) -> Iterator[Json | list[Json]]:
    """Rows one by one, and long middles of plain content as a list."""
    for plain, group in groupby(rows, key=_is_plain):
        run = list(group)
        if everything or not plain or len(run) <= SHORT:
            yield from run
        else:
            yield from run[:EDGE]
            yield run[EDGE:-EDGE]
            yield from run[-EDGE:]


def _is_plain(row: Json) -> bool:
    brings = row["brings"]
    return row["outcome"] == "new" and not row["marks"] and brings is not None and brings.keys() <= _PLAIN | {"content"}


def _folded(run: Sequence[Json]) -> str:
    characters = sum(sum(row["brings"].get("characters", {}).values()) for row in run)
    size = sum(sum(row["brings"].get("bytes", {}).values()) for row in run)
    told = [f"{len(run):,} content chunks, {run[0]['offset']}–{run[-1]['offset']}"]
    told += [f"{characters:,} ch"] if characters else []
    return ", ".join(told + ([f"{size:,} bytes"] if size else []))


def content_table(rows: Sequence[Json]) -> Table:
    """The texts, asked for; as they are but for what would steer a terminal."""
    texts = (
        (f"{row['offset']} {name}", safe(text))
        for row in rows
        if row["brings"]
        for name, text in row["brings"].get("content", {}).items()
    )
    return pairs(list(texts))
