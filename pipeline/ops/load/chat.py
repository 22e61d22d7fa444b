"""Chat answers with reasoning and tool calls, and text completions, as gateways pass them on.

Owns the payloads of both. Imports its siblings and the standard library.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pipeline.ops.load.manner import Manner, Model
from pipeline.ops.load.piece import Counts, Json, Made, Piece

CREATED: Final = 1_795_449_600
"""`created` of every payload: seconds since the epoch; nothing reads it but people."""

REQUEST: Final = "@request@"
"""Stands for the request's id inside of a payload, until it is known."""

TOOLS: Final = ("search_orders", "get_weather", "run_query", "read_file", "send_message", "list_events")
BLOCK: Final = 128
"""Tokens of a prompt are read from a cache in blocks."""
FRAGMENT: Final = 6
"""Characters of a fragment of arguments."""


def payload(ident: str, model: str, choices: Sequence[Json], usage: Json | None = None) -> Json:
    """A chat chunk as providers write it, `usage` in every one of them."""
    return {
        "id": ident,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": model,
        "choices": list(choices),
        "usage": usage,
    }


def choice(delta: Json, finish: str | None = None) -> Json:
    """The one choice of a chat chunk."""
    return {"index": 0, "delta": delta, "finish_reason": finish}


def words(draw: random.Random, manner: Manner) -> list[str]:
    """Texts of some deltas; now and then a large one."""
    share, least, most = manner.large
    made = [draw.choice(manner.words) for _ in range(manner.deltas.whole(draw))]
    if share and draw.random() < share:
        made[draw.randrange(len(made))] = draw.randbytes(draw.randint(least, most) // 2).hex()
    return made


def tokens(draw: random.Random, manner: Manner, model: Model, said: int) -> Counts:
    """What a stream with so many tokens that were shown is said to have used."""
    prompt = manner.prompt.whole(draw)
    cached = prompt // BLOCK * BLOCK // 2 if draw.random() < manner.cached else 0
    reasoning = manner.thoughts.whole(draw) if model.thinks == "hidden" else 0
    return Counts(prompt, max(said, 1) + reasoning, cached, reasoning)


def arguments(draw: random.Random, manner: Manner) -> list[str]:
    """Fragments that together are the JSON of a tool call."""
    whole: dict[str, Any] = {"id": draw.randrange(10**9), "note": ""}
    wanted = manner.fragments.whole(draw) * FRAGMENT - len(json.dumps(whole))
    while len(whole["note"]) < wanted:
        whole["note"] += draw.choice(manner.words)
    text = json.dumps(whole, ensure_ascii=False)
    return [text[start : start + FRAGMENT] for start in range(0, len(text), FRAGMENT)]


def chat(draw: random.Random, manner: Manner) -> Made:
    """A chat answer: perhaps reasoning, then text, then perhaps tool calls whose arguments come interleaved.

    The last piece has the usage and no choice, as with `include_usage`.
    """
    model = draw.choice(manner.models["chat.completion"])
    opening: Json = {"role": "assistant", "content": ""}
    pieces = [_chat(model, [choice(opening)])]
    thoughts = (
        [draw.choice(manner.words) for _ in range(manner.thoughts.whole(draw))] if model.thinks == "shown" else []
    )
    pieces += [_chat(model, [choice({"reasoning": text})], ("reasoning", text)) for text in thoughts]
    pieces += [_chat(model, [choice({"content": text})], ("text", text)) for text in words(draw, manner)]
    finish, tools = "stop", list[tuple[str, str]]()
    if draw.random() < manner.tools:
        finish = "tool_calls"
        tools = [(f"call_{index}_{REQUEST}", draw.choice(TOOLS)) for index in range(draw.randint(*manner.calls))]
        pieces += _calls(draw, manner, model, tools)
    counts = tokens(draw, manner, model, len(pieces) - 1)
    counts = counts._replace(reasoning=counts.reasoning + len(thoughts))
    pieces.append(_chat(model, [choice({}, finish)]))
    pieces.append(Piece({"response": payload(_ident(), model.name, [], chat_usage(counts))}, counts=counts))
    return Made("chat.completion", model, pieces, counts, finish, tools)


def _ident() -> str:
    return f"chatcmpl-{REQUEST}"


def _chat(model: Model, choices: Sequence[Json], adds: tuple[str, Any] | None = None) -> Piece:
    return Piece({"response": payload(_ident(), model.name, choices)}, adds)


def _calls(draw: random.Random, manner: Manner, model: Model, tools: Sequence[tuple[str, str]]) -> Iterator[Piece]:
    """The openings of all calls, then their arguments in turns."""
    for index, (call, name) in enumerate(tools):
        first = {"index": index, "id": call, "type": "function", "function": {"name": name, "arguments": ""}}
        yield _chat(model, [choice({"tool_calls": [first]})], (f"tool{index}", ""))
    fragments = [arguments(draw, manner) for _ in tools]
    for turn in range(max(map(len, fragments))):
        for index, parts in enumerate(fragments):
            if turn < len(parts):
                more = {"index": index, "function": {"arguments": parts[turn]}}
                yield _chat(model, [choice({"tool_calls": [more]})], (f"tool{index}", parts[turn]))


def chat_usage(counts: Counts) -> Json:
    """A usage under the names of chat; details only where there is something to tell."""
    usage: Json = {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.completion,
        "total_tokens": counts.total,
    }
    if counts.cached:
        usage["prompt_tokens_details"] = {"cached_read_tokens": counts.cached, "cached_tokens": counts.cached}
    if counts.reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": counts.reasoning}
    return usage


def text(draw: random.Random, manner: Manner) -> Made:
    """A text completion whose last chunk has finish_reason and usage."""
    model = draw.choice(manner.models["text.completion"])
    parts = words(draw, manner)
    counts = tokens(draw, manner, model, len(parts))
    pieces = [Piece({"response": _text(model, part)}, ("text", part)) for part in parts]
    end = _text(model, "", "length") | {"usage": chat_usage(counts)}
    return Made("text.completion", model, [*pieces, Piece({"response": end}, counts=counts)], counts, "length")


def _text(model: Model, part: str, finish: str | None = None) -> Json:
    chosen = {"index": 0, "text": part, "finish_reason": finish}
    named = {"id": f"cmpl-{REQUEST}", "object": "text_completion", "created": CREATED, "model": model.name}
    return named | {"choices": [chosen]}
