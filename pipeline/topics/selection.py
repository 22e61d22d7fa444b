"""Which part of a topic, and which requests in it, a command is asked to look at (CONTRACT §6).

Owns the grammar `@FROM:TO`, partitions and labels as people write them. Imports `topics.bound`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pipeline.errors import UsageError
from pipeline.topics.bound import Bound, sensible

_PARTITIONS: Final = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?", re.ASCII)
_TIME_OF_DAY: Final = re.compile(r"(?<=T\d\d):(?=\d\d)|(?<=T\d\d:\d\d):(?=\d\d)|(?<=[+-]\d\d):(?=\d\d)")
_COLON: Final = "\x00"
"""Stands for the colons inside a time while a span is split at the one between its ends."""


@dataclass(frozen=True)
class Selection:
    """A range of a topic and the requests that are meant in it.

    Attributes:
        since: Where it begins; None: with the first record that is kept.
        until: Where it ends, exclusive; None: at the end that the topic has now.
        partitions: Numbers; None: all.
        request_ids: None: all.
        labels: Label and value that a request must carry, each of them.
    """

    since: Bound | None = None
    until: Bound | None = None
    partitions: frozenset[int] | None = None
    request_ids: frozenset[str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def numbers(self, count: int, topic: str) -> list[int]:
        """The partitions that are meant, of a topic that has `count`.

        Raises:
            UsageError: one of them does not exist.
        """
        if self.partitions is None:
            return list(range(count))
        beyond = sorted(number for number in self.partitions if number >= count)
        if beyond:
            text = f"topic {topic} has {count} partitions, counted from 0: there is no {beyond[0]}"
            raise UsageError(text, hint="choose others with --partitions")
        return sorted(self.partitions)

    def wants(self, request_id: str, labels: Mapping[str, Any]) -> bool:
        """Whether a request is meant."""
        if self.request_ids is not None and request_id not in self.request_ids:
            return False
        return all(labels.get(name) == value for name, value in self.labels.items())


def span_of(text: str, now_ms: int) -> tuple[Bound | None, Bound | None]:
    """Read `@FROM:TO`; either end may be missing, the `@` too.

    Raises:
        UsageError: it is no span, or one of its ends no position.
    """
    masked = _TIME_OF_DAY.sub(_COLON, text.strip().removeprefix("@"))
    if masked.count(":") != 1:
        hint = "write @FROM:TO, such as @-2h:-1h, @120:240 or @2026-11-23T16:00:00Z:"
        raise UsageError(f"{text!r} is no range of a topic", hint=hint)
    ends = [part.replace(_COLON, ":").strip() for part in masked.split(":")]
    since, until = (Bound.of(end, now_ms) if end else None for end in ends)
    return since, until


def partitions_of(text: str) -> frozenset[int]:
    """Read `0,2,5-7`.

    Raises:
        UsageError: it is no list of partitions.
    """
    found: set[int] = set()
    for part in text.split(","):
        match = _PARTITIONS.fullmatch(part.strip())
        if match is None or (match[2] is not None and int(match[2]) < int(match[1])):
            raise UsageError(f"--partitions {text} is no list of partitions", hint="write numbers such as 0,2,5-7")
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(found)


def labels_of(assignments: Iterable[str]) -> dict[str, str]:
    """Read `key=value`s.

    Raises:
        UsageError: one has no `=`, or a key stands twice with different values.
    """
    found: dict[str, str] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise UsageError(f"--label {assignment} has no value", hint="write --label key=value")
        if found.setdefault(key, value) != value:
            raise UsageError(f"--label {key} is given twice", hint="one value for each label")
    return found


def selection(  # noqa: PLR0913 (one argument for each flag)
    *,
    since: str | None = None,
    until: str | None = None,
    span: str | None = None,
    partitions: str | None = None,
    request_ids: Sequence[str] = (),
    labels: Sequence[str] = (),
    now_ms: int,
) -> Selection:
    """A selection out of what was written on a command line; `now_ms` is what times ago count from.

    Raises:
        UsageError: something of it can't be read, a span stands beside one of its ends, or nothing can be in the range.
    """
    if span is not None and (since is not None or until is not None):
        raise UsageError("-o is --from and --to in one", hint="leave one of them out")
    if span is not None:
        first, last = span_of(span, now_ms)
    else:
        first, last = (None if text is None else Bound.of(text, now_ms) for text in (since, until))
    sensible(first, last, now_ms)
    return Selection(
        first,
        last,
        None if partitions is None else partitions_of(partitions),
        frozenset(request_ids) or None,
        labels_of(labels),
    )
