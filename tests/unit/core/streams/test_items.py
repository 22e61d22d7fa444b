"""Which item an event speaks of."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.streams.build import Json, event, items


def added(id_: str | None, index: int | None = None, type_: str = "message", **fields: Any) -> Json:
    """An item that is announced."""
    return event("output_item.added", output_index=index, item={"id": id_, "type": type_, **fields})


def done(id_: str | None, index: int | None = None, type_: str = "message", **fields: Any) -> Json:
    """An item that comes whole."""
    return event("output_item.done", output_index=index, item={"id": id_, "type": type_, **fields})


def said(text: str, id_: str | None = None, index: int | None = None) -> Json:
    """A text delta."""
    return event("output_text.delta", delta=text, item_id=id_, output_index=index)


def texts(*events: Json) -> list[str]:
    """The text of each item that these events make."""
    return ["".join(part["text"] for part in item.get("content") or []) for item in items(*events)]


def test_the_output_index_decides() -> None:
    """S-RESP-4: interleaved items stay apart, and output is in its order."""
    assert texts(added("b", 1), added("a", 0), said("A", "a", 0), said("B", "b", 1), said("a", "b", 0)) == ["Aa", "B"]


def test_a_rotating_id_is_no_key() -> None:
    """S-RESP-4: with an output_index the id does not matter, not even in the item that closes it."""
    assert texts(added("A", 0), said("same ", "B", 0), said("item", "C", 0), done("D", 0)) == ["same item"]


def test_without_output_index_the_id_decides() -> None:
    """S-RESP-4: then by item_id."""
    assert texts(added("a"), added("b"), said("A", "a"), said("B", "b"), said("a", "a"), said("C", "c")) == [
        "Aa",
        "B",
        "C",
    ]


def test_an_id_that_rotates_is_noticed_without_output_index_too() -> None:
    """S-RESP-4: while no event has called the open item by the id it was announced with."""
    rotating = [added("A"), said("one ", "B"), said("item", "C"), said("!", "B"), done("D", content=[])]

    assert texts(*rotating) == ["one item!"]
    assert texts(*rotating, said("two", "E")) == ["one item!", "two"]
    assert texts(added("A"), said("one", "A"), said("two", "B")) == ["one", "two"]
    assert texts(said("one", "A"), said("two", "B")) == ["one", "two"]


def test_without_index_and_id_the_latest_of_its_type_is_meant() -> None:
    """S-RESP-4: then the last; a text does not go into a call."""
    assert texts(added("a"), added("c", type_="function_call"), said("A")) == ["A", ""]
    assert texts(added("c", type_="function_call"), said("A"), said("a", "")) == ["", "Aa"]


def test_an_item_without_index_takes_that_of_a_later_event() -> None:
    """S-RESP-4: both names are of one item from then on; an index that is taken stays with its item."""
    assert texts(added("a"), said("A", "a", 3), said("a", None, 3), added("b", 0)) == ["", "Aa"]
    assert texts(added("a"), added("b", 0), said("B", "a", 0), said("A", "a")) == ["A", "B"]


def test_a_second_item_at_an_index_is_another_one() -> None:
    """Gateways that send 0 for every item: announced again with another id it is new, and its id tells it apart."""
    assert texts(added("a", 0), said("A", "a", 0), added("b", 0), said("B", "b", 0), said("a", "a", 0)) == ["Aa", "B"]
    assert texts(added("a", 0), said("A", "a", 0), added("a", 0)) == ["A"]


def test_an_announcement_that_comes_after_its_deltas_is_merged() -> None:
    """S-RESP-2: the item that was made for them is that item."""
    assert items(said("A", "a", 0), added("a", 0, role="assistant", content=[])) == [
        {"type": "message", "id": "a", "role": "assistant", "content": [{"type": "output_text", "text": "A"}]}
    ]


def test_items_without_any_name_are_told_apart_by_their_ends() -> None:
    """S-RESP-3: an item that comes whole closes the open one of its type, or is a new one."""
    whole: Json = {"content": [{"type": "output_text", "text": "x"}]}

    assert texts(said("A"), done(None, **whole), done(None, **whole)) == ["x", "x"]
    assert texts(added(None), added(None)) == ["", ""]
    assert texts(done(None, **whole)) == ["x"]


def test_an_item_without_index_stays_behind_the_one_it_came_after() -> None:
    """CONTRACT §2: output_messages are in output order."""
    assert [item["id"] for item in items(added("x"), added("b", 2), added("c"), added("a", 1))] == ["x", "a", "b", "c"]


def test_bare_texts_become_blocks_when_they_grow() -> None:
    """S-RESP-2: content and summaries may come as text; what is not touched stays as it was sent."""
    assert items(added("a", 0, content="Hel"), event("output_text.delta", output_index=0, delta="lo"))[0][
        "content"
    ] == [{"type": "output_text", "text": "Hello"}]
    assert items(
        added("r", 0, "reasoning", summary=["a"]), event("reasoning_summary_text.delta", output_index=0, delta="b")
    )[0]["summary"] == [{"type": "summary_text", "text": "ab"}]
    assert items(added("a", 0, content="Hello"))[0]["content"] == "Hello"


def test_odd_fields_of_items_never_raise() -> None:
    """CONTRACT §1: an item is kept whole, whatever is in it; what cannot grow is replaced."""
    odd: Json = {
        "id": [1],
        "type": {"a": 1},
        "content": 7,
        "action": 5,
        "operation": 6,
        "output": {"x": 1},
        "annotations": 3,
    }

    assert items(event("output_item.added", output_index=0, item=odd)) == [odd]
    assert items(
        event("output_item.added", output_index=0, item=odd),
        said("a", None, 0),
        event("shell_call_command.added", output_index=0, command="ls"),
        event("apply_patch_call_operation_diff.delta", output_index=0, delta="@@"),
        event("shell_call_output_content.delta", output_index=0, delta={"stdout": "o"}),
        event("output_text.annotation.added", output_index=0, content_index=1, annotation={"a": 1}),
    ) == [
        {
            **odd,
            "content": [
                {"type": "output_text", "text": "a"},
                {"type": "output_text", "text": "", "annotations": [{"a": 1}]},
            ],
            "action": {"commands": ["ls"]},
            "operation": {"diff": "@@"},
            "output": [{"stdout": "o"}],
        }
    ]


def test_a_closing_item_replaces_grown_fields() -> None:
    """S-RESP-3: commands and operations go with the fields they lie in, new empty fields are kept."""
    assert items(
        event("shell_call_command.delta", output_index=0, delta="l"),
        event("apply_patch_call_operation_diff.delta", output_index=0, delta="@@"),
        event("custom_tool_call_input.delta", output_index=0, delta="x"),
        done("s", 0, "shell_call", action={"commands": ["ls"]}, operation={"diff": ""}, input="y", note=""),
    ) == [
        {
            "type": "shell_call",
            "id": "s",
            "action": {"commands": ["ls"]},
            "operation": {"diff": ""},
            "input": "y",
            "note": "",
        }
    ]


@given(st.lists(st.tuples(st.integers(0, 3), st.text("ab", max_size=3)), max_size=12))
def test_interleaving_changes_no_item(pieces: list[tuple[int, str]]) -> None:
    """S-RESP-4: however the deltas of items interleave, each item has its own text, in output order."""
    expected = ["".join(text for at, text in pieces if at == index) for index in sorted({at for at, _ in pieces})]

    assert texts(*(said(text, None, index) for index, text in pieces)) == expected
