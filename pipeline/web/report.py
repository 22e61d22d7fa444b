"""What the page of a request says: chunks in time, answer, cost, evidence, and whether they agree.

Owns the way from an explanation to the page, and the words for every way in which there is none. Imports its siblings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.errors import FoundProblem, KafkaUnreachable, StreamledgerError
from pipeline.ops.explain import problem
from pipeline.ops.explain.words import brought
from pipeline.ops.live.told import box_of
from pipeline.ops.live.view import Dot, Gap, Strip
from pipeline.web.access import Grant
from pipeline.web.answer import Piece, answer
from pipeline.web.inquiry import Busy, Inquiry, Json, Told
from pipeline.web.page import Drawing
from pipeline.web.picture import Picture, Scale
from pipeline.web.waterfall import Waterfall, waterfall
from schemas.leaves import parse_timestamp

ROWS: Final = 400
"""Chunks that are listed; the middle of a longer stream is on the command line."""


@dataclass(frozen=True)
class Report:
    """A request, explained.

    Attributes:
        document: As `streamledger explain --json` prints it.
        picture, scale: Its chunks in time; None where none was found.
        rows: Of the timeline, with None where some are left out.
        answer: None where content may not be seen; empty where a record has none.
        agrees: Whether its chunks give its record again; None where there is no record.
    """

    document: Json
    strip: Strip | None
    picture: Picture | None
    scale: Scale
    rows: Sequence[Json | None]
    omitted: int
    cost: Waterfall | None
    answer: Sequence[Piece] | None
    record: Json | None
    agrees: bool | None


@dataclass(frozen=True)
class Failure:
    """Why there is no report; `again` when trying later may help."""

    text: str
    hint: str | None
    again: bool


async def report(inquiry: Inquiry, request_id: str, grant: Grant, strip: Strip | None, now_ms: int) -> Report | Failure:
    """Explain a request; every way to fail becomes words."""
    try:
        told = await inquiry.explain(request_id, grant.who, strip, content=False, now_ms=now_ms)
    except Busy as busy:
        return Failure(str(busy), None, again=True)
    except KafkaUnreachable:
        return Failure("Kafka does not answer", "try again when it does", again=True)
    except FoundProblem as missing:
        return Failure(missing.message, missing.hint, again=False)
    except StreamledgerError as error:
        return Failure(str(error), None, again=False)
    document = told.document
    rows: list[Json | None] = [{**row, "brings": brought(row["brings"])} for row in document["timeline"]]
    omitted = max(len(rows) - ROWS, 0)
    if omitted:
        rows = [*rows[: ROWS // 2], None, *rows[-ROWS // 2 :]]
    drawn = strip_of(told, strip)
    draw = Drawing([drawn] if drawn is not None else [], now_ms)
    return Report(
        document=document,
        strip=drawn,
        picture=None if drawn is None else draw(drawn),
        scale=draw.scale,
        rows=rows,
        omitted=omitted,
        cost=waterfall(document["cost"]),
        answer=(answer(told.record) if told.record is not None else []) if grant.content else None,
        record=told.record,
        agrees=None if not document["comparison"] else not problem(document),
    )


def strip_of(told: Told, known: Strip | None) -> Strip | None:
    """The strip of all chunks that were found; what the live view knows where none was."""
    document = told.document
    rows = [row for row in document["timeline"] if row["append_time"] and row["kind"]]
    if not rows:
        return known
    times = [round(parse_timestamp(row["append_time"]).timestamp() * 1_000) for row in rows]
    start = min(times)
    dots = tuple(_dot(row, ms - start) for row, ms in zip(rows, times, strict=True))
    first = next((dot.at_ms for dot, row in zip(dots, rows, strict=True) if "first content" in row["marks"]), None)
    summary: Any = document["summary"] or {}
    box = known.box if known is not None else None
    if box is None and told.record is not None and told.offset is not None:
        box = box_of(told.record, told.offset)
    return Strip(
        request_id=document["request_id"],
        stream_type=summary.get("stream_type") or (known.stream_type if known is not None else ""),
        provider=summary.get("provider") or (known.provider if known is not None else None),
        model=summary.get("model") or (known.model if known is not None else None),
        labels=summary.get("labels") or (known.labels if known is not None else {}),
        started_at=start,
        seen_at=max(times),
        chunks=len(dots),
        duplicates=sum(dot.duplicate for dot in dots),
        dots=dots,
        first_token_ms=known.first_token_ms if first is None and known is not None else first,
        gaps=tuple(Gap(gap["attempt"], gap["first"], gap["last"], gap["image_index"]) for gap in document["gaps"]),
        box=box,
        partition=document["evidence"]["read"]["partition"],
        first_offset=rows[0]["offset"],
        last_offset=rows[-1]["offset"],
    )


def _dot(row: Json, at_ms: int) -> Dot:
    return Dot(
        at_ms=at_ms,
        kind=row["kind"],
        index=row["chunk_index"],
        attempt=row["attempt"],
        duplicate="duplicate" in row["outcome"],
        final="end" in row["marks"],
        offset=row["offset"],
    )
