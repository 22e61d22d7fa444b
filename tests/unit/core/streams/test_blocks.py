"""Content in blocks: nothing of it is lost, and each block goes where it belongs."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.streams.blocks import Said, read_blocks


def test_text_is_said_and_thinking_is_thought() -> None:
    """Mistral's thinking models send both; a block of thinking holds a text or a list of text blocks."""
    said = read_blocks(
        [
            {"type": "thinking", "thinking": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"type": "thinking", "thinking": "c"},
            {"type": "text", "text": "d"},
            {"text": ""},
        ]
    )

    assert said == Said(texts=["d", ""], thoughts=["a", "b", "c"])


@pytest.mark.parametrize("name", ["reference", "tool_reference", "citation"])
def test_references_are_annotations(name: str) -> None:
    """They say where the text before them comes from, in the provider's own shape."""
    block = {"type": name, "reference_ids": [0, "doc"]}

    assert read_blocks([block]) == Said(annotations=[block])


def test_pictures_and_unknown_blocks_are_kept_whole() -> None:
    """A block type that nobody listed is an item of the provider's, not an odd leaf."""
    picture = {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}
    file = {"type": "document_url", "document_url": "https://a.example/x.pdf"}

    assert read_blocks([picture, file]) == Said(images=[picture], others=[file])


@pytest.mark.parametrize(
    "block",
    [
        "bare",
        None,
        {},
        {"type": 7},
        {"type": "text", "text": 7},
        {"type": "thinking"},
        {"thinking": 7},
        {"thinking": [7]},
    ],
)
def test_what_is_no_block_is_odd(block: Any) -> None:
    """CONTRACT §1: ignored and counted."""
    assert read_blocks([block]) == Said(odd=1)
