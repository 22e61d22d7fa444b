"""Requests of all six stream types, each with what its record must say: known from its making, not by folding.

A stream is a list of pieces; each knows what it adds to the result. What is expected follows from those that are sent,
so that a stream may be cut off or lose a piece. Imports the standard library only.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

Json = dict[str, Any]

WORDS: Final = ("tide ", "Möwe ", "harbour ", "潮 ", "lamp\n", "\u00e9toile ", "\U0001f6a2 ", "wind ", "", "knot ")
LARGE_SHARE: Final = 0.006
LARGE_BYTES: Final = (150_000, 600_000)


@dataclass
class Piece:
    """One chunk to be.

    Attributes:
        body: Fields of the envelope: response or error, perhaps more.
        adds: What it contributes: slot of the result and content; text and bytes are joined, an image is replaced.
        image: Image it belongs to.
        attempt: Attempt it belongs to; None leaves the field out.
        last: Whether it carries is_final.
    """

    body: Json
    adds: tuple[str, Any] | None = None
    image: int | None = None
    attempt: int | None = None
    last: bool = False


@dataclass
class Made:
    """A stream in the making: its pieces, and what its end says.

    Attributes:
        kind: Stream type.
        pieces: All of its chunks.
        finish: finish_reason of its end.
        usage: Of its end.
        tools: Id and name of its calls.
        request: What was sent upstream.
    """

    kind: str
    pieces: list[Piece]
    finish: str | None = None
    usage: Json | None = None
    tools: list[tuple[str, str]] = field(default_factory=list)
    request: Json | None = None

    @property
    def before_end(self) -> int:
        """So many pieces come at most of a stream that does not end: of images only previews of the first."""
        return {"image.generation": 2, "chat.completion": len(self.pieces) - 2}.get(self.kind, len(self.pieces) - 1)


@dataclass(frozen=True)
class Request:
    """A request as it is sent.

    Attributes:
        request_id: Its id, and the key of its chunks.
        chunks: Values in the order in which they were made.
        expected: The view of its record (`tests.chaos.reconcile.view`).
        groups: Numbers of chunks that may be shuffled among themselves; one group after the other.
    """

    request_id: str
    chunks: Sequence[bytes]
    expected: Json
    groups: Sequence[Sequence[int]]


def digest(content: str | bytes) -> str:
    """SHA-256 of text or bytes, first 16 hex digits."""
    return sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:16]


def words(draw: random.Random) -> list[str]:
    """Texts of some deltas; now and then a large one."""
    made = [f"{draw.choice(WORDS)}{draw.randrange(1_000)} " for _ in range(draw.randint(3, 18))]
    if draw.random() < LARGE_SHARE:
        made[draw.randrange(len(made))] = draw.randbytes(draw.randint(*LARGE_BYTES) // 2).hex()
    return made


def tokens(draw: random.Random, names: tuple[str, str] = ("prompt_tokens", "completion_tokens")) -> Json:
    """A usage under the names of its kind of stream."""
    prompt, completion = draw.randint(1, 4_000), draw.randint(1, 2_000)
    return {names[0]: prompt, names[1]: completion, "total_tokens": prompt + completion}


def chat(draw: random.Random) -> Made:
    """A chat answer, one in four with two tool calls whose arguments come interleaved."""
    pieces = [Piece(_choice({"content": text}), ("text", text)) for text in words(draw)]
    made = Made("chat.completion", pieces, "stop", tokens(draw))
    if draw.random() < 0.25:
        made.finish, made.tools = "tool_calls", [(f"call_{index}", f"tool_{index}") for index in range(2)]
        for index, (call, name) in enumerate(made.tools):
            opening = {"index": index, "id": call, "type": "function", "function": {"name": name, "arguments": ""}}
            pieces.append(Piece(_choice({"tool_calls": [opening]}), (f"tool{index}", "")))
        arguments = [json.dumps({"n": draw.randrange(10**9), "city": draw.choice(WORDS)}) for _ in made.tools]
        for start in range(0, max(map(len, arguments)), 7):
            for index, whole in enumerate(arguments):
                if part := whole[start : start + 7]:
                    fragment = {"index": index, "function": {"arguments": part}}
                    pieces.append(Piece(_choice({"tool_calls": [fragment]}), (f"tool{index}", part)))
    pieces.append(Piece(_choice({}, made.finish)))
    pieces.append(Piece({"response": {"choices": [], "usage": made.usage}}))
    return made


def text(draw: random.Random) -> Made:
    """A text completion."""
    pieces = [
        Piece({"response": {"choices": [{"index": 0, "text": part, "finish_reason": None}]}}, ("text", part))
        for part in words(draw)
    ]
    made = Made("text.completion", pieces, "length", tokens(draw))
    pieces.append(
        Piece({"response": {"choices": [{"index": 0, "text": "", "finish_reason": "length"}], "usage": made.usage}})
    )
    return made


def speech(draw: random.Random) -> Made:
    """Speech in deltas that are padded each by itself."""
    pieces = []
    for _ in range(draw.randint(3, 12)):
        sound = draw.randbytes(draw.randint(50, 4_000))
        delta = {"type": "speech.audio.delta", "audio": base64.b64encode(sound).decode()}
        pieces.append(Piece({"response": delta}, ("audio", sound)))
    made = Made("audio.speech", pieces, None, tokens(draw, ("input_tokens", "output_tokens")))
    pieces.append(Piece({"response": {"type": "speech.audio.done", "usage": made.usage}}))
    return made


def image(draw: random.Random) -> Made:
    """One to three images with two previews each; the usage comes with the last one."""
    count = draw.randint(1, 3)
    pieces, shared = [], {"size": "256x256", "output_format": "png"}
    for number in range(count):
        for preview in range(2):
            data = base64.b64encode(draw.randbytes(draw.randint(100, 3_000))).decode()
            partial = {"type": "image_generation.partial_image", "partial_image_index": preview, "b64_json": data}
            pieces.append(Piece({"response": partial | shared}, (f"image{number}", data), image=number))
        data = base64.b64encode(draw.randbytes(draw.randint(500, 60_000))).decode()
        done = {"type": "image_generation.completed", "b64_json": data} | shared
        pieces.append(Piece({"response": done}, (f"image{number}", data), image=number))
    made = Made("image.generation", pieces, "completed", tokens(draw, ("input_tokens", "output_tokens")))
    pieces[-1].body["response"]["usage"] = made.usage
    made.request = {"n": count, "prompt": "boats"}
    return made


def transcription(draw: random.Random) -> Made:
    """A transcript whose closing event repeats it."""
    parts = words(draw)
    pieces = [
        Piece({"response": {"type": "transcript.text.delta", "delta": part}}, ("transcript", part)) for part in parts
    ]
    made = Made("audio.transcription", pieces, None, tokens(draw, ("input_tokens", "output_tokens")))
    done = {"type": "transcript.text.done", "text": "".join(parts), "usage": {"type": "tokens", **(made.usage or {})}}
    pieces.append(Piece({"response": done}, ("whole transcript", done["text"])))
    return made


def responses(draw: random.Random) -> Made:
    """A message of the Responses API, and now and then a function call after it."""
    pieces = [_event("response.created", response={"id": "resp", "status": "in_progress", "output": []})]
    pieces += _message(words(draw))
    made = Made("responses", pieces, None, tokens(draw, ("input_tokens", "output_tokens")))
    if draw.random() < 0.3:
        arguments = json.dumps({"n": draw.randrange(10**9)})
        made.tools = [("call_0", "tool_0")]
        call = {"id": "fc", "type": "function_call", "call_id": "call_0", "name": "tool_0", "arguments": ""}
        pieces.append(_event("response.output_item.added", ("tool0", ""), output_index=1, item=call))
        for start in range(0, len(arguments), 6):
            part = arguments[start : start + 6]
            kind = "response.function_call_arguments.delta"
            pieces.append(_event(kind, ("tool0", part), item_id="fc", output_index=1, delta=part))
    ended: Json = {"id": "resp", "status": "completed", "output": [], "usage": made.usage}
    pieces.append(_event("response.completed", response=ended))
    return made


MAKERS: Final[tuple[tuple[float, Callable[[random.Random], Made]], ...]] = (
    (0.40, chat),
    (0.15, text),
    (0.10, speech),
    (0.10, image),
    (0.10, transcription),
    (0.15, responses),
)
"""Share of each kind of stream."""


def _choice(delta: Json, finish: str | None = None) -> Json:
    return {"response": {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}}


def _event(kind: str, adds: tuple[str, Any] | None = None, **fields: Any) -> Piece:
    return Piece({"response": {"type": kind, **fields}}, adds)


def _message(parts: Sequence[str]) -> list[Piece]:
    """The events of one message item."""
    item = {"id": "msg", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    place: Json = {"item_id": "msg", "output_index": 0, "content_index": 0}
    block = {"type": "output_text", "text": "", "annotations": []}
    made = [_event("response.output_item.added", output_index=0, item=item)]
    made.append(_event("response.content_part.added", **place, part=block))
    return made + [_event("response.output_text.delta", ("item0", part), **place, delta=part) for part in parts]
