"""One look at the picture: what of it is meant by a filter, as the plain values of `view`.

Owns the filter and the order of strips. The moment is passed in. Imports this room.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Literal

from pipeline.ops.live import letters
from pipeline.ops.live.letters import LATE, Refused
from pipeline.ops.live.money import Group, Sum, merged, rows, sums
from pipeline.ops.live.picture import Picture
from pipeline.ops.live.request import Request
from pipeline.ops.live.told import Key, Told
from pipeline.ops.live.view import ALL, DeadRow, Filter, Headline, MoneyRow, Strip

Order = Literal["newest", "oldest"]
Meant = Callable[[str, str, str, str | None, str | None, Mapping[str, str]], bool]
"""Of request id, state, stream type, provider, model and labels."""


@dataclass(frozen=True)
class Look:
    """What is meant, at one moment.

    Attributes:
        at: Now, ms since the epoch.
        since: Append time after which records count.
        records, requests, letters: Those that are meant.
        bare: First and newest append time of those open requests that have no strip; none under a filter, for nothing
            is known of them.
        names, sums: What money is grouped by, and the sums over the records by all of it.
    """

    picture: Picture
    at: int
    since: int
    records: list[Told]
    requests: list[Request]
    letters: list[Refused]
    bare: list[tuple[int, int]]
    names: Sequence[str]
    sums: Mapping[Group, Sum]

    def headline(self, behind: int) -> Headline:
        """The numbers; `behind`: offsets that are not read yet."""
        boxes, sums = [told.box for told in self.records], merged(self.sums.values())
        mine = ((request.begun, request.seen_at) for request in self.requests if request.told is None)
        waiting, late = [*self.bare, *mine], self.at - self.picture.patience
        return Headline(
            seconds=(self.at - self.since) // 1_000,
            requests=sums.requests,
            success_rate=(sums.requests - sums.errors - sums.incomplete) / sums.requests if sums.requests else None,
            latency_ms=_median([box.latency_ms for box in boxes]),
            first_token_ms=_median([box.first_token_ms for box in boxes]),
            tokens_in=sums.tokens_in,
            tokens_out=sums.tokens_out,
            cost=sums.cost,
            unpriced=sums.unpriced,
            incomplete=sums.incomplete,
            errors=sums.errors,
            duplicates=sums.duplicates,
            gaps=sums.gaps,
            late=sums.late + sum(letter.reason == LATE for letter in self.letters),
            dead=len(self.letters),
            open=len(waiting),
            oldest_ms=max(self.at - min(waiting)[0], 0) if waiting else None,
            overdue=sum(seen < late for _, seen in waiting),
            chunks_per_second=self.picture.chunks_rate.at(self.at),
            records_per_second=self.picture.records_rate.at(self.at),
            behind=behind,
        )

    def strips(self, count: int, order: Order) -> tuple[Strip, ...]:
        """So many of the requests, by the time they began."""
        choose = heapq.nlargest if order == "newest" else heapq.nsmallest
        return tuple(self.picture.draw(each) for each in choose(count, self.requests, key=_began))

    def money(self, most: int) -> Mapping[str, tuple[MoneyRow, ...]]:
        """Usage and cost by each of the names, `most` lines each."""
        return {name: rows(self.sums, place, most) for place, name in enumerate(self.names)}

    def dead(self) -> tuple[DeadRow, ...]:
        """Dead letters by reason."""
        return letters.rows(self.letters)


def look(picture: Picture, at: int, where: Filter = ALL, names: Sequence[str] = ()) -> Look:
    """Look at what a filter means.

    Raises:
        UsageError: money can't be grouped by one of the names.
    """
    since, meant = picture.figures.since(at), _meant(where)
    every = meant is None
    records = picture.figures.within(since)
    requests = picture.requests()
    if meant is None:
        chosen = list(records), list(requests)
    else:
        chosen = (
            [told for told in records if _told_meant(told, meant)],
            [each for each in requests if _request_meant(each, meant)],
        )
    dead = picture.letters.within(at, lambda letter: every or _letter_meant(letter, picture, where, meant))
    bare = picture.bare() if every else []
    return Look(picture, at, since, *chosen, dead, bare, names, sums(chosen[0], names))


def _began(request: Request) -> tuple[int, int, int]:
    return request.begun, request.key.partition, request.first_offset


def _median(found: list[int | None]) -> int | None:
    known = [value for value in found if value is not None]
    return median_low(known) if known else None


def _meant(where: Filter) -> Meant | None:
    """The filter as a function; None where it takes all."""
    if where == ALL:
        return None
    wanted, text = dict(where.labels), where.text or ""

    def meant(
        request_id: str,
        state: str,
        stream_type: str,
        provider: str | None,
        model: str | None,
        labels: Mapping[str, str],
    ) -> bool:
        if where.provider not in (None, provider) or where.model not in (None, model) or text not in request_id:
            return False
        if where.status not in (None, state) and (where.status != "closed" or state == "open"):
            return False
        if where.stream_type not in (None, stream_type):
            return False
        return not wanted or wanted.items() <= labels.items()

    return meant


def _told_meant(told: Told, meant: Meant) -> bool:
    return meant(told.key.request_id, told.box.status, told.stream_type, told.provider, told.model, told.labels)


def _request_meant(request: Request, meant: Meant) -> bool:
    of = request
    return meant(of.key.request_id, of.state, of.stream_type, of.provider, of.model, of.labels)


def _letter_meant(letter: Refused, picture: Picture, where: Filter, meant: Meant | None) -> bool:
    """Whether the request of a letter is meant; of an unknown one only its id can be."""
    if letter.request_id is None or meant is None:
        return meant is None
    key = Key(letter.source, letter.request_id)
    request, told = picture.get(key), picture.figures.of(key)
    if request is not None:
        return _request_meant(request, meant)
    if told is not None:
        return _told_meant(told, meant)
    return where == Filter(text=where.text) and (where.text or "") in letter.request_id
