"""The ledger itself: versions of what lies in its topics, its clock, its group, and where its workers stand.

Pure judgement of what was read. Imports the core's row formats and `schemas`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from pipeline.core.segment import CHECKPOINT_KEY, FORMAT, unpack_checkpoint
from pipeline.ops.doctor.finding import Finding, fine, thin, unseen, wrong
from pipeline.ops.doctor.newest import Log
from pipeline.topics.group import Group
from schemas.chunk import SCHEMA_VERSION

UNREADABLE: Final = -1
"""Format of a checkpoint row that this program can't read."""

_UUID: Final = 37
"""Characters of a uuid and the dash before it."""

_SETTLING: Final = ("PreparingRebalance", "CompletingRebalance")


class _Versioned(msgspec.Struct):
    schema_version: int = 1


_decode: Final = msgspec.json.Decoder(_Versioned).decode


@dataclass(frozen=True)
class Row:
    """A checkpoint row: next source offset, and the format of the rows it stands among."""

    position: int
    format: int


@dataclass(frozen=True)
class Books:
    """What the topics of a ledger have at their ends, by partition.

    Attributes:
        chunks, changelog: The partitions; None where they can't be read.
        rows: Checkpoint rows.
        versions: Highest schema_version of the newest messages, by topic.
        before, after: The group, looked at before and after the rows; None where that is not allowed.
        seconds: Time between the two.
        denied: What could not be read, and why.
    """

    chunks: Mapping[int, Log] | None = None
    changelog: Mapping[int, Log] | None = None
    rows: Mapping[int, Row] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    before: Group | None = None
    after: Group | None = None
    seconds: float = 0.0
    denied: Mapping[str, str] = field(default_factory=dict)


def version_of(record: Any) -> int | None:
    """schema_version of a chunk or a record; None of what is neither."""
    try:
        return _decode(record.value or b"").schema_version
    except msgspec.MsgspecError:
        return None


def row_of(record: Any) -> Row | None:
    """The checkpoint row, if a message of the changelog is one."""
    if record.key != CHECKPOINT_KEY or record.value is None:
        return None
    try:
        checkpoint = unpack_checkpoint(record.value)
    except msgspec.MsgspecError:
        return Row(0, UNREADABLE)
    return Row(checkpoint.position, checkpoint.format)


def check_versions(books: Books, record_topic: str) -> Iterator[Finding]:
    """Whether this program knows all that the newest messages are written in."""
    for topic, version in books.versions.items():
        if version > SCHEMA_VERSION:
            text = f"{topic} has schema_version {version}, this program knows {SCHEMA_VERSION}"
            if topic == record_topic:
                advice = "a newer program has written records: update this one before it runs on the ledger"
            else:
                advice = "such chunks become dead letters (unsupported_version): update this program, then redrive them"
            yield wrong("schema-versions", text, advice)
    for topic, reason in books.denied.items():
        yield unseen("schema-versions", f"{topic}: {reason}", f"grant Read on {topic}")
    if books.versions and max(books.versions.values()) <= SCHEMA_VERSION:
        yield fine("schema-versions", f"{SCHEMA_VERSION}, in the newest messages of {', '.join(books.versions)}")
    elif not books.versions and not books.denied:
        yield fine("schema-versions", f"{SCHEMA_VERSION}; the topics are empty")


def check_format(books: Books) -> Finding:
    """Whether this program can restore the state in the changelog."""
    rows = books.rows
    if books.changelog is None:
        return unseen("state-format", "the changelog is not to be seen")
    if not rows:
        return fine("state-format", f"{FORMAT}; no checkpoint is in the last rows")
    newest, oldest = max(row.format for row in rows.values()), min(row.format for row in rows.values())
    if newest > FORMAT or oldest == UNREADABLE:
        text = f"the changelog is written in a newer format than {FORMAT}"
        return wrong("state-format", text, "run the version that wrote it, or newer: this one can't restore it")
    if oldest < FORMAT:
        text = f"the changelog still has format {oldest}, this program writes {FORMAT} and reads both"
        return thin("state-format", text, "nothing to do before the update; there is no way back after it")
    return fine("state-format", f"{FORMAT}, {len(rows)} checkpoints looked at")


def check_clock(measured: float | None, newest_ms: int | None, now: float, slack_ms: int) -> Finding:
    """Our clock against the brokers'.

    Args:
        measured: Ours minus theirs in seconds, if a message came while we listened.
        newest_ms: Append time of the newest message there is.
        now: Our clock.
        slack_ms: clock_slack.
    """
    slack = slack_ms / 1_000
    ahead = 0.0 if newest_ms is None else newest_ms / 1_000 - now
    if measured is None and ahead > 0:
        measured = -ahead
    advice = "run a clock service (chrony, NTP) on workers and brokers, or raise clock_slack"
    if measured is None:
        return unseen("clock", "nothing was appended while we listened", "run it again while chunks flow")
    text = f"this machine's clock is {abs(measured):.3f} s {'behind' if measured < 0 else 'ahead of'} the brokers'"
    if abs(measured) > slack:
        text += f", clock_slack is {slack:g} s: requests that fall silent are not closed"
        return wrong("clock", text, advice)
    if abs(measured) > slack / 2:
        return thin("clock", text, advice)
    return fine("clock", text if measured else "agrees with the brokers'")


def check_group(books: Books, partitions: int, name: str) -> Iterator[Finding]:
    """Whether there are workers, and as many as can work."""
    before, after = books.before, books.after
    if before is None or after is None:
        yield unseen("group", "not allowed to look", f"grant Describe on group {name}")
        return
    text = f"{after.members} worker{'s' if after.members != 1 else ''}, {partitions} partitions"
    if not after.members:
        yield thin("group", f"no worker runs ({after.state})", "start them: streamledger worker")
    elif after.state in _SETTLING:
        advice = "look again; if it stays so, two workers have one --instance name, or one of them keeps ending"
        yield thin("group", f"{text}: rebalancing", advice)
    elif replaced := _replaced(before, after, f"streamledger-{name}"):
        advice = "if it was not restarted just now, two workers have this --instance name: give each its own"
        yield thin("group", f"static member {replaced} was replaced within {books.seconds:.0f} s", advice)
    elif after.members > partitions > 0:
        advice = f"run at most {partitions}: the others wait for a partition"
        yield thin("group", f"{text}: {after.members - partitions} are idle", advice)
    else:
        yield fine("group", text)


def check_positions(books: Books, still_after: float) -> Iterator[Finding]:
    """Where the workers stand: by their checkpoint rows, which decide, and by the group, which tools show.

    Args:
        books: What was read.
        still_after: Seconds in which a position has to move while chunks wait.
    """
    if books.chunks is None or books.changelog is None:
        yield unseen("positions", "chunks or changelog can't be read", "grant Read on both")
        return
    found = [*_lost(books, books.chunks), *_forgotten(books, books.changelog), *_differing(books)]
    yield from found
    waiting = _waiting(books)
    text = f"{sum(waiting.values()):,} offsets behind"
    if still(books) and books.seconds >= still_after:
        advice = "look at the workers' logs; `streamledger_lag_seconds` says whether it grows"
        yield thin("positions", f"{text}, and none moved in {books.seconds:.0f} s", advice)
    elif not found:
        yield fine("positions", text if waiting else "all chunks are worked through")


def still(books: Books) -> bool:
    """Whether chunks wait, there are workers, and no position before one of them moved between the two looks."""
    before, after, waiting = books.before, books.after, _waiting(books)
    if not waiting or before is None or after is None or not after.members:
        return False
    return all(before.offsets.get(number) == after.offsets.get(number) for number in waiting)


def _waiting(books: Books) -> dict[int, int]:
    """Offsets behind the position, by partition, where there are some."""
    lag = {number: log.end - _position(books, number, log) for number, log in (books.chunks or {}).items()}
    return {number: behind for number, behind in lag.items() if behind > 0}


def _position(books: Books, number: int, log: Log) -> int:
    row = books.rows.get(number)
    if row is not None and row.format != UNREADABLE:
        return row.position
    return (books.before.offsets if books.before is not None else {}).get(number, log.begin)


def _lost(books: Books, chunks: Mapping[int, Log]) -> Iterator[Finding]:
    """Chunks that retention took before they were read."""
    for number, log in chunks.items():
        row = books.rows.get(number)
        if row is not None and row.format != UNREADABLE and row.position < log.begin:
            text = f"partition {number}: {log.begin - row.position:,} offsets were deleted before they were read"
            yield wrong("positions", text, "keep chunks longer; ask the gateways to send that time again")


def _forgotten(books: Books, changelog: Mapping[int, Log]) -> Iterator[Finding]:
    """The group has a past of which the changelog knows nothing."""
    committed = {} if books.before is None else books.before.offsets
    for number, log in changelog.items():
        if log.begin == log.end == 0 and committed.get(number, 0) > 0:
            text = f"partition {number}: the group has a position, the changelog is empty: state was lost"
            advice = "don't start workers: a store in data_dir may be the last copy; restore the changelog's topic"
            yield wrong("positions", text, advice)


def _differing(books: Books) -> Iterator[Finding]:
    """The group's positions are not those of the rows; a running worker's lie in between two looks."""
    if books.before is None or books.after is None:
        return
    early, late = books.before.offsets, books.after.offsets
    differing = [
        number
        for number, row in books.rows.items()
        if row.format != UNREADABLE and not early.get(number, -1) <= row.position <= late.get(number, -1)
    ]
    if differing:
        text = f"partition {', '.join(map(str, differing))}: the group's position is not the checkpoint's"
        advice = (
            "somebody reset it, or it expired: workers go by the checkpoint, lag tools are wrong until the next one"
        )
        yield thin("positions", text, advice)


def _replaced(before: Group, after: Group, client_id: str) -> str | None:
    """A static name whose member changed between two looks; Kafka calls members `name-uuid`, others `client-uuid`."""
    gone, come = set(before.names) - set(after.names), set(after.names) - set(before.names)
    kept = {name[:-_UUID] for name in gone} & {name[:-_UUID] for name in come}
    return min(kept - {client_id}, default=None)
