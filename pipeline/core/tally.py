"""What one snapshot holds, counted for the metrics: the engine adds it up once its transaction is committed.

Nothing is counted for a chunk by itself: sums come from heads at a checkpoint, and from records when they are made.
Owns the counts; names and label values are the business of `pipeline.metrics`. Imports the core only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pipeline.core.head import Head

Fields = Mapping[str, Any]

DIRECTIONS: Final = (("input", "prompt_tokens"), ("output", "completion_tokens"))
"""Directions of tokens, and where a usage has them."""


class Sums:
    """What records of one provider and model add up to.

    Attributes:
        first_token, latency: ms of each request, of those that showed anything and of all.
        tokens, cost: by direction, and in USD, as far as they rose.
        tokens_back, cost_back: what revisions took back, above 0.
        unpriced: records with usage and no cost, by reason; a request counts once.
    """

    __slots__ = ("cost", "cost_back", "first_token", "latency", "tokens", "tokens_back", "unpriced")

    def __init__(self) -> None:
        """Nothing yet."""
        self.first_token: list[int] = []
        self.latency: list[int] = []
        self.tokens: Counter[str] = Counter()
        self.tokens_back: Counter[str] = Counter()
        self.cost = self.cost_back = 0.0
        self.unpriced: Counter[str] = Counter()

    def add(self, fields: Fields) -> None:
        """Take the fields of a record; a revision adds its change."""
        if fields["revision"]:
            bill = fields["delta"] or {}
        else:
            bill = fields
            self.latency.append(fields["latency"])
            if fields["time_to_first_content"] is not None:
                self.first_token.append(fields["time_to_first_token"])
        usage, cost = bill.get("token_usage") or {}, bill.get("cost") or 0.0
        for direction, name in DIRECTIONS:
            count = usage.get(name) or 0
            if count > 0:
                self.tokens[direction] += count
            elif count < 0:
                self.tokens_back[direction] -= count
        if cost > 0:
            self.cost += cost
        else:
            self.cost_back -= cost
        # A revision counts if it is the one that brings the usage: its change is all of it.
        if fields["cost"] is None and usage and usage == fields["token_usage"]:
            self.unpriced[(fields["cost_details"] or {}).get("reason") or ""] += 1


class Tally:
    """Counts since the snapshot before.

    Attributes:
        opened: requests that began.
        chunks: that were folded, by stream type.
        duplicates: repeats, dropped.
        conflicts: chunks with other content under a known identity.
        late: chunks of closed requests: folded into a revision, adding nothing, or refused as late.
        anomalies: odd leaves of the payloads of finished requests.
        internal: requests given up to an exception.
        dead: dead letters by reason.
        records: of revision 0, by (stream type, status, closed_by).
        gaps: of those, the ones that miss an index, by stream type.
        revisions: by stream type.
        models: by (provider, model).
    """

    __slots__ = (
        "anomalies", "chunks", "conflicts", "dead", "duplicates", "gaps", "internal", "late", "models", "opened",
        "records", "revisions",
    )  # fmt: skip

    def __init__(self) -> None:
        """Nothing yet."""
        self.opened = self.duplicates = self.conflicts = self.late = self.anomalies = self.internal = 0
        self.chunks: Counter[str] = Counter()
        self.dead: Counter[str] = Counter()
        self.records: Counter[tuple[str, str, str]] = Counter()
        self.gaps: Counter[str] = Counter()
        self.revisions: Counter[str] = Counter()
        self.models: dict[tuple[str | None, str | None], Sums] = {}

    def head(self, head: Head) -> None:
        """Take the chunks of a head that are in no segment yet, before they are written to one or to a record."""
        fresh = len(head.offsets)
        if fresh:
            self.chunks[head.stream_type] += fresh
            if head.revision:
                self.late += fresh

    def record(self, fields: Fields, *, poisoned: bool) -> None:
        """Take the fields of a record, revision or not."""
        kind = fields["stream_type"]
        if poisoned:
            self.internal += 1
        if fields["revision"]:
            self.revisions[kind] += 1
        else:
            self.records[kind, fields["status"], fields["closed_by"]] += 1
            self.gaps[kind] += bool(fields["missing_indexes"])
            self.anomalies += fields["payload_anomalies"]
        if not poisoned:  # its times and money are made up or unknown
            whose = fields["provider"], fields["model"]
            sums = self.models.get(whose)
            if sums is None:
                sums = self.models[whose] = Sums()
            sums.add(fields)

    def again(self, *, repeat: bool) -> None:
        """Take a late chunk that changes nothing: a repeat, or one that adds nothing."""
        if repeat:
            self.duplicates += 1
        else:
            self.late += 1

    def refused(self, reasons: Iterable[str]) -> None:
        """Take the reasons of dead letters."""
        self.dead.update(reasons)
        self.conflicts, self.late = self.dead["conflict"], self.late + self.dead["late"]
