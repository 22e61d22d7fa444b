"""openai-chat: chat completion chunks of OpenAI and of the many that speak its dialect → WIRE §5.

Most pass through as they are: aliases (reasoning_content), usage-only and Azure's choice-less chunks are the fold's
business. Brought into shape here: content in blocks (Mistral) and tool arguments that come as an object. Imports this
room, and the core for what blocks are.
"""

from __future__ import annotations

import json

from pipeline.core.streams.blocks import read_blocks
from pipeline.ingest.choices import ChoiceStream
from pipeline.ingest.leaf import Payload, mapping, objects


class ChatStream(ChoiceStream):
    """A stream of chat.completion.chunk objects."""

    def shape(self, choice: Payload) -> None:
        """Flatten the delta of one choice, in place."""
        delta = mapping(choice.get("delta"))
        if isinstance(delta.get("content"), list):
            _flatten(delta)
        if objects(delta.get("executed_tools")):  # tools that Groq ran by itself, with what they found
            delta["provider_items"] = objects(delta.get("provider_items")) + objects(delta.pop("executed_tools"))
        for call in objects(delta.get("tool_calls")):
            function = mapping(call.get("function"))
            if isinstance(function.get("arguments"), dict | list):
                function["arguments"] = json.dumps(function["arguments"], ensure_ascii=False, separators=(",", ":"))


def _flatten(delta: Payload) -> None:
    """Blocks of text become content, those of thinking reasoning, unless the delta has its reasoning elsewhere too."""
    said = read_blocks(delta["content"])
    delta["content"] = "".join(said.texts) or None
    thinking = "".join(said.thoughts)
    if thinking and not delta.get("reasoning") and not delta.get("reasoning_content"):
        delta["reasoning"] = thinking
    kept = {"annotations": said.annotations, "images": said.images, "provider_items": said.others}
    for name, blocks in kept.items():
        if blocks:
            delta[name] = objects(delta.get(name)) + blocks
