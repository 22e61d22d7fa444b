"""What a replay has to say when it is done: as a document, and as a table for people.

Names of requests and fields, counts and offsets; never content. Imports rich when it draws.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from pipeline.ops.replay.diff import LISTED, PROBLEMS, Finding
from pipeline.ops.replay.flow import Replayed

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.ops.replay.emission import Emitted

Json = dict[str, Any]

MEANINGS: Final = {
    Finding.SAME: "equal",
    Finding.CONFIG: "made under other settings",
    Finding.PRICE: "equal but for prices from elsewhere",
    Finding.DIFFERENT: "differ, and nothing explains it",
    Finding.MISSING: "replayed, but not on the record topic",
    Finding.EXTRA: "on the record topic, but not replayed",
    Finding.DOUBLE: "on the record topic twice",
    Finding.UNREADABLE: "on the record topic, but no records",
    Finding.PENDING: "not on the topic yet: the worker has not come so far",
    Finding.OPEN: "of requests that the replay found open",
    Finding.CUT: "of requests that are not whole in the range",
}


def document(replayed: Replayed, *, show: int, emitted: Emitted | None = None, execute: bool = False) -> Json:
    """All of it.

    Args:
        replayed: the replay.
        show: differences to list at most, of each kind.
        emitted: what was sent to the record topic.
        execute: whether it really was.
    """
    outcomes = replayed.outcomes
    dead: Counter[str] = Counter()
    for outcome in outcomes:
        dead.update(outcome.counts.dead)
    told: Json = {
        "topic": replayed.order.settings.chunk_topic,
        "chunks": sum(outcome.counts.chunks for outcome in outcomes),
        "records": sum(outcome.counts.records for outcome in outcomes),
        "revisions": sum(outcome.counts.revisions for outcome in outcomes),
        "cut": sum(outcome.counts.cut for outcome in outcomes),
        "open": sum(outcome.counts.open for outcome in outcomes),
        "dead_letters": dict(sorted(dead.items())),
        "partitions": [
            {
                "partition": outcome.share.partition,
                "read_from": outcome.share.begin,
                "from": outcome.share.first,
                "to": outcome.share.until,
                "read_to": outcome.position,
            }
            for outcome in outcomes
        ],
    }
    if replayed.order.diff:
        told["diff"] = _diff(replayed, show)
    if emitted is not None:
        told["emit"] = {
            "sent": execute,
            "revisions": emitted.revisions,
            "missing": emitted.missing,
            "cost": str(emitted.cost),
            "held": dict(sorted(emitted.held.items())),
        }
    return told


def problems(replayed: Replayed) -> int:
    """Records that differ without an explanation, are missing, or should not be there."""
    return sum(outcome.compared.get(kind, 0) for outcome in replayed.outcomes for kind in PROBLEMS)


def _diff(replayed: Replayed, show: int) -> Json:
    counts: Counter[str] = Counter()
    for outcome in replayed.outcomes:
        counts.update(outcome.compared)
    listed = []
    for kind in LISTED:
        of_kind = [each for outcome in replayed.outcomes for each in outcome.differences if each.kind == kind]
        listed += [
            {
                "kind": str(each.kind),
                "request_id": each.request_id,
                "revision": each.revision,
                "partition": each.partition,
                "offset": each.record if each.record >= 0 else None,
                "fields": list(each.fields),
            }
            for each in of_kind[:show]
        ]
    return {
        "counts": {str(kind): counts[kind] for kind in Finding},
        "corrected": counts["corrected"],
        "differences": listed,
    }


def render(told: Json, console: Console) -> None:
    """Print the document for people."""
    ends = told["partitions"]
    ahead = sum(part["read_to"] - part["read_from"] for part in ends) - sum(part["to"] - part["from"] for part in ends)
    beyond = f", {ahead:,} offsets of them around the range" if ahead else ""
    revisions = f", {told['revisions']:,} of them revisions" if told["revisions"] else ""
    console.print(f"{told['chunks']:,} chunks read of {told['topic']}{beyond}; {told['records']:,} records{revisions}")
    if told["open"]:
        console.print(f"{told['open']:,} requests are open at the end of the topic: no record yet")
    if told["cut"]:
        console.print(f"{told['cut']:,} requests of the range are cut: not whole in what was read, so not replayed")
    if told["dead_letters"]:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in told["dead_letters"].items())
        console.print(f"chunks of the range that were refused: {reasons}")
    if "diff" in told:
        _render_diff(told["diff"], console)
    if "emit" in told:
        _render_emit(told["emit"], console)


def _render_diff(diff: Json, console: Console) -> None:
    from rich.table import Table  # noqa: PLC0415 (only who looks at it waits for it)

    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    table.add_column("records", justify="right")
    table.add_column("")
    for kind, meaning in MEANINGS.items():
        count = diff["counts"][kind]
        if count or kind in (Finding.SAME, Finding.CONFIG, Finding.PRICE, *PROBLEMS[:3]):
            table.add_row(str(kind), f"{count:,}", meaning)
    if diff["corrected"]:
        table.add_row("", f"{diff['corrected']:,}", "corrections, counted above as what their requests say now")
    console.print(table)
    for each in diff["differences"]:
        where = f"partition {each['partition']}" + ("" if each["offset"] is None else f" offset {each['offset']}")
        console.print(f"{each['kind']} {each['request_id']} revision {each['revision']} ({where})", soft_wrap=True)
        if each["fields"]:
            console.print(f"    {', '.join(each['fields'])}", soft_wrap=True)


def _render_emit(emit: Json, console: Console) -> None:
    verb = "sent" if emit["sent"] else "to send (nothing was sent: --execute does it)"
    what = f"{emit['revisions']:,} corrections and {emit['missing']:,} missing records {verb}"
    console.print(f"{what}, cost {emit['cost']} USD")
    for reason, count in emit["held"].items():
        console.print(f"  {count:,} left alone: {reason}")
