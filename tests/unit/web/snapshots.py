"""Hand-made snapshots, and a source that gives them: what the page's unit tests show instead of a ledger."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

from pipeline.ops.live.view import Box, DeadRow, Dot, Filter, Gap, Headline, MoneyRow, Snapshot, Strip

NOW = 1_796_000_100_000

HEADLINE = Headline(
    seconds=900,
    requests=3,
    success_rate=2 / 3,
    latency_ms=1_240,
    first_token_ms=180,
    tokens_in=1_234,
    tokens_out=56,
    cost=Decimal("0.0012"),
    unpriced=1,
    incomplete=1,
    errors=0,
    duplicates=1,
    gaps=1,
    late=0,
    dead=2,
    open=1,
    oldest_ms=100_000,
    overdue=0,
    chunks_per_second=12.5,
    records_per_second=0.4,
    behind=0,
)


def box(**changes: Any) -> Box:
    """A record's box."""
    made = Box(
        record_id="e1380b93-91cb-5ee4-8dbd-1c7ad0df62b5",
        revision=0,
        status="success",
        closed_by="final",
        complete=True,
        finish_reason="stop",
        tokens_in=10,
        tokens_out=5,
        cost=Decimal("0.0012"),
        unpriced_reason=None,
        latency_ms=1_240,
        first_token_ms=180,
        offset=7,
    )
    return replace(made, **changes)


def dot(at_ms: int, index: int, **changes: Any) -> Dot:
    """A chunk."""
    return replace(Dot(at_ms, "data", index, 0, duplicate=False, final=False, offset=index), **changes)


def strip(request_id: str = "r1", **changes: Any) -> Strip:
    """A request: five chunks, one of them twice, two missing."""
    made = Strip(
        request_id=request_id,
        stream_type="chat.completion",
        provider="openai",
        model="gpt-4o",
        labels={"team": "search"},
        started_at=NOW - 100_000,
        seen_at=NOW - 98_000,
        chunks=6,
        duplicates=1,
        dots=(
            dot(0, 0),
            dot(180, 1),
            dot(400, 2),
            dot(450, 2, duplicate=True),
            dot(1_500, 5),
            dot(2_000, 6, kind="usage", final=True),
        ),
        first_token_ms=180,
        gaps=(Gap(0, 3, 4),),
        box=box(),
        partition=3,
        first_offset=100,
        last_offset=110,
    )
    return replace(made, **changes)


DEAD = (
    DeadRow("invalid", 1, NOW - 5_000, None, "chunk_index: missing", 0, 4),
    DeadRow("key_mismatch", 1, NOW - 9_000, "r7", "key is another", 1, 5),
)
ROW = MoneyRow("gpt-4o", 2, 1_234, 56, Decimal("0.0012"), 1, 1)


def snapshot(*strips: Strip, **changes: Any) -> Snapshot:
    """A snapshot of these strips."""
    made = Snapshot(
        version=1,
        taken_at=NOW,
        ledger="main",
        headline=HEADLINE,
        strips=strips,
        money={"model": (ROW,), "label.team": (replace(ROW, key=None),)},
        dead=DEAD,
        trouble=None,
    )
    return replace(made, **changes)


class Shown:
    """A source that gives what it was told to; `tell` makes it change."""

    def __init__(self, given: Snapshot, labels: tuple[str, ...] = ("team",)) -> None:
        """Give this snapshot."""
        self.given = given
        self.labels = labels
        self.asked: list[tuple[Filter, int, str, Sequence[str]]] = []
        self._news = asyncio.Event()

    def tell(self, **changes: Any) -> None:
        """Another snapshot from now on."""
        self.given = replace(self.given, version=self.given.version + 1, **changes)
        self._news.set()
        self._news = asyncio.Event()

    def snapshot(
        self,
        where: Filter = Filter(),  # noqa: B008 (frozen)
        *,
        strips: int = 50,
        order: Literal["newest", "oldest"] = "newest",
        money: Sequence[str] = ("model", "provider"),
    ) -> Snapshot:
        """What was given, and a note of what was asked."""
        self.asked.append((where, strips, order, money))
        shown: Mapping[str, tuple[MoneyRow, ...]] = self.given.money if money else {}
        return replace(self.given, strips=self.given.strips[:strips], money=shown)

    def strip(self, request_id: str) -> Strip | None:
        """By its id."""
        return next((each for each in self.given.strips if each.request_id == request_id), None)

    async def changed(self, since: int, timeout: float) -> int:  # noqa: ASYNC109 (the source's signature)
        """Wait for `tell`."""
        if self.given.version <= since:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), timeout)
        return self.given.version
