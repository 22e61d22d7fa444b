"""What the live views show: plain values that a page, a terminal and JSON are made of.

Owns their shapes. Times are milliseconds since the epoch or, within a request, since its start; money is USD as a
decimal number. A view holds no content: texts, tool calls, audio and images never get here (G7). Imports the standard
library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal, get_args

Status = Literal["open", "closed", "success", "error", "incomplete"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
"""What requests can be asked for by: `open` has no record, `closed` has any."""

OTHERS: Final = "(all others)"
"""Key of the row of money that sums up those without a row of their own."""


@dataclass(frozen=True)
class Filter:
    """Which requests are meant; what is None or empty takes all.

    Attributes:
        status: Of the newest record, or one of STATUSES that speak of more.
        labels: These labels with these values, all of them.
        text: Part of the request id.
    """

    provider: str | None = None
    model: str | None = None
    status: Status | None = None
    stream_type: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None


ALL: Final = Filter()
"""Every request."""


@dataclass(frozen=True)
class Headline:
    """The numbers of the window (`seconds`), and of now where they say so.

    Attributes:
        requests: Requests with a record in the window.
        seconds: Of the window; less where so many records came that it could not be kept whole.
        requests: Requests with a record in the window; each counts once, as the newest record says.
        success_rate: Share of them with status success; None without any.
        latency_ms, first_token_ms: Medians; None without any.
        incomplete, errors: Of them, by status.
        duplicates, gaps: Repeats dropped and ranges of indexes missing, as the records say.
        late: Records that late chunks made, and dead letters `late`.
        open: Requests without a record, now; `oldest_ms` the age of the oldest.
        overdue: Of them, those that should have one by now: no worker runs, or it does not get on.
        chunks_per_second, records_per_second: Over the last ten seconds, of all requests, whatever the filter.
        cost: Sum of what is priced; `unpriced` counts the rest.
        dead: Dead letters in the window; under a filter those whose request is known and meant.
        behind: Offsets between what was read and the ends of the topics; 0 when up to date.
    """

    seconds: int
    requests: int
    success_rate: float | None
    latency_ms: int | None
    first_token_ms: int | None
    tokens_in: int
    tokens_out: int
    cost: Decimal
    unpriced: int
    incomplete: int
    errors: int
    duplicates: int
    gaps: int
    late: int
    dead: int
    open: int
    oldest_ms: int | None
    overdue: int
    chunks_per_second: float
    records_per_second: float
    behind: int


@dataclass(frozen=True, slots=True)
class Dot:
    """A chunk in time: `at_ms` since the request's start, by append time."""

    at_ms: int
    kind: Literal["data", "usage", "error", "marker"]
    index: int
    attempt: int
    duplicate: bool
    final: bool
    offset: int


@dataclass(frozen=True)
class Gap:
    """Indexes `first` to `last` of an attempt that have not come; of images, of one of them."""

    attempt: int
    first: int
    last: int
    image: int | None = None


@dataclass(frozen=True)
class Box:
    """What a strip collapses into: the newest record of the request."""

    record_id: str
    revision: int
    status: Literal["success", "error", "incomplete"]
    closed_by: str
    complete: bool
    finish_reason: str | None
    tokens_in: int | None
    tokens_out: int | None
    cost: Decimal | None
    unpriced_reason: str | None
    latency_ms: int
    first_token_ms: int | None
    offset: int
    """Of the record, in the record topic."""


@dataclass(frozen=True)
class Strip:
    """One request as a line in time.

    Attributes:
        started_at, seen_at: Append times of its first and its newest chunk.
        chunks, duplicates: All of its chunks that came, repeats among them; and how many of them are repeats.
        dots: At most as many as `Live` was told to keep; `left_out` counts the others.
        first_token_ms: Of the first chunk with content, since `started_at`.
        box: None while the request is open.
        partition, first_offset, last_offset: Where its chunks lie in the chunk topic.
    """

    request_id: str
    stream_type: str
    provider: str | None
    model: str | None
    labels: Mapping[str, str]
    started_at: int
    seen_at: int
    chunks: int
    duplicates: int
    dots: tuple[Dot, ...]
    first_token_ms: int | None
    gaps: tuple[Gap, ...]
    box: Box | None
    partition: int
    first_offset: int
    last_offset: int

    @property
    def state(self) -> Literal["open", "success", "error", "incomplete"]:
        """Status of its record, or open."""
        return "open" if self.box is None else self.box.status

    @property
    def named(self) -> str:
        """Provider and model, as far as they are known; empty where neither is."""
        return "/".join(part for part in (self.provider, self.model) if part)

    @property
    def left_out(self) -> int:
        """Chunks without a dot."""
        return self.chunks - len(self.dots)


@dataclass(frozen=True)
class MoneyRow:
    """Usage and cost of one value of what was grouped by; `key` None where records have none.

    Past a number of rows the rest is one row, the last, whose key is OTHERS.
    """

    key: str | None
    requests: int
    tokens_in: int
    tokens_out: int
    cost: Decimal
    unpriced: int
    incomplete: int


@dataclass(frozen=True)
class DeadRow:
    """Dead letters of one reason in the window, with the newest of them."""

    reason: str
    count: int
    newest_at: int
    request_id: str | None
    detail: str
    partition: int
    offset: int
    """Of the newest letter, in the dead-letter topic."""


@dataclass(frozen=True)
class Snapshot:
    """Everything at one moment; `version` rises with each change, so that a reader knows whether to look again.

    Attributes:
        trouble: One plain sentence when Kafka does not answer, topics are missing or the like; None when all is well.
    """

    version: int
    taken_at: int
    ledger: str
    headline: Headline
    strips: tuple[Strip, ...]
    money: Mapping[str, tuple[MoneyRow, ...]]
    """By `model`, `provider` and each `label.NAME`."""
    dead: tuple[DeadRow, ...]
    trouble: str | None
