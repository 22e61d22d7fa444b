"""Entries as CloudEvents 1.0 for metering, in the shape of OpenMeter (ECOSYSTEM §4).

`data` has numbers where a meter sums, the cost as exact decimal text, and no key for what is unknown: a meter takes a
null for an error. Owns that shape and its encoding. Imports the CNCF's library only where an event is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

from pipeline.core.cost import plain
from pipeline.errors import UsageError
from pipeline.sinks.export.entry import Entry
from pipeline.sinks.export.format import Event, Refused
from pipeline.sinks.export.payer import Payer

TYPE: Final = "llm.usage.recorded"
BATCH: Final = "application/cloudevents-batch+json"
STRUCTURED: Final = "application/cloudevents+json"
INSTALL: Final = "pip install 'streamledger[export]'"

Json = dict[str, Any]


@dataclass(frozen=True)
class Metering:
    """The format.

    Attributes:
        source: of every event; with the id, what receivers know a repeat by.
        subject: who is billed; an event without one is refused by meters, and so becomes a dead letter.
        batched: many events a request, else one.
    """

    source: str
    subject: Payer
    batched: bool = True

    @property
    def content_type(self) -> str:
        """Of a request."""
        return BATCH if self.batched else STRUCTURED

    @property
    def most(self) -> int | None:
        """Events that fit into a request; None: any number."""
        return None if self.batched else 1

    def event(self, entry: Entry) -> Event:
        """An entry as an event."""
        record = entry.record
        attributes: Json = {
            "specversion": "1.0",
            "id": entry.id,
            "source": self.source,
            "type": TYPE,
            "time": entry.end,
            "datacontenttype": "application/json",
            "subject": self.subject.of_labels(record["labels"]),
            "traceparent": entry.traceparent,
        }
        made = self._library.CloudEvent(_known(attributes), data_of(entry))
        encoded: bytes = self._library.JSONFormat().write(made)
        return Event(entry.id, record["request_id"], encoded)

    def line(self, event: Event) -> bytes:
        """An event as a line of JSON: structured mode."""
        value: bytes = event.value
        return value

    def body(self, events: Sequence[Event]) -> bytes:
        """A request."""
        if not self.batched:
            return self.line(events[0])
        return b"[" + b",".join(event.value for event in events) + b"]"

    def refused(self, content_type: str, body: bytes) -> Refused | None:  # noqa: ARG002 (a meter takes all or nothing)
        """What an answer that accepts says against single events: nothing."""
        return None

    @cached_property
    def _library(self) -> _Library:
        return _Library()


class _Library:
    """What is used of the CNCF's library."""

    def __init__(self) -> None:
        try:
            from cloudevents.core.formats.json import JSONFormat  # noqa: PLC0415 (optional)
            from cloudevents.core.v1.event import CloudEvent  # noqa: PLC0415 (optional)
        except ImportError as error:
            raise UsageError("cloudevents is not installed", hint=INSTALL) from error
        self.JSONFormat, self.CloudEvent = JSONFormat, CloudEvent


def source_of(cluster: str, topic: str) -> str:
    """Where events come from, as a URI reference."""
    return f"streamledger/{quote(cluster, safe='')}/{quote(topic, safe='')}"


def data_of(entry: Entry) -> Json:
    """The payload: what was used and what it costs, of whom, and the evidence; never content."""
    record = entry.record
    return _known(
        {
            "request_id": record["request_id"],
            "record_id": record["record_id"],
            "revision": record["revision"],
            "supersedes": record.get("supersedes"),
            "delta": entry.amendment,
            "operation": record["stream_type"],
            "provider": record.get("provider"),
            "model": record.get("model"),
            "service_tier": record.get("service_tier"),
            "status": record["status"],
            "finish_reason": record.get("finish_reason"),
            "error_type": entry.inside("error_details", "error", "type"),
            "cache_hit": entry.inside("cache_debug", "cache_hit"),
            "latency_ms": record.get("latency"),
            "ttft_ms": record.get("time_to_first_token"),
            "tokens": entry.tokens or None,
            "usage_source": record.get("usage_source"),
            "cost_usd": None if entry.cost is None else plain(entry.cost),
            "cost": _parts(entry) or None,
            "cost_source": entry.inside("cost_details", "source"),
            "cost_reason": entry.inside("cost_details", "reason"),
            "price_id": entry.inside("cost_details", "price_id"),
            "price_version": entry.inside("cost_details", "price_version"),
            "tags": record["labels"],
            "evidence": _evidence(record),
        }
    )


def _parts(entry: Entry) -> Json:
    """The parts of a whole that add up to it; those of a change are not known."""
    if entry.amendment or entry.cost is None:
        return {}
    return _known({name: entry.inside("cost_details", name) for name in ("input", "output")})


def _evidence(record: Mapping[str, Any]) -> Json:
    names = ("complete", "truncated", "chunk_count", "duplicate_count", "conflict_count", "missing_indexes", "digest")
    return _known({name: record.get(name) for name in (*names, "source")})


def _known(fields: Json) -> Json:
    """Without what is null."""
    return {name: value for name, value in fields.items() if value is not None}
