"""Streams become requests: some end, some are cut off, lose a chunk, fail, or succeed at the second attempt.

Owns what a record must say under each of these fates, from the pieces that are sent. Imports `pipeline.ops.load`, the
siblings and the standard library only.
"""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Sequence
from typing import Any, Final

from pipeline.ops.load.chat import REQUEST, chat
from pipeline.ops.load.envelope import envelope, places
from pipeline.ops.load.fate import ERROR, Fate, fated
from pipeline.ops.load.piece import Json, Made, Piece
from tests.chaos.streams import MAKERS, SHORT, Request, digest

FATES: Final[Sequence[tuple[float, Fate]]] = (
    (0.80, "ended"),
    (0.06, "abandoned"),
    (0.05, "gap"),
    (0.05, "failed"),
    (0.04, "fallback"),
)
"""Share of each fate."""

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
    made = (chat if fate == "fallback" else maker)(draw, SHORT)
    # Never 0, which would be overruled; and without one it stays null: no price list knows this provider.
    cost = max(round(draw.random() / 100, 7), 1e-7) if draw.random() < 0.5 else None
    sent, lost = fated(draw, made, fate)
    if cost is not None and sent[-1].last:
        sent[-1].body["cost"] = cost
    groups = [[number for number, piece in enumerate(sent) if (piece.attempt or 0) == attempt] for attempt in (0, 1)]
    envelopes = [
        envelope(request_id, made, piece, place, _time(number))
        for number, (piece, place) in enumerate(zip(sent, places(sent), strict=True))
    ]
    labels = {"team": draw.choice(TEAMS), "tenant": f"t{draw.randrange(50)}"}
    envelopes[0]["labels"] = {"team": labels["team"]}
    envelopes[1]["labels"] = {"team": "other", "tenant": labels["tenant"]}
    if made.request is not None:
        envelopes[0]["raw_request"] = made.request
    kept = [number for number in range(len(sent)) if number != lost]
    texts = [json.dumps(envelopes[number], ensure_ascii=draw.random() < 0.5) for number in kept]
    chunks = [text.replace(REQUEST, request_id).encode() for text in texts]
    shown = [number for number, chunk in zip(kept, chunks, strict=True) if chunk not in refused]
    if shown[0]:  # the lowest one that is left says who pays
        labels = next((envelopes[number]["labels"] for number in shown if "labels" in envelopes[number]), {})
    made.tools = [(call.replace(REQUEST, request_id), name) for call, name in made.tools]
    expected = _expected(made, [sent[number] for number in shown], fate, labels)
    if lost is not None:
        expected |= {"complete": False, "missing_indexes": [[lost, lost]]}
    order = {number: place for place, number in enumerate(kept)}
    groups = [[order[number] for number in group if number in order] for group in groups if group]
    return Request(request_id, chunks, expected, groups)


def _time(number: int) -> str:
    seconds, milliseconds = divmod(number * MILLISECONDS, 1_000)
    return f"2026-01-01T00:{seconds // 60:02d}:{seconds % 60:02d}.{milliseconds:03d}Z"


def _expected(made: Made, sent: Sequence[Piece], fate: str, labels: Json) -> Json:
    """What the record must say, from the pieces that are sent."""
    whole = sent[-1].last and fate != "failed"
    shown = [piece for piece in sent if fate != "fallback" or piece.attempt == 1]
    joined = _joined(shown)
    counts = [made.counts.prompt, made.counts.completion, made.counts.total] if whole else None
    failed = fate == "failed"
    calls = [
        [call, name, joined[f"tool{index}"]]
        for index, (call, name) in enumerate(made.tools)
        if f"tool{index}" in joined
    ]
    return {
        "stream_type": made.kind,
        "provider": made.model.provider,
        "model": made.model.name,
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
