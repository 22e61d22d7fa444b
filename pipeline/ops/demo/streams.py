"""The streams that the demo sends: recordings of our own in the providers' formats, made into sixty requests.

Owns the samples, what varies between the requests made of one sample, and the order of delivery. What a record must say
comes from the file beside each recording, written by hand: nothing here or there is computed by the fold. Imports
`pipeline.ingest`, msgspec and PyYAML.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from pipeline.ingest import Fault, chunks_of

SAMPLES: Final = Path(__file__).parent / "samples"

SEED: Final = 20260302
"""Every run delivers in the same order, so that what one run shows, the next one shows again."""

REPEATED: Final = 10
"""One chunk in so many is sent twice."""

FIRST_START: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
START_EVERY: Final = timedelta(milliseconds=1_700)

TEAMS: Final = ("search", "support", "docs", "mobile", "web")
TENANTS: Final = ("north", "south", "west")


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file beside a recording: how it becomes requests, and what their records must say.

    Attributes:
        about: What the sample is there for.
        provider: Format of the recording, as for `streamledger chunks`.
        vendor: Who sent it, where that is not the owner of the format.
        type: Stream type of the chunks.
        streams: Requests that are made of it.
        recorded: Chunks that the recording holds, counted by hand.
        first_ms: Time from the request to its first chunk; of the first request, the second, … and round again.
        interval_ms: Time between two chunks.
        models: Model, in turn as above.
        costs: Cost in USD that the gateway puts on the last chunk, in turn as above; null where it knows none, 0 where
            it is wrong.
        listed: Cost by list price, worked out by hand, in the order of the models.
        lost: Indexes of chunks that never arrive.
        accident: What goes wrong with it, in words; null where nothing does.
        expect: What `view` must show of the record, beyond what follows from the fields above.
    """

    about: str
    provider: str
    type: str
    streams: int
    recorded: int
    first_ms: list[int]
    interval_ms: int
    models: list[str]
    costs: list[float | None]
    expect: dict[str, Any]
    lost: list[int] = []
    accident: str | None = None
    vendor: str | None = None
    listed: list[float] = []


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One request of the demo.

    Attributes:
        request_id: Its id.
        sample: Name of the sample it is made of.
        accident: What goes wrong with it; None where nothing does.
        chunks: Its chunks as JSON, those that arrive.
        expected: What `view` must show of its record.
    """

    request_id: str
    sample: str
    accident: str | None
    chunks: Sequence[bytes]
    expected: dict[str, Any]


def samples() -> dict[str, Sample]:
    """All samples by name, in the order of their names."""
    return {
        path.stem: msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Sample)
        for path in sorted(SAMPLES.glob("*.yaml"))
    }


def recording(name: str) -> Path:
    """The recording of a sample: SSE text or JSON lines."""
    return next(path for path in SAMPLES.glob(f"{name}.*") if path.suffix != ".yaml")


def streams() -> list[Stream]:
    """All requests of the demo: one of each sample, then the second ones, so that neighbours differ."""
    cast = samples()
    rounds = max(sample.streams for sample in cast.values())
    turns = [(name, turn) for turn in range(rounds) for name, sample in cast.items() if turn < sample.streams]
    return [_stream(number, name, cast[name], turn) for number, (name, turn) in enumerate(turns, 1)]


def deliveries(sent: Iterable[Stream], *, seed: int = SEED) -> list[bytes]:
    """All chunks in the order in which they are sent: shuffled over all requests, a tenth of them twice."""
    lines = [chunk for stream in sent for chunk in stream.chunks]
    order = random.Random(seed)  # noqa: S311 (an order that can be repeated, no secret)
    lines += order.sample(lines, len(lines) // REPEATED)
    order.shuffle(lines)
    return lines


def _stream(number: int, name: str, sample: Sample, turn: int) -> Stream:
    """The request with this number, from 1, which is the `turn`-th of its sample, from 0."""
    request_id = f"req_{number:03}"
    start = FIRST_START + number * START_EVERY
    labels = {"team": TEAMS[number % len(TEAMS)], "tenant": TENANTS[number % len(TENANTS)]}
    first, model, cost = (_turn(values, turn) for values in (sample.first_ms, sample.models, sample.costs))
    provider = sample.vendor or sample.provider.partition("-")[0]
    stamped = {"start_timestamp": _rfc3339(start), "labels": labels, "provider": provider}
    chunks = list(
        chunks_of(
            recording(name).read_bytes(),
            provider=sample.provider,
            request_id=request_id,
            model=model,
            start=start + timedelta(milliseconds=first - sample.interval_ms),
            interval_ms=sample.interval_ms,
            report=_expect_cut,
        )
    )
    if cost is not None:
        chunks[-1]["cost"] = cost
    arriving = [chunk | stamped for place, chunk in enumerate(chunks) if place not in sample.lost]
    expected = {
        **stamped,
        "stream_type": sample.type,
        "model": model,
        "time_to_first_token": first,
        "latency": first + (sample.recorded - 1) * sample.interval_ms,
        "chunk_count": sample.recorded - len(sample.lost),
        "complete": True,
        "missing_indexes": [],
        **_money(sample, turn, cost),
        **sample.expect,
    }
    # ASCII: a recording may hold escaped halves of a surrogate pair, which UTF-8 can't carry.
    lines = [json.dumps(chunk, separators=(",", ":")).encode("ascii") for chunk in arriving]
    return Stream(request_id=request_id, sample=name, accident=sample.accident, chunks=lines, expected=expected)


def _money(sample: Sample, turn: int, cost: float | None) -> dict[str, Any]:
    """What the gateway says, unless that is 0, else the list price of the turn's model, else nothing."""
    if cost:
        return {"cost": cost, "cost_source": "gateway"}
    if not sample.listed:
        return {"cost": None}
    return {
        "cost": _turn(sample.listed, turn),
        "cost_source": "catalog",
        "cost_reason": None if cost is None else "gateway_zero",
    }


def _turn(values: Sequence[Any], turn: int) -> Any:
    return values[turn % len(values)]


def _expect_cut(fault: Fault) -> None:
    """A recording of ours may end in the middle of an event; anything else is a slip in a sample."""
    if not fault.cut:
        raise AssertionError(f"line {fault.line} of a sample: {fault.reason}")


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
