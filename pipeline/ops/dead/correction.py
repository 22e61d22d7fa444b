"""Letters of a closed request → the correction of its record: folded anew from its chunks and those of the letters.

Imports its siblings, the core's fold and `ops.correction`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.core.refold import Refolded, refold
from pipeline.core.rows import Outgoing, SourceRecord
from pipeline.core.valuation import Valuation
from pipeline.errors import FoundProblem
from pipeline.ops.correction import Stored, amended
from pipeline.ops.dead.examination import Ticket
from pipeline.ops.dead.letter import Place
from pipeline.settings import Settings

ADDS_NOTHING = "it adds nothing to the record of its request"
CHANGED = (
    "its chunks do not give its record again: settings or prices have changed since it was made; settle that first "
    "(`streamledger reprice`), or correct it as of now with --as-of-now"
)
MISSING = "not all chunks that its record was made of were found"
STILL_FAILS = "folding its request still raises"


@dataclass(frozen=True)
class Made:
    """A correction, not yet sent.

    Attributes:
        record: The next revision; None if the letters add nothing.
        refused: Letters that were not taken in, and why.
        taken: The others, with the chunk as it was taken in.
    """

    record: Outgoing | None
    refused: Mapping[Ticket, str] = field(default_factory=dict)
    taken: Mapping[Ticket, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Workshop:
    """What every correction needs."""

    settings: Settings
    valuation: Valuation
    as_of_now: bool

    def correction(self, stored: Stored, base: Sequence[SourceRecord], letters: Mapping[Ticket, SourceRecord]) -> Made:
        """The correction of a record by letters of its request.

        Args:
            stored: the latest record.
            base: the chunks it was made of.
            letters: chunks of the letters, at offsets that no chunk of `base` has.

        Raises:
            FoundProblem: the record can't be made from its chunks, or folding still raises.
        """
        if base:
            self._compare(stored.record, self._fold(stored, base))
        together = self._fold(stored, [*base, *letters.values()])
        if together.bug is not None:
            raise FoundProblem(f"{STILL_FAILS} {together.bug}: nothing is sent")
        refused = {
            ticket: ": ".join(together.refused[chunk.offset])
            for ticket, chunk in letters.items()
            if chunk.offset in together.refused
        }
        taken = {ticket: chunk.value or b"" for ticket, chunk in letters.items() if ticket not in refused}
        if together.record is None or not taken:
            return Made(None, refused)
        together.record["source"] = _source(stored, [ticket.stood for ticket in taken])
        record = amended(
            stored.record,
            together.record,
            ledger=self.settings.ledger,
            limit=self.settings.max_record_bytes,
            traceparent=stored.traceparent,
        )
        if record is None:
            return Made(None, {**refused, **dict.fromkeys(taken, ADDS_NOTHING)})
        return Made(record, refused, taken)

    def _fold(self, stored: Stored, chunks: Sequence[SourceRecord]) -> Refolded:
        request = stored.record["request_id"], stored.record["stream_type"]
        return refold(request, chunks, self.settings.policy(), self.valuation)

    def _compare(self, record: Mapping[str, Any], again: Refolded) -> None:
        """Make sure that what is there is understood before something is added to it.

        Raises:
            FoundProblem: it is not.
        """
        if again.record is None or again.record["chunk_count"] < record["chunk_count"]:
            raise FoundProblem(MISSING)
        same = all(again.record[name] == record[name] for name in ("token_usage", "cost", "status"))
        if not (same or self.as_of_now):
            raise FoundProblem(CHANGED)


def _source(stored: Stored, stood: Iterable[Place]) -> dict[str, Any]:
    """The range that the corrected record's chunks stood in; those of other partitions lie outside of it."""
    source = stored.record["source"]
    known = [place.offset for place in stood if place.partition == source["partition"]]
    known += [source["first_offset"], source["last_offset"]]
    return {**source, "first_offset": min(known), "last_offset": max(known)}
