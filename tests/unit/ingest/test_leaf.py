"""Single values, read without trust."""

import json

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.leaf import contain, count, mapping, objects, text
from schemas.leaves import MAX_INTEGER, check_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@given(JSON)
def test_a_value_of_another_type_is_as_good_as_none(value: object) -> None:
    """Readers give the wanted type or nothing, whatever JSON they meet."""
    assert text(value) == (value if isinstance(value, str) and value else None)
    assert count(value) == (value if type(value) is int and 0 <= value <= MAX_INTEGER else None)
    assert mapping(value) == (value if isinstance(value, dict) else {})
    assert objects([value, value]) == ([value, value] if isinstance(value, dict) else [])
    assert objects({"not": "a list"}) == []


def test_a_number_that_the_contract_refuses_is_no_count() -> None:
    """It may stand for an index of the envelope, where as text it would be no better."""
    assert (count(MAX_INTEGER), count(MAX_INTEGER + 1)) == (MAX_INTEGER, None)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_contained_payloads_hold_no_number_that_the_contract_refuses(payload: dict[str, object]) -> None:
    """After containment a payload is admissible, and so is every number that was."""
    before = json.loads(json.dumps(payload))

    after = contain(payload)

    check_json(after)
    if all(abs(number) <= MAX_INTEGER for number in integers(before)):
        assert after == before


def test_big_integers_keep_their_digits() -> None:
    """A 64-bit seed becomes its decimal text, at any depth, and the border stays a number."""
    payload = {"seed": 2**63, "choices": [{"seed": -(2**53)}, [2**53 - 1]], "flag": True}

    assert contain(payload) == {
        "seed": "9223372036854775808",
        "choices": [{"seed": "-9007199254740992"}, [9007199254740991]],
        "flag": True,
    }


def integers(value: object) -> list[int]:
    """All integers in a JSON value."""
    if isinstance(value, dict | list):
        children = value.values() if isinstance(value, dict) else value
        return [number for child in children for number in integers(child)]
    return [value] if isinstance(value, int) else []
