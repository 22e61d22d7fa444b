"""What was found of the requests and what was done about it, as text and as JSON.

Owns the words. Imports the core's standings and units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.core.erasure import Standing
from pipeline.ops.spool import Removal
from pipeline.settings.units import DURATION

SHOWN: Final = 20
"""Requests that are named; the JSON has them all."""

OPEN: Final = "it is open, and its bill needs its chunks: erase it once it has closed"
CLOSING: Final = "it has just closed, and its record is being made: try again in a moment"

WORDS: Final = {
    None: "nothing in the state",
    Standing.KEPT: "content kept for a revision",
    Standing.OPEN: OPEN,
    Standing.CLOSING: CLOSING,
}


@dataclass(frozen=True)
class Kept:
    """A topic that can't be changed.

    Attributes:
        topic: Its name.
        messages: Of the requests; None where they were not counted.
        last: Append time of the newest of them, ms since the epoch; None: none was found.
        retention: How long the topic keeps messages, ms; None: for ever.
    """

    topic: str
    messages: int | None
    last: int | None
    retention: int | None

    @property
    def until(self) -> int | None:
        """When the newest may go at the earliest, ms since the epoch; None: never, or there is none."""
        return None if self.last is None or self.retention is None else self.last + self.retention


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that there is to say.

    Attributes:
        executed: Whether anything was to be changed.
        standings: How each request stands in the state, None where it has nothing there.
        changelog: Name of the state's topic.
        compaction: Its setting max.compaction.lag.ms, min.compaction.lag.ms and so on.
        rejoined: Workers that were made to restore the partitions.
        database: Name of the database that was looked at, without its password.
        contents: Rows of it with content of the requests.
        topics: Those that keep it until their retention ends.
        spools: What each publishers' spool that was looked at had of it, by directory.
    """

    executed: bool
    standings: Mapping[str, Standing | None]
    changelog: str
    compaction: Mapping[str, str]
    rejoined: int = 0
    database: str | None = None
    contents: int = 0
    topics: Sequence[Kept] = field(default_factory=list)
    spools: Mapping[str, Removal] = field(default_factory=dict)

    def of(self, standing: Standing | None) -> list[str]:
        """Ids of the requests that stand so."""
        return sorted(request_id for request_id, found in self.standings.items() if found is standing)

    @property
    def refused(self) -> list[str]:
        """Those that can't be erased now."""
        waiting = self.of(Standing.OPEN) + self.of(Standing.CLOSING)
        spooled = {name for removal in self.spools.values() for name in (*removal.living, *removal.unsent)}
        return waiting + sorted(spooled.difference(waiting))


def as_json(report: Report) -> dict[str, Any]:
    """For programs; times RFC 3339."""
    return {
        "executed": report.executed,
        "requests": dict(sorted(report.standings.items())),
        "refused": report.refused,
        "state": {
            "topic": report.changelog,
            "requests": report.of(Standing.KEPT),
            "rejoined": report.rejoined,
            "compaction": dict(report.compaction),
        },
        "database": report.database,
        "contents": report.contents,
        "topics": [
            {
                "topic": kept.topic,
                "messages": kept.messages,
                "last_appended": _moment(kept.last),
                "retention_ms": kept.retention,
                "until_at_least": _moment(kept.until),
            }
            for kept in report.topics
        ],
        "spools": {
            name: {
                "chunks": dict(sorted(removal.chunks.items())),
                "unsent": dict(sorted(removal.unsent.items())),
                "living": dict(sorted(removal.living.items())),
                "unreadable": [str(path) for path in removal.unread],
            }
            for name, removal in report.spools.items()
        },
    }


def as_text(report: Report) -> Iterable[str]:
    """The same as lines."""
    count = len(report.standings)
    done = "" if report.executed else "   (nothing was changed: --execute does it)"
    yield f"{count:,} {'request' if count == 1 else 'requests'} found{done}"
    shown = sorted(report.standings.items(), key=lambda item: (item[1] not in (Standing.OPEN, Standing.CLOSING), item))
    for request_id, standing in shown[:SHOWN]:
        yield f"  {request_id}  {WORDS[standing]}"
    if count > SHOWN:
        yield f"  and {count - SHOWN:,} more, see --json"
    yield f"state     {_state(report)}"
    if report.database is None:
        yield "database  none was looked at: name it with --db"
    else:
        verb = "deleted from" if report.executed else "to delete from"
        yield f"database  {report.contents:,} rows {verb} contents of {report.database}"
    if not report.spools:
        yield "spool     none was looked at: publishers keep on disk what Kafka did not take; name it with --spool"
    for name, removal in report.spools.items():
        yield from (f"spool     {name}: {words}" for words in _spooled(removal, executed=report.executed))
    for kept in report.topics:
        yield f"topic     {kept.topic}: {_kept(kept)}"


def _spooled(removal: Removal, *, executed: bool) -> Iterable[str]:
    """A line for each kind of what was found."""
    yield f"{sum(removal.chunks.values()):,} chunks {'removed' if executed else 'to remove'}"
    if removal.unsent:
        chunks = f"{sum(removal.unsent.values()):,} chunks of {len(removal.unsent):,} requests"
        yield f"{chunks} are not sent yet, and the bill needs them: streamledger spool send, then erase again"
    if removal.living:
        yield f"{sum(removal.living.values()):,} chunks are a living publisher's: erase again when it has sent them"
    for path in removal.unread:
        yield f"{path.name} can't be read to its end, and so not be searched: streamledger spool rm removes all of it"


def _state(report: Report) -> str:
    kept = len(report.of(Standing.KEPT))
    if not kept:
        return f"nothing to erase in {report.changelog}"
    verb = "erased from" if report.executed else "to erase from"
    lag = report.compaction.get("max.compaction.lag.ms")
    bytes_go = (
        "their bytes go when the broker compacts it"
        if lag is None or int(lag) >= 1 << 62
        else f"their bytes go when the broker compacts it, due {DURATION.show(int(lag))} after they were written"
    )
    workers = f"; {report.rejoined} workers restore their partitions" if report.rejoined else ""
    return f"{kept:,} {verb} {report.changelog}; {bytes_go}{workers}"


def _kept(kept: Kept) -> str:
    if kept.messages == 0:
        return "nothing of them"
    if kept.last is None:
        return "none of their chunks that a record names is there any more"
    what = "chunks" if kept.messages is None else f"{kept.messages:,} messages"
    if kept.retention is None:
        return f"{what}, kept for ever: retention.ms is -1"
    return f"{what}, kept until {_moment(kept.until)} at least (retention {DURATION.show(kept.retention)})"


def _moment(ms: int | None) -> str | None:
    if ms is None:
        return None
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
