"""openai-chat: chat completion chunks of OpenAI and of the many that speak its dialect → WIRE §5.

Most pass through as they are: aliases (reasoning_content), usage-only and Azure's choice-less chunks are the fold's
business. Brought into shape here: content in blocks (Mistral) and tool arguments that come as an object. Imports this
room only.
"""

from __future__ import annotations

import json

from pipeline.ingest.choices import ChoiceStream
from pipeline.ingest.leaf import Payload, mapping, objects


class ChatStream(ChoiceStream):
    """A stream of chat.completion.chunk objects."""

    def shape(self, choice: Payload) -> None:
        """Flatten the delta of one choice, in place."""
        delta = mapping(choice.get("delta"))
        if isinstance(delta.get("content"), list):
            _flatten(delta)
        for call in objects(delta.get("tool_calls")):
            function = mapping(call.get("function"))
            if isinstance(function.get("arguments"), dict | list):
                function["arguments"] = json.dumps(function["arguments"], ensure_ascii=False, separators=(",", ":"))


def _flatten(delta: Payload) -> None:
    """Blocks of text become content, blocks of thinking reasoning, unless the delta has its reasoning elsewhere too."""
    blocks = objects(delta["content"])
    delta["content"] = _join([block for block in blocks if block.get("type") == "text"]) or None
    thinking = "".join(
        block["thinking"] if isinstance(block.get("thinking"), str) else _join(objects(block.get("thinking")))
        for block in blocks
        if block.get("type") == "thinking"
    )
    if thinking and not delta.get("reasoning") and not delta.get("reasoning_content"):
        delta["reasoning"] = thinking


def _join(blocks: list[Payload]) -> str:
    return "".join(block["text"] for block in blocks if isinstance(block.get("text"), str))
