"""Content blocks of Anthropic messages: which are the caller's, and what delta they become."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.anthropic_blocks import Blocks
from pipeline.ingest.leaf import Payload

TOOL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}


def arguments(deltas: list[dict[str, Any] | None]) -> list[str]:
    """The argument fragments of deltas, empty ones aside."""
    calls = [call for delta in deltas if delta for call in delta["tool_calls"]]
    return [call["function"]["arguments"] for call in calls if call["function"]["arguments"]]


def test_text_is_content_from_its_start_on() -> None:
    """A block may begin with text; empty text is nothing."""
    blocks = Blocks()

    assert blocks.start(0, {"type": "text", "text": ""}) is None
    assert blocks.start(1, {"type": "text", "text": "a"}) == {"content": "a"}
    assert blocks.change(1, {"type": "text_delta", "text": "b"}) == {"content": "b"}
    assert blocks.change(1, {"type": "text_delta", "text": ""}) is None
    assert blocks.stop(1) is None


def test_thinking_is_reasoning_and_its_detail() -> None:
    """Each block of thoughts has a detail of its own, signature included (S-CHAT-6)."""
    blocks = Blocks()

    assert blocks.start(0, {"type": "thinking", "thinking": "", "signature": ""}) is None
    assert blocks.change(0, {"type": "thinking_delta", "thinking": "a"}) == {
        "reasoning": "a",
        "reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "a"}],
    }
    assert blocks.change(0, {"type": "signature_delta", "signature": "s"}) == {
        "reasoning_details": [{"index": 0, "type": "reasoning.text", "signature": "s"}]
    }
    assert blocks.start(2, {"type": "redacted_thinking", "data": "d"}) == {
        "reasoning_details": [{"index": 1, "type": "reasoning.encrypted", "data": "d"}]
    }
    assert blocks.start(3, {"type": "redacted_thinking"}) is None
    assert blocks.start(5, {"type": "thinking", "thinking": "b", "signature": "t"}) == {
        "reasoning": "b",
        "reasoning_details": [{"index": 3, "type": "reasoning.text", "text": "b", "signature": "t"}],
    }


def test_thoughts_of_a_block_whose_start_is_missing_are_kept() -> None:
    """A recording may begin in the middle."""
    delta = Blocks().change(4, {"type": "thinking_delta", "thinking": "a"})

    assert delta == {"reasoning": "a", "reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "a"}]}


def test_only_the_caller_s_tools_are_calls_and_they_alone_are_counted() -> None:
    """Tools that the provider runs, their results and unknown blocks are items and leave no trace in the numbering."""
    blocks = Blocks()
    foreign: list[Payload] = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "x", "input": {"a": 1}},
        {"type": "tool_use", "id": "srvtoolu_2", "name": "y", "input": {"a": 1}},
        {"type": "tool_use", "id": "mcptoolu_2", "name": "y", "input": {"a": 1}},
        {"type": "something_new"},
    ]

    for place, block in enumerate(foreign):
        assert blocks.start(place, block) is None
        assert blocks.stop(place) == {"provider_items": [block]}
        assert blocks.stop(place) is None

    opened = [blocks.start(6 + place, TOOL | {"id": f"toolu_{place}"}) for place in range(2)]
    assert [delta["tool_calls"][0]["index"] for delta in opened if delta] == [0, 1]
    assert opened[0] == {
        "tool_calls": [
            {"index": 0, "id": "toolu_0", "type": "function", "function": {"name": "f", "arguments": ""}},
        ]
    }
    assert blocks.change(7, {"type": "input_json_delta", "partial_json": "x"}) == {
        "tool_calls": [{"index": 1, "function": {"arguments": "x"}}]
    }


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())), st.data())
def test_fragments_of_arguments_add_up_to_the_input(given_input: dict[str, Any], data: st.DataObject) -> None:
    """However the provider cuts the JSON, empty pieces included, the text of all pieces is the input."""
    whole = json.dumps(given_input)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    blocks = Blocks()

    deltas = [blocks.start(0, TOOL)]
    deltas += [blocks.change(0, {"type": "input_json_delta", "partial_json": piece}) for piece in pieces]
    deltas.append(blocks.stop(0))

    assert "".join(arguments(deltas)) == whole


@pytest.mark.parametrize(("whole", "expected"), [({}, "{}"), (None, "{}"), ({"id": 2**60, "s": "ü"}, None)])
def test_a_call_without_fragments_has_the_input_of_its_block(whole: object, expected: str | None) -> None:
    """At the end of the block its input is all the arguments there are, every digit of it."""
    blocks = Blocks()
    deltas = [
        blocks.start(0, TOOL | {"input": whole}),
        blocks.change(0, {"type": "input_json_delta", "partial_json": ""}),
        blocks.stop(0),
        blocks.stop(0),
    ]

    assert arguments(deltas) == [expected or '{"id":1152921504606846976,"s":"ü"}']
    assert blocks.rest() == []


def test_fragments_win_over_the_input_of_the_block() -> None:
    """Both at once say the same thing, so one of them is enough."""
    blocks = Blocks()
    deltas = [
        blocks.start(0, TOOL | {"input": {"a": 1}}),
        blocks.change(0, {"type": "input_json_delta", "partial_json": '{"a":1}'}),
    ]

    assert blocks.rest() == []
    assert arguments([*deltas, blocks.stop(0)]) == ['{"a":1}']


def test_a_whole_input_in_a_block_left_open_is_not_lost() -> None:
    """If the recording breaks off, an input that is there is given out; an empty one may not be the whole yet."""
    blocks = Blocks()
    blocks.start(0, TOOL | {"input": {"a": 1}})
    blocks.start(1, TOOL)

    assert blocks.rest() == [{"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]}]


def test_a_place_that_is_taken_again_belongs_to_the_new_block() -> None:
    """Fragments never go to a call whose place another block has."""
    blocks = Blocks()
    blocks.start(0, TOOL)
    blocks.start(0, {"type": "server_tool_use", "id": "srvtoolu_1"})

    assert blocks.change(0, {"type": "input_json_delta", "partial_json": "{}"}) is None
    assert blocks.start(0, {"type": "text", "text": "a"}) == {
        "content": "a",
        "provider_items": [{"type": "server_tool_use", "id": "srvtoolu_1", "input": {}}],
    }
    blocks.start(0, {"type": "compaction"})
    assert blocks.start(0, {"type": "text"}) == {"provider_items": [{"type": "compaction"}]}


def test_citations_become_annotations_with_all_they_say() -> None:
    """Names of WIRE §5 are added; what only Anthropic has stays, positions in the source too."""
    blocks = Blocks()
    web = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "x"}
    file = {"type": "char_location", "document_title": "B", "cited_text": "y", "start_char_index": 3}
    result = {"type": "search_result_location", "source": "https://c.example", "title": None}

    assert blocks.start(0, {"type": "text", "text": "t", "citations": [web]}) == {
        "content": "t",
        "annotations": [{"type": "url_citation", "url_citation": web | {"text": "x"}}],
    }
    assert blocks.change(0, {"type": "citations_delta", "citation": file}) == {
        "annotations": [{"type": "url_citation", "url_citation": file | {"title": "B", "text": "y"}}]
    }
    assert blocks.change(0, {"type": "citations_delta", "citation": result}) == {
        "annotations": [{"type": "url_citation", "url_citation": result | {"url": "https://c.example"}}]
    }
    assert blocks.change(0, {"type": "citations_delta"}) is None


def test_unknown_deltas_of_the_caller_s_blocks_are_nothing() -> None:
    """Kinds that come later give nothing until someone knows what they mean; nor does a block that has no kind."""
    blocks = Blocks()
    blocks.start(0, {"type": "text"})

    assert blocks.change(0, {"type": "something_delta", "content": "summary"}) is None
    assert blocks.start(1, {"x": 1}) is None
    assert blocks.stop(1) is None


@pytest.mark.parametrize(
    ("said", "given"),
    [
        ('{"query": "weather"}', {"query": "weather"}),
        ('{"n": 1e999}', {"n": "1e999"}),
        ('{"query": "wea', '{"query": "wea'),
        ("[" * 10_000, "[" * 10_000),
        ("", {}),
    ],
)
def test_the_input_of_a_server_tool_is_put_together(said: str, given: object) -> None:
    """As the object that it is when it is whole, as text when it is cut off."""
    blocks = Blocks()
    blocks.start(0, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}})
    for half in (said[:7], said[7:]):
        assert blocks.change(0, {"type": "input_json_delta", "partial_json": half}) is None

    assert blocks.stop(0) == {
        "provider_items": [{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": given}]
    }


@pytest.mark.parametrize(
    "block",
    [
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result", "url": "u"}]},
        {"type": "web_fetch_tool_result", "tool_use_id": "s", "content": {"type": "web_fetch_result", "url": "u"}},
        {"type": "code_execution_tool_result", "tool_use_id": "s", "content": {"stdout": "1", "return_code": 0}},
        {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "e", "input": {"a": 1}},
        {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": False, "content": []},
        {"type": "tool_search_tool_result", "tool_use_id": "s", "content": {}},
        {"type": "fallback", "from": {"model": "a"}, "to": {"model": "b"}},
        {"type": "container_upload", "file_id": "f"},
        {"type": "something_new", "x": [1]},
    ],
)
def test_the_provider_s_own_blocks_are_items(block: Payload) -> None:
    """Whole and as they came, when they are complete or the recording breaks off."""
    closed, cut = Blocks(), Blocks()
    assert closed.start(0, dict(block)) is None
    cut.start(0, dict(block))

    assert closed.stop(0) == {"provider_items": [block]}
    assert cut.rest() == [{"provider_items": [block]}]
    assert closed.rest() == []


def test_texts_of_an_item_grow_whatever_they_are_called() -> None:
    """A compaction comes as deltas of its content; a kind that nobody knows may do the same."""
    blocks = Blocks()
    blocks.start(0, {"type": "compaction", "content": None})
    blocks.start(1, {"type": "something_new", "text": "a"})
    for place, delta in ((0, {"content": "Sum"}), (0, {"content": "mary"}), (1, {"text": "b", "count": 2})):
        assert blocks.change(place, {"type": "some_delta", **delta}) is None

    assert blocks.stop(0) == {"provider_items": [{"type": "compaction", "content": "Summary"}]}
    assert blocks.stop(1) == {"provider_items": [{"type": "something_new", "text": "ab", "count": 2}]}
