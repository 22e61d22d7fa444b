"""How old the prices are, and whether your own can be used.

The list has no date of its own; the newest price in it that has begun is the least that is known of its age. Imports
the pricing room.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from pipeline.errors import UsageError
from pipeline.ops.doctor.finding import Finding, fine, thin, unseen, wrong

OLD: Final = timedelta(days=90)
"""In three months every large provider has changed a price or sold a new model."""


def check_list(begun: date | None, today: date, version: str) -> Finding:
    """The age of the list.

    Args:
        begun: When the newest price that counts by `today` began; None: no price has a date.
        today: Now.
        version: Of the list.
    """
    if begun is None:
        return unseen("price-list", f"genai-prices {version} has no dated price")
    text = f"genai-prices {version}, newest price of {begun} ({(today - begun).days} days ago)"
    if today - begun > OLD:
        advice = (
            "update it: pip install --upgrade genai-prices; `streamledger reprice` corrects what was billed meanwhile"
        )
        return thin("price-list", text, advice)
    return fine("price-list", text)


def check_overlay(path: Path | None, today: date) -> Iterator[Finding]:
    """Your own prices: readable, well formed, in force."""
    from pipeline.pricing.overlay_file import read  # noqa: PLC0415 (the price list takes half a second to load)

    if path is None:
        yield fine("price-overlay", "none: list prices count")
        return
    try:
        overlay = read(path)
    except UsageError as error:
        advice = error.hint or "`streamledger prices show` says the same until it is mended"
        yield wrong("price-overlay", error.message, advice)
        return
    now = datetime(today.year, today.month, today.day, tzinfo=UTC) + timedelta(days=1)
    idle = [
        entry.price_id
        for entry in overlay.entries.values()
        if not any(period.begin is None or period.begin < now for period in entry.periods)
    ]
    if idle:
        text = f"{len(idle)} of {len(overlay.entries)} entries begin in the future, the first is {idle[0]}"
        yield thin("price-overlay", text, "until then list prices count: check `from` in the file")
    yield fine("price-overlay", f"{path}, version {overlay.version or 'unnamed'}, {len(overlay.entries)} entries")
