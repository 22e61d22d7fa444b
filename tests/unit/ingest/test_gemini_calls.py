"""Gemini's function calls: whole, streamed by JSON path, several, cut off."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.gemini_calls import Arguments, Calls
from pipeline.ingest.leaf import Payload


def fragments(*calls: Payload, close: bool = False) -> list[Payload]:
    """What these parts give."""
    taken = Calls()
    found = [fragment for call in calls for fragment in taken.take(call, None)]
    return found + (taken.close() if close else [])


def partial(path: str, value: object, *, more: bool = False) -> Payload:
    """A part with one streamed value."""
    kinds = {str: "stringValue", bool: "boolValue", int: "numberValue", float: "numberValue"}
    named = {"nullValue": "NULL_VALUE"} if value is None else {kinds[type(value)]: value}
    return {
        "partialArgs": [{"jsonPath": path, **named, **({"willContinue": True} if more else {})}],
        "willContinue": True,
    }


def arguments(*calls: Payload) -> object:
    """The arguments that streamed parts make."""
    gathered = Arguments()
    for call in calls:
        gathered.update(call)
    return json.loads(gathered.render())


def test_a_whole_call_is_one_fragment() -> None:
    """Arguments become compact JSON text (S-TOOL-1); an id is there only if Gemini gave one."""
    assert fragments({"name": "f", "args": {"stadt": "Köln", "n": [1, 2.5]}}, {"id": "c1", "name": "g"}) == [
        {"index": 0, "type": "function", "function": {"name": "f", "arguments": '{"stadt":"Köln","n":[1,2.5]}'}},
        {"index": 1, "type": "function", "id": "c1", "function": {"name": "g", "arguments": "{}"}},
    ]


def test_a_signature_is_the_calls_own() -> None:
    """Under the names of Google's OpenAI endpoint; it has to be sent back with the call."""
    taken = Calls()
    (whole,) = taken.take({"name": "f"}, "sig")
    (opened,) = taken.take({"name": "g", "willContinue": True}, "sig2")

    assert whole["extra_content"] == {"google": {"thought_signature": "sig"}}
    assert opened["extra_content"] == {"google": {"thought_signature": "sig2"}}


def test_streamed_arguments_are_given_out_when_the_call_is_complete() -> None:
    """An empty part ends a call; the next one has its own name."""
    assert fragments(
        {"name": "f", "willContinue": True},
        partial("$.city", "Bos", more=True),
        partial("$.city", "ton", more=True),
        partial("$.city", ""),
        {},
        {"name": "f", "willContinue": True},
        partial("$.city", "Rome"),
        {},
    ) == [
        {"index": 0, "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"city":"Boston"}'}},
        {"index": 1, "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 1, "function": {"arguments": '{"city":"Rome"}'}},
    ]


def test_a_name_ends_the_call_before_unless_it_repeats_its_id() -> None:
    """The empty part may be missing; one id is one call, however often its name is said."""
    other = fragments({"name": "f", "willContinue": True}, partial("$.a", 1), {"name": "g"})
    same = fragments(
        {"id": "c", "name": "f", "willContinue": True}, {**partial("$.a", 1), "id": "c", "name": "f"}, {"id": "c"}
    )

    assert [(found["index"], found["function"]["arguments"]) for found in other] == [(0, ""), (0, '{"a":1}'), (1, "{}")]
    assert [(found["index"], found["function"]["arguments"]) for found in same] == [(0, ""), (0, '{"a":1}')]


def test_a_call_that_is_cut_off_shows_what_came() -> None:
    """Half a string is there as far as it was sent; nothing is made up."""
    found = fragments({"name": "f", "willContinue": True}, partial("$.a", "hal", more=True), close=True)

    assert found[-1] == {"index": 0, "function": {"arguments": '{"a":"hal"}'}}
    assert Calls().close() == []


def test_a_stray_part_is_no_call() -> None:
    """Without a name and arguments there is nothing to call; without a name alone there is."""
    assert fragments({}, {"willContinue": True}, {"id": "x"}) == []
    assert fragments({"args": {"a": 1}}) == [
        {"index": 0, "type": "function", "function": {"name": None, "arguments": '{"a":1}'}}
    ]


def test_values_lie_at_their_paths() -> None:
    """Members and items in any depth, numbers, truths and nulls."""
    assert arguments(
        {"args": {"given": True}},
        partial("$.list[0].name", "a"),
        partial("$.list[0].price", 0.5),
        partial("$.list[1].name", "b"),
        partial("$.list[1].ok", value=False),
        partial("$.rows[0][0]", 1),
        partial("$.rows[0][1]", None),
        partial('$[\'odd name\']["it\\"s"]', "q"),
    ) == {
        "given": True,
        "list": [{"name": "a", "price": 0.5}, {"name": "b", "ok": False}],
        "rows": [[1, None]],
        "odd name": {'it"s': "q"},
    }


@pytest.mark.parametrize("path", ["$", "$.", "$[", "$.a[1]", "$.a[x]", "$..b", "$.s.t", "$[0]", "$.a[9999999]"])
def test_a_path_that_leads_nowhere_loses_no_value(path: str) -> None:
    """It names a member of its own; a gap in a list is never filled with made-up items."""
    assert arguments(partial("$.s", "text"), partial(path, 7)) == {"s": "text", path: 7}


@pytest.mark.parametrize(
    "odd", [{}, {"jsonPath": 7, "numberValue": 1}, {"jsonPath": "$.a"}, {"jsonPath": "$.a", "x": 1}]
)
def test_a_partial_without_path_or_value_is_none(odd: Payload) -> None:
    """It adds nothing."""
    assert arguments({"partialArgs": [odd, "odd"], "args": "odd"}) == {}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_any_cut_of_a_string_gives_the_same_string(pieces: list[str]) -> None:
    """Pieces are joined as they came."""
    assert arguments(*(partial("$.a", piece, more=True) for piece in pieces)) == {"a": "".join(pieces)}
