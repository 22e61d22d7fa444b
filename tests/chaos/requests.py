"""Streams become requests: some end, some are cut off, lose a chunk, fail, or succeed at the second attempt.

Owns the envelope of a chunk and what a record must say under each of these fates. Imports the siblings and the standard
library only.
"""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Sequence
from typing import Any, Final

from tests.chaos.streams import MAKERS, Json, Made, Piece, Request, chat, digest

FATES: Final = ((0.80, "ended"), (0.06, "abandoned"), (0.05, "gap"), (0.05, "failed"), (0.04, "fallback"))
"""Share of each fate."""

ERROR: Final = {"type": "server_error", "message": "the provider went away"}
PICTURE_ENDED: Final = "image_generation.completed"
TEAMS: Final = ("search", "support", "mobile")
MILLISECONDS: Final = 40
"""Between two chunks, in payload time."""


def request(draw: random.Random, request_id: str, *, refused: Collection[bytes] = ()) -> Request:
    """A request with its fate; the same draws make the same one.

    Args:
        draw: Of this request alone.
        request_id: Its id.
        refused: Values of chunks that its record must do without.
    """
    fate = draw.choices([name for _, name in FATES], [share for share, _ in FATES])[0]
    maker = draw.choices([make for _, make in MAKERS], [share for share, _ in MAKERS])[0]
    made = chat(draw) if fate == "fallback" else maker(draw)
    # Never 0, which would be overruled; and without one it stays null: no price list knows this provider.
    cost = max(round(draw.random() / 100, 7), 1e-7) if draw.random() < 0.5 else None
    sent, lost = _fated(draw, made, fate)
    if cost is not None and sent[-1].last:
        sent[-1].body["cost"] = cost
    places = _places(sent)
    groups = [[number for number, piece in enumerate(sent) if (piece.attempt or 0) == attempt] for attempt in (0, 1)]
    envelopes = [
        _envelope(request_id, made, piece, place, number)
        for number, (piece, place) in enumerate(zip(sent, places, strict=True))
    ]
    labels = {"team": draw.choice(TEAMS), "tenant": f"t{draw.randrange(50)}"}
    envelopes[0]["labels"] = {"team": labels["team"]}
    envelopes[1]["labels"] = {"team": "other", "tenant": labels["tenant"]}
    if made.request is not None:
        envelopes[0]["raw_request"] = made.request
    kept = [number for number in range(len(sent)) if number != lost]
    chunks = [json.dumps(envelopes[number], ensure_ascii=draw.random() < 0.5).encode() for number in kept]
    shown = [number for number, chunk in zip(kept, chunks, strict=True) if chunk not in refused]
    if shown[0]:  # the lowest one that is left says who pays
        labels = next((envelopes[number]["labels"] for number in shown if "labels" in envelopes[number]), {})
    expected = _expected(made, [sent[number] for number in shown], fate, labels)
    if lost is not None:
        expected |= {"complete": False, "missing_indexes": [[lost, lost]]}
    order = {number: place for place, number in enumerate(kept)}
    groups = [[order[number] for number in group if number in order] for group in groups if group]
    return Request(request_id, chunks, expected, groups)


def _fated(draw: random.Random, made: Made, fate: str) -> tuple[list[Piece], int | None]:
    """The pieces that are made under a fate, and the number of the one that gets lost."""
    pieces = made.pieces
    if fate in {"abandoned", "failed"}:
        cut = pieces[: draw.randint(2, made.before_end)]
        failure = [Piece({"error": _error()}, image=cut[-1].image, last=True)] if fate == "failed" else []
        return [*cut, *failure], None
    if fate == "fallback":
        first = [Piece(piece.body, attempt=0) for piece in made.pieces[: draw.randint(2, 3)]]
        first.append(Piece({"error": _error()}, attempt=0))
        for piece in pieces:
            piece.attempt = 1
        pieces[-1].last = True
        return [*first, *pieces], None
    pieces[-1].last = True
    texts = [number for number, piece in enumerate(pieces) if piece.adds is not None and piece.adds[0] == "text"]
    if fate == "gap" and len(texts) > 3:
        return pieces, draw.choice(texts[2:])
    return pieces, None


def _error() -> Json:
    return {"is_bifrost_error": False, "status_code": 503, "error": dict(ERROR)}


def _places(pieces: Sequence[Piece]) -> list[int]:
    """Chunk indexes: each attempt and each image counts from 0."""
    counts: dict[tuple[int, int], int] = {}
    places = []
    for piece in pieces:
        where = piece.attempt or 0, piece.image or 0
        places.append(counts.get(where, 0))
        counts[where] = places[-1] + 1
    return places


def _envelope(request_id: str, made: Made, piece: Piece, place: int, number: int) -> Json:
    seconds, milliseconds = divmod(number * MILLISECONDS, 1_000)
    fields: dict[str, Any] = {
        "request_id": request_id,
        "stream_type": made.kind,
        "chunk_index": place,
        "timestamp": f"2026-01-01T00:{seconds // 60:02d}:{seconds % 60:02d}.{milliseconds:03d}Z",
        "provider": "harbour",
        "model": "m-1",
        **piece.body,
    }
    if piece.last:
        fields["is_final"] = True
    if piece.image is not None:
        fields["image_index"] = piece.image
    if piece.attempt is not None:
        fields["attempt"] = piece.attempt
    return fields


def _expected(made: Made, sent: Sequence[Piece], fate: str, labels: Json) -> Json:
    """What the record must say, from the pieces that are sent."""
    whole = sent[-1].last and fate != "failed"
    shown = [piece for piece in sent if fate != "fallback" or piece.attempt == 1]
    joined = _joined(shown)
    usage = made.usage if whole else None
    counts = None if usage is None else list(usage.values())
    failed = fate == "failed"
    calls = [
        [call, name, joined[f"tool{index}"]]
        for index, (call, name) in enumerate(made.tools)
        if f"tool{index}" in joined
    ]
    return {
        "stream_type": made.kind,
        "provider": "harbour",
        "model": "m-1",
        "labels": labels,
        "status": "error" if failed else "success" if whole else "incomplete",
        "finish_reason": "error" if failed else made.finish if whole and _pictures_ended(shown) else None,
        "complete": whole or failed,
        "missing_indexes": [],
        "chunk_count": len(sent),
        "attempts": 2 if fate == "fallback" else None,
        "usage": counts,
        "cost": sent[-1].body.get("cost"),
        "error": [ERROR["type"], ERROR["message"]] if failed else None,
        "text": _hash(joined.get("text")),
        "tools": calls or None,
        "audio": _hash(joined.get("audio")),
        "transcript": _hash(joined.get("whole transcript", joined.get("transcript"))),
        "items": None if "item0" not in joined else [digest(joined["item0"])],
        "images": [[int(slot[5:]), digest(data)] for slot, data in sorted(joined.items()) if slot[:5] == "image"]
        or None,
    }


def _pictures_ended(pieces: Sequence[Piece]) -> bool:
    """Whether every image that is shown has its completed event; true of streams without images."""
    ended = {piece.image for piece in pieces if piece.body.get("response", {}).get("type", "").endswith(PICTURE_ENDED)}
    return all(piece.image is None or piece.image in ended for piece in pieces)


def _joined(pieces: Sequence[Piece]) -> dict[str, Any]:
    """Contents by slot: text and bytes joined in order, of an image the last form."""
    joined: dict[str, Any] = {}
    for piece in pieces:
        if piece.adds is not None:
            slot, content = piece.adds
            replace = slot.startswith("image") or slot not in joined
            joined[slot] = content if replace else joined[slot] + content
    return joined


def _hash(content: str | bytes | None) -> str | None:
    return digest(content) if content else None
