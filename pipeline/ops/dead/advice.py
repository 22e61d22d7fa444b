"""What each reason of a dead letter means, and what can be done about it: one table.

Owns the words, and whether sending the same chunk again can help. Imports `schemas.deadletter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from schemas.deadletter import DeadLetterReason


class Again(StrEnum):
    """Whether a chunk can be sent back."""

    AS_IT_IS = "as it is"
    """Once its cause is gone: what would be refused for the same reason again is not sent."""
    WITH_KEY = "with --repair-key"
    """Under the key that its value names."""
    FIXED = "with --value"
    """Only as another value, mended by hand."""
    NEVER = "never"
    """Not under this request id."""


class Advice(NamedTuple):
    """One row.

    Attributes:
        meaning: What was wrong.
        remedy: What to do about it.
        again: Whether it can be sent back.
    """

    meaning: str
    remedy: str
    again: Again


_R = DeadLetterReason

ADVICE: Final[Mapping[str, Advice]] = {
    _R.NOT_JSON: Advice(
        "the value is no JSON text in UTF-8, or there is none",
        "find the producer that writes it; if the chunk can be had, send it back with --value",
        Again.FIXED,
    ),
    _R.INVALID: Advice(
        "a field of the envelope is missing or wrong; the detail names it",
        "correct the producer; write the value to a file with `dead show … --value`, correct the field there, and send "
        "it back with `dead redrive … --value`",
        Again.FIXED,
    ),
    _R.KEY_MISMATCH: Advice(
        "the Kafka key is not the request_id of the value, or missing",
        "correct the producer's key; `dead redrive --repair-key` sends the chunk under the id in its value",
        Again.WITH_KEY,
    ),
    _R.WRONG_PARTITION: Advice(
        "it came to another partition than the one that murmur2 gives its key",
        "set the producer's partitioner to murmur2; `dead redrive` sends the chunk to the right one",
        Again.AS_IT_IS,
    ),
    _R.UNSUPPORTED_VERSION: Advice(
        "its schema_version is newer than the worker",
        "upgrade the workers, then `dead redrive`",
        Again.AS_IT_IS,
    ),
    _R.OVERSIZE: Advice(
        "it is larger than max_chunk_bytes, or than any message may be; then its value was left on the chunk topic",
        "raise max_chunk_bytes of the workers (8MiB at most), then `dead redrive` with the same setting; or have the "
        "producer send less in one chunk, and less in one batch",
        Again.AS_IT_IS,
    ),
    _R.STREAM_TYPE_CONFLICT: Advice(
        "its request began with another stream_type",
        "two streams share a request id, or a producer names the type wrongly; correct it, and send the chunk back "
        "with --value if it belongs to this request",
        Again.FIXED,
    ),
    _R.CONFLICT: Advice(
        "its request has another content under the same attempt, kind and index; the first one stays",
        "a gateway numbers chunks twice, or two write one request; if the chunk is missing in the record, give it "
        "an index of its own and send it back with --value",
        Again.FIXED,
    ),
    _R.LATE: Advice(
        "its request was closed, and neither late_policy nor revise_window let it in",
        "`dead redrive` folds the request anew with it and corrects the record",
        Again.AS_IT_IS,
    ),
    _R.REQUEST_ID_REUSED: Advice(
        "a second request came under the id of a closed one; the two are never merged",
        "correct the gateway; to bill the second request, write its chunks with `dead show … --value`, give them a "
        "request_id of their own, and send them with `streamledger produce`",
        Again.NEVER,
    ),
    _R.INTERNAL: Advice(
        "folding its request raised an exception: a fault of this program; the record says status error",
        "report it; after an upgrade that mends it, `dead redrive` folds the request anew and corrects the record",
        Again.AS_IT_IS,
    ),
}
"""By reason."""

UNKNOWN: Final = Advice(
    "a reason that this version does not know",
    "look at it with the version that the workers run",
    Again.NEVER,
)


def advice(reason: str) -> Advice:
    """The row of a reason."""
    return ADVICE.get(reason, UNKNOWN)
