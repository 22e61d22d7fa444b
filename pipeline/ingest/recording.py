"""A provider's recorded stream → chunks of the contract (CONTRACT §1): the library behind `streamledger chunks`.

Owns the decision that a stream ended properly, and what becomes of events that can't be read. Pure: it reads an
iterable of lines and no clock. Imports this room and `pipeline.errors`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pipeline.errors import UsageError
from pipeline.ingest.envelope import Envelope, Origin
from pipeline.ingest.format import Part, Stream
from pipeline.ingest.messages import Fault, Message, messages
from pipeline.ingest.providers import provider_format

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When a recorded request was sent unless told otherwise: fixed, so that the same recording gives the same chunks."""

INTERVAL_MS: Final = 50
"""Time between chunks unless told otherwise; a round number, so that nobody takes it for measured."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names of providers as gateways write them."""


def refuse(fault: Fault) -> None:
    """The default report: a recording may be cut off at its end, not broken inside.

    Raises:
        UsageError: the recording goes on behind the fault.
    """
    if not fault.cut:
        raise UsageError(
            f"line {fault.line} of the recording: {fault.reason}",
            hint="mend the line, or remove the event it belongs to",
        )


def chunks_of(  # noqa: PLR0913  one keyword for each option of the command
    lines: Iterable[str | bytes] | str | bytes,
    *,
    provider: str,
    request_id: str,
    vendor: str | None = None,
    model: str | None = None,
    start: datetime | None = None,
    interval_ms: int = INTERVAL_MS,
    report: Callable[[Fault], None] = refuse,
) -> Iterator[dict[str, Any]]:
    """Translate a recording, chunk by chunk, as it is read.

    The last chunk is final if the stream ended properly: by [DONE], by an event that ends such a stream, by an error,
    or with a finish_reason of each choice. An event that can't be read is left out but keeps its index, so that the
    record shows a gap, and no chunk is final then.

    Args:
        lines: The recording: its lines (a file opened as binary will do) or its whole text; SSE or one payload a line.
        provider: A name in PROVIDERS: the format of the recording.
        vendor: Who sent it, where that is not the owner of the format: `provider` of every chunk.
        request_id: Of every chunk; not checked here.
        model: Of every chunk, in place of what the payloads say.
        start: When the request was sent; chunk i was seen (i + 1) intervals later.
        interval_ms: Milliseconds between two chunks.
        report: Called for each event that can't be read; the rest is translated if it returns.

    Returns:
        Chunks as JSON objects. Strings may hold lone surrogates, as escapes in a recording may: write them as ASCII.

    Raises:
        UsageError: unknown provider, a vendor that is no name, a start without zone, a negative interval. While
            reading: what `report` raises, and a recording in which there is no event of a stream.
    """
    form = provider_format(provider)
    moment = START if start is None else start
    if moment.tzinfo is None:
        raise UsageError("the start has no time zone", hint="write it like 2026-01-01T00:00:00Z")
    if interval_ms < 0:
        raise UsageError("the interval is negative", hint="give milliseconds from 0 on")
    if vendor is not None and not _NAME.fullmatch(vendor):
        raise UsageError(f"{vendor!r} is no name of a vendor", hint="write it like groq or x.ai")
    origin = Origin(request_id, form.stream_type, vendor or form.provider, model)
    envelope = Envelope(origin, moment.astimezone(UTC), timedelta(milliseconds=interval_ms))
    return _Translation(form.open(), envelope, report).chunks(messages(lines))


class _Translation:
    """One recording on its way."""

    def __init__(self, stream: Stream, envelope: Envelope, report: Callable[[Fault], None]) -> None:
        self._stream = stream
        self._envelope = envelope
        self._report = report
        self._whole = True
        self._done = False

    def chunks(self, items: Iterable[Message | Fault]) -> Iterator[dict[str, Any]]:
        """Give out each chunk when the next is there: only then is it known not to be the last."""
        last: dict[str, Any] | None = None
        for part in self._parts(items):
            if last is not None:
                yield last
            last = self._envelope.around(part, self._stream.model)
        ended = self._whole and (self._done or self._stream.ended)
        if last is None:
            if not ended:
                raise UsageError("the recording holds no event of a stream", hint="SSE text, or one JSON object a line")
            last = self._envelope.around(Part(), self._stream.model)  # a bare marker: it ended without saying anything
        last["is_final"] = ended
        yield last

    def _parts(self, items: Iterable[Message | Fault]) -> Iterator[Part]:
        for item in items:
            if isinstance(item, Fault):
                self._report(item)
                self._envelope.skip()
                self._whole = False
            elif item.payload is None:
                self._done = True
            else:
                yield from self._stream.feed(item.name, item.payload)
        yield from self._stream.rest()
