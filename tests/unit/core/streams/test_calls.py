"""Tool calls from fragments."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.streams.calls import ToolCalls
from schemas.payload import FunctionDelta, ToolCallDelta


def fragment(
    index: int | None = None,
    id_: str | None = None,
    name: str | None = None,
    arguments: str | None = None,
    type_: str = "",
) -> ToolCallDelta:
    """A fragment as a decoder gives it."""
    function = None if name is None and arguments is None else FunctionDelta(name=name, arguments=arguments)
    return ToolCallDelta(index=index, id=id_, type=type_ or None, function=function)


def calls(*fragments: ToolCallDelta) -> list[tuple[int, str | None, str | None, str]]:
    """Index, id, name and arguments of the calls that these fragments make."""
    gathered = ToolCalls()
    for one in fragments:
        gathered.add(one)
    return [(c["index"], c["id"], c["function"]["name"], c["function"]["arguments"]) for c in gathered.render()]


def test_arguments_are_appended_as_text() -> None:
    """S-TOOL-1: fragments of arguments are never parsed."""
    assert calls(fragment(0, "c", "f", ""), fragment(0, arguments='{"a'), fragment(0, arguments='":1')) == [
        (0, "c", "f", '{"a":1')
    ]


def test_interleaved_calls_are_kept_apart_by_index() -> None:
    """S-TOOL-2: calls are keyed and sorted by index, which stays as sent."""
    five, one = fragment(5, "c5", "five", "{5"), fragment(1, "c1", "one", "{1")

    assert calls(five, one, fragment(5, arguments="}"), fragment(1, arguments="}")) == [
        (1, "c1", "one", "{1}"),
        (5, "c5", "five", "{5}"),
    ]


def test_without_index_the_id_tells_calls_apart() -> None:
    """S-TOOL-3: by id; a fragment without either goes to the last open call."""
    assert calls(
        fragment(None, "a", "f", "1"),
        fragment(None, "b", "g", "2"),
        fragment(None, "a", arguments="3"),
        fragment(None, None, arguments="4"),
        fragment(None, None, "g", "5"),
    ) == [(0, "a", "f", "13"), (1, "b", "g", "245")]


def test_without_index_and_id_another_name_opens_a_call() -> None:
    """S-TOOL-3: fusing two whole calls into one would break both."""
    assert calls(fragment(name="f", arguments="{}"), fragment(name="g", arguments="{}")) == [
        (0, None, "f", "{}"),
        (1, None, "g", "{}"),
    ]


def test_two_calls_of_one_function_in_one_delta_are_two() -> None:
    """SYMPTOMS 35: calls that come whole, with neither index nor id, are not fused to `{..}{..}`."""
    whole = fragment(None, None, "f", "{1}"), fragment(None, None, "f", "{2}"), fragment(None, None, None, "!")
    gathered = ToolCalls()

    assert [gathered.add(one, first=place == 0) for place, one in enumerate(whole)] == [True, True, True]
    assert [call["function"]["arguments"] for call in gathered.render()] == ["{1}", "{2}!"]
    assert calls(*whole) == [(0, None, "f", "{1}{2}!")]  # each in a delta of its own: some repeat the name


def test_an_id_that_comes_later_belongs_to_the_call_without_one() -> None:
    """S-TOOL-3: a call may be opened by its name and get its id with the next fragment, but it has one name only."""
    assert calls(fragment(name="f"), fragment(id_="a", arguments="1"), fragment(id_="a", arguments="2")) == [
        (0, "a", "f", "12")
    ]
    assert calls(fragment(name="f"), fragment(id_="a", name="g")) == [(0, None, "f", ""), (1, "a", "g", "")]


def test_a_call_without_index_takes_the_next_free_one() -> None:
    """S-TOOL-3: gateways that leave out a zero index still give the others."""
    assert calls(fragment(3, "c", "f"), fragment(None, "d", "g"), fragment(4, arguments="x")) == [
        (3, "c", "f", ""),
        (4, "d", "g", "x"),
    ]


def test_braces_are_arguments_like_any_other() -> None:
    """S-TOOL-4: a fragment {} is kept."""
    assert calls(fragment(0, "c", "f", '{"a":'), fragment(0, arguments="{}"), fragment(0, arguments="}")) == [
        (0, "c", "f", '{"a":{}}')
    ]


def test_repeated_ids_and_names_replace() -> None:
    """S-TOOL-5: they are not appended; another id without a name of its own is the same call's."""
    assert calls(fragment(0, "a", "f", "1"), fragment(0, "a", "f", "2"), fragment(0, "b", None, "3")) == [
        (0, "b", "f", "123")
    ]


def test_another_id_with_its_own_name_opens_a_call_at_the_same_index() -> None:
    """Symptom 35: parallel calls that all come with index 0 are not fused; each gets an index of its own."""
    assert calls(
        fragment(0, "a", "f", "1"),
        fragment(0, "b", "g", "2"),
        fragment(0, "a", arguments="3"),
        fragment(0, "b", "g", "4"),
        fragment(1, "c", "h", "5"),
        fragment(0, arguments="6"),
    ) == [(0, "a", "f", "13"), (1, "b", "g", "246"), (2, "c", "h", "5")]


def test_one_id_at_two_indexes_is_two_calls() -> None:
    """Some providers number their ids anew: the index decides."""
    assert calls(fragment(0, "x", "f", "1"), fragment(1, "x", "g", "2"), fragment(0, "x", arguments="3")) == [
        (0, "x", "f", "13"),
        (1, "x", "g", "2"),
    ]
    assert calls(fragment(0, "a", "f"), fragment(1, "x", "g"), fragment(0, "x", "h")) == [
        (0, "a", "f", ""),
        (1, "x", "h", ""),
        (2, "x", "g", ""),
    ]


@pytest.mark.parametrize("placeholder", ["", "null"])
def test_placeholders_are_no_ids(placeholder: str) -> None:
    """Symptom 37: such an id neither replaces one nor opens a call."""
    assert calls(
        fragment(0, "a", "f", "1"), fragment(0, placeholder, "", "2"), fragment(None, placeholder, None, "3")
    ) == [(0, "a", "f", "123")]


def test_a_missing_name_may_come_later_and_an_empty_one_replaces_nothing() -> None:
    """Symptom 37: the name counts whenever it comes."""
    assert calls(fragment(0, "a", None, "1"), fragment(0, None, "f"), fragment(0, None, "")) == [(0, "a", "f", "1")]


def test_the_type_is_function_unless_another_is_said() -> None:
    """WIRE §5: type may be left out."""
    gathered = ToolCalls()
    gathered.add(fragment(0, "a", "f"))
    gathered.add(fragment(1, "b", "g", type_="custom"))

    assert [call["type"] for call in gathered.render()] == ["function", "custom"]


@pytest.mark.parametrize(
    ("one", "carries"),
    [
        (fragment(0), False),
        (fragment(0, "", "", ""), False),
        (fragment(0, "a"), True),
        (fragment(0, None, "f"), True),
        (fragment(0, None, None, "{"), True),
    ],
)
def test_an_empty_fragment_carries_nothing(one: ToolCallDelta, *, carries: bool) -> None:
    """It opens a call but is no content."""
    assert ToolCalls().add(one) is carries


_fragments: st.SearchStrategy[Any] = st.builds(
    fragment,
    st.none() | st.integers(-1, 2),
    st.none() | st.sampled_from(["", "null", "a", "b"]),
    st.none() | st.sampled_from(["", "f", "g"]),
    st.none() | st.text(max_size=3),
)


@given(st.lists(_fragments, max_size=12))
def test_no_arguments_are_lost(fragments: list[ToolCallDelta]) -> None:
    """Whatever comes, all characters of all arguments are in the result, and indexes rise strictly."""
    result = calls(*fragments)
    sent = "".join(one.function.arguments or "" for one in fragments if one.function is not None)

    assert sorted("".join(arguments for *_, arguments in result)) == sorted(sent)
    assert all(one[0] < other[0] for one, other in pairwise(result))


@given(st.text(), st.lists(st.integers(0, 20)))
def test_cutting_arguments_anywhere_changes_nothing(arguments: str, cuts: list[int]) -> None:
    """S-TOOL-1: any re-chunking of the arguments gives the same call."""
    places = sorted({0, len(arguments), *(cut for cut in cuts if cut < len(arguments))})
    parts = [fragment(0, arguments=arguments[start:end]) for start, end in pairwise(places)]

    assert calls(fragment(0, "a", "f"), *parts) == [(0, "a", "f", arguments)]


def test_extra_content_of_a_call_is_merged() -> None:
    """WIRE §5: a provider's own beside a call, such as the signature of the thought that led to it."""
    gathered = ToolCalls()
    for extra in ({"google": {"thought_signature": "s"}}, None, {"google": {"n": 1}, "x": 2}, {"x": {"y": 3}}):
        gathered.add(ToolCallDelta(index=0, function=FunctionDelta(name="f"), extra_content=extra))

    assert gathered.render() == [
        {
            "index": 0,
            "type": "function",
            "id": None,
            "function": {"name": "f", "arguments": ""},
            "extra_content": {"google": {"thought_signature": "s", "n": 1}, "x": {"y": 3}},
        }
    ]
