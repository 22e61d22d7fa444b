"""`streamledger usage --open`: what was open at a moment, with its usage so far, so that an invoice can state it.

Owns its table and JSON; the requests are `pipeline.ops.replay.openings`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from pipeline.cli.progress import bar
from pipeline.ops.layout import columns
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.ops.replay.openings import Opening
    from pipeline.topics.reader import Progress
    from pipeline.topics.selection import Selection

HEADS: Final = ("request", "model", "labels", "since", "last chunk", "chunks", "in", "out", "cost USD", "closes", "by")
NOTHING: Final = "–"


def show(settings: Settings, at: int, selection: Selection, *, as_json: bool) -> None:
    """Print the requests that are open at append time `at`, ms since the epoch."""
    with bar() as progress:
        found = asyncio.run(_gathered(settings, at, selection, progress))
    if as_json:
        click.echo(json.dumps(_document(found, at), ensure_ascii=False, indent=2))
        return
    for line in _lines(found):
        click.echo(line)
    unknown = sum(opening.cost is None for opening in found)
    known = sum((opening.cost for opening in found if opening.cost is not None), Decimal(0))
    click.echo(f"{len(found):,} open at {_time(at)}: {known:f} USD so far, {unknown:,} without a cost yet")
    if cut := sum(not opening.whole for opening in found):
        click.echo(f"{cut:,} began before what the topic keeps: more may have been used")


async def _gathered(settings: Settings, at: int, selection: Selection, progress: Progress) -> list[Opening]:
    from pipeline.ops.replay.openings import openings

    return [opening async for opening in openings(settings, at, selection, progress)]


def _document(found: Sequence[Opening], at: int) -> dict[str, Any]:
    """For programs; money as text, times as RFC 3339."""
    told = []
    for opening in found:
        times = {name: _time(getattr(opening, name)) for name in ("first", "last", "due")}
        cost = None if opening.cost is None else f"{opening.cost:f}"
        told.append({**asdict(opening), **times, "cost": cost})
    return {"at": _time(at), "open": told}


def _lines(found: Sequence[Opening]) -> Iterable[str]:
    """The table; of none nothing."""
    from pipeline.ops.explain.words import safe

    rows: list[tuple[str, ...]] = [HEADS]
    for opening in found:
        usage = opening.token_usage or {}
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
        rows.append(
            (
                safe(opening.request_id),
                safe(opening.model or NOTHING),
                safe(",".join(f"{key}={value}" for key, value in opening.labels.items()) or NOTHING),
                _time(opening.first),
                _time(opening.last),
                f"{opening.chunks:,}",
                *(NOTHING if count is None else f"{count:,}" for count in counts),
                NOTHING if opening.cost is None else f"{opening.cost:f}",
                _time(opening.due),
                opening.closed_by,
            )
        )
    return columns(rows)


def _time(ms: int) -> str:
    from pipeline.sinks.usage import rfc3339

    return rfc3339(ms)
