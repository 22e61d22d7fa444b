"""Dead letters (CONTRACT §3): the closed list of reasons, the headers on the topic, the JSON line that `fold` prints.

On the topic a dead letter is the chunk itself, key, value and headers untouched, with dl.* headers added. Beside
letters the topic has receipts: one for each letter that `streamledger dead redrive` has sent back, in the letter's
partition and in the transaction that sent it. A receipt has `dl.redriven` and no `dl.reason`; its key is the request it
went to, its value the chunk as a correction took it in, null where the chunk itself went back to its topic. Who reads
letters alone skips what has no `dl.reason`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import Field

from schemas.leaves import Count, Model


class DeadLetterReason(StrEnum):
    """Why a chunk was not admitted; a closed list."""

    NOT_JSON = "not_json"
    """The value is no JSON text in UTF-8, or empty (a tombstone)."""
    INVALID = "invalid"
    """A field of the envelope is missing or wrong."""
    KEY_MISMATCH = "key_mismatch"
    """No key, or one that is not the request_id."""
    WRONG_PARTITION = "wrong_partition"
    """Not the partition that murmur2 gives the key; only with partitioner=murmur2."""
    UNSUPPORTED_VERSION = "unsupported_version"
    """schema_version is higher than known."""
    OVERSIZE = "oversize"
    """The chunk is larger than max_chunk_bytes."""
    STREAM_TYPE_CONFLICT = "stream_type_conflict"
    """The request already has another stream_type."""
    CONFLICT = "conflict"
    """Other content under an identity that is taken."""
    LATE = "late"
    """The request was closed, and the late policy or its window lets nothing more in."""
    REQUEST_ID_REUSED = "request_id_reused"
    """A second request under the id of a closed one."""
    INTERNAL = "internal"
    """Folding the request raised; the value may be rebuilt from state."""


HEADER_REASON: Final = "dl.reason"
HEADER_DETAIL: Final = "dl.detail"
HEADER_TOPIC: Final = "dl.topic"
HEADER_PARTITION: Final = "dl.partition"
HEADER_OFFSET: Final = "dl.offset"
HEADER_TIMESTAMP: Final = "dl.timestamp"

DEAD_LETTER_HEADERS: Final = {
    HEADER_REASON: "One of the reasons of the contract.",
    HEADER_DETAIL: "What exactly is wrong, without content; `rebuilt` where the value was rebuilt from state.",
    HEADER_TOPIC: "Topic that the chunk came from.",
    HEADER_PARTITION: "Its partition, in decimal digits.",
    HEADER_OFFSET: "Its offset, in decimal digits.",
    HEADER_TIMESTAMP: "Its append time in ms since the epoch, in decimal digits.",
}
"""Headers added to a dead letter, in this order, and what they say; all values are UTF-8 text."""

HEADER_REDRIVE: Final = "dl.redrive"
"""Header of a chunk that was sent back: which letter it was, `TOPIC:PARTITION:OFFSET` of the dead letter topic."""

HEADER_REDRIVEN: Final = "dl.redriven"
HEADER_WAY: Final = "dl.way"
HEADER_CHUNK: Final = "dl.chunk"


class Way(StrEnum):
    """How a letter was sent back."""

    CHUNKS = "chunks"
    """As a chunk on its topic, where the worker takes it like any other."""
    CORRECTION = "correction"
    """Folded into a correction of its request's record, which the worker would no longer revise."""


RECEIPT_HEADERS: Final = {
    HEADER_REDRIVEN: "The letter that was sent back, `PARTITION:OFFSET` of this topic.",
    HEADER_WAY: "`chunks`: as a chunk on its topic; `correction`: folded into a correction of the request's record.",
    HEADER_CHUNK: "Where the chunk stood on its topic when it was refused, `PARTITION:OFFSET`.",
}
"""Headers of a receipt, in this order; all values are UTF-8 text."""


class DeadLetterSource(Model):
    """Where a chunk came from; null where it did not come from Kafka."""

    topic: str | None = None
    partition: Count | None = None
    offset: Count | None = None
    timestamp: Count | None = None
    """Append time in ms since the epoch."""
    line: Annotated[Count, Field(ge=1)] | None = None
    """Line of the input, where it came from a file."""


class DeadLetter(Model):
    """A dead letter as one JSON line."""

    reason: DeadLetterReason = Field(strict=False)
    detail: str
    request_id: str | None
    """Null where the chunk could not be read."""
    source: DeadLetterSource | None
    value: Any
    """The chunk where it is a JSON object, else its text; null where it is not UTF-8 or where there was none."""
    value_base64: str | None = None
    """The original bytes where they are not UTF-8."""

    @classmethod
    def of(
        cls,
        reason: DeadLetterReason,
        detail: str,
        *,
        request_id: str | None = None,
        source: DeadLetterSource | None = None,
        value: bytes | None = None,
    ) -> Self:
        """The dead letter of a value, whatever its bytes."""
        letter = cls(reason=reason, detail=detail, request_id=request_id, source=source, value=None)
        if value is not None:
            try:
                letter.value = _readable(value.decode())
            except UnicodeDecodeError:
                letter.value_base64 = b64encode(value).decode()
        return letter

    def line(self) -> bytes:
        """The letter as a line of ASCII JSON; unlike pydantic's own it can hold lone surrogates and any depth."""
        source = None if self.source is None else self.source.model_dump(exclude_unset=True)
        return json.dumps(dict(self) | {"source": source}, allow_nan=False).encode() + b"\n"


def _readable(text: str) -> Any:
    """A JSON object, if any reader can be given it; else the text itself."""
    try:
        document = json.loads(text)
        json.dumps(document, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return document if isinstance(document, dict) else text
