"""A dead letter as it would go back: under which key, to which partition, with which value; or why it can't.

Decides by the letter alone, before anything is known of its request. Imports its siblings, the schemas and settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from pipeline.core.finish import REBUILT
from pipeline.ops.dead.advice import Again, advice
from pipeline.ops.dead.choice import Choice
from pipeline.ops.dead.letter import Letter, Place
from pipeline.settings import Settings
from pipeline.topics.partitioner import partition_of
from schemas.deadletter import DeadLetterReason
from schemas.decode import ChunkRejected, decode

OVER_AGAIN: Final = "it was sent back once and refused again; name its place to send it once more"


@dataclass(frozen=True)
class Order:
    """What a redrive is asked to do.

    Attributes:
        choice: The letters that are meant.
        value: What is sent in the place of the letter's value; only for a single letter.
        repair_key: Send under the request id of the value where the key is another one, or missing.
        as_of_now: Correct a record also where its chunks would give other figures by now.
    """

    choice: Choice
    value: bytes | None = None
    repair_key: bool = False
    as_of_now: bool = False


class Ticket(NamedTuple):
    """A letter that could go back; its value stays on the topic until it does.

    Attributes:
        place, reason: Of the letter.
        request_id, stream_type: Of the chunk that would be sent.
        partition: Of the chunk topic, where its request is.
        stood: Where the chunk stood there when it was refused.
        seen_at: When it came, ms.
        size: Bytes of its value.
        rebuilt: The value was rebuilt from state; the original may still lie at its offset.
    """

    place: Place
    reason: str
    request_id: str
    stream_type: str
    partition: int
    stood: Place
    seen_at: int
    size: int
    rebuilt: bool


def examine(letter: Letter, order: Order, settings: Settings, partitions: int) -> Ticket | str:
    """How a letter could go back; a text says why it can't.

    Args:
        letter: With its value.
        order: What was asked.
        settings: Of the ledger.
        partitions: Of the chunk topic.
    """
    refusal = _refusal(letter, order, settings)
    if refusal is not None:
        return refusal
    value = letter.value if order.value is None else order.value
    if value is None:
        return "it has no value"
    if len(value) > settings.max_chunk_bytes:
        return f"oversize: {len(value):,} bytes are more than max_chunk_bytes, {settings.max_chunk_bytes:,}"
    try:
        chunk = decode(value)
    except ChunkRejected as wrong:
        return f"it would be refused again: {wrong.reason}: {wrong.detail}"
    other = _key_refusal(letter, chunk.request_id, order)
    if other is not None:
        return other
    key = chunk.request_id.encode()
    stays = letter.key == key and letter.reason != DeadLetterReason.WRONG_PARTITION
    return Ticket(
        place=letter.place,
        reason=letter.reason,
        request_id=chunk.request_id,
        stream_type=str(chunk.stream_type),
        partition=letter.source.partition if stays else partition_of(key, partitions),
        stood=letter.stood,
        seen_at=letter.seen_at,
        size=len(value),
        rebuilt=letter.detail == REBUILT and order.value is None,
    )


def _refusal(letter: Letter, order: Order, settings: Settings) -> str | None:
    """By reason and origin."""
    told = advice(letter.reason)
    if told.again is Again.NEVER:
        return f"{told.meaning}; {told.remedy}"
    if told.again is Again.FIXED and order.value is None:
        return f"the same again would be refused again: {told.remedy}"
    if letter.source.topic != settings.chunk_topic:
        return f"its chunk came from topic {letter.source.topic}; give --chunk-topic if that is the one"
    late = letter.reason == DeadLetterReason.LATE
    if letter.returned is not None and not late and order.choice.places is None:
        return OVER_AGAIN
    return None


def _key_refusal(letter: Letter, request_id: str, order: Order) -> str | None:
    """A chunk goes back to its own request: that of its key, or with a wrong key that of its value."""
    if letter.key == request_id.encode():
        return None
    if letter.reason != DeadLetterReason.KEY_MISMATCH:
        return "the value is of another request than the letter's key"
    if not order.repair_key:
        return "its key is not the request_id of its value: --repair-key sends it under the latter"
    if letter.named is not None and letter.named != request_id:
        return "the value is of another request than the letter's own value"
    return None
