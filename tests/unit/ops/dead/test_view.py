"""What people and programs are shown: figures that add up, no content unasked, nothing that steers a terminal."""

from __future__ import annotations

import json

import pytest

from pipeline.ops.dead import Place, view
from pipeline.ops.dead.document import document, line
from pipeline.ops.dead.survey import Survey
from pipeline.ops.dead.verdict import Corrected, Outcome, Report, Verdict
from pipeline.testing.chunk import chat, encoded
from schemas.deadletter import HEADER_REDRIVE, DeadLetterReason, Way
from tests.unit.ops.dead.letters import letter, receipt_for

SECRET = "planted-secret-words"
ESCAPE = "\x1b[2J\x9b31m\u202e"
"""Clears a screen, colours it, turns the direction of text."""


def hostile() -> list[str]:
    """Everything that is shown of a letter whose every part is hostile."""
    value = encoded(chat(0, SECRET + ESCAPE, request_id="r-1"))
    headers = [(f"name{ESCAPE}", SECRET.encode() + ESCAPE.encode()), ("traceparent", f"00{ESCAPE}".encode())]
    found = letter(
        "from the future", value=value, headers=headers, key=b"\x1b", detail=f"d{ESCAPE}", topic=f"t{ESCAPE}"
    )
    survey = Survey()
    survey.add(found)
    told = document(found, None, content=False)
    report = Report(executed=False)
    report.verdicts.append(Verdict(found.place, found.reason, ESCAPE, Outcome.REFUSED, f"why{ESCAPE}"))
    report.corrections.append(Corrected(ESCAPE, "id", 1, 1, {"token_usage": None, "cost": 0.5}))
    return [
        *view.figures(survey.as_json("topic")),
        view.listed(line(found, None)),
        *view.letter(told, content=False),
        *view.report(report.as_json()),
    ]


def test_nothing_steers_the_terminal_or_shows_content() -> None:
    """Control characters come out as escapes; values and the producer's headers only by their size."""
    for shown in hostile():
        assert shown.isprintable(), repr(shown)
        assert SECRET not in shown


def test_content_is_shown_where_it_is_asked_for() -> None:
    """Text as text, made harmless; what is no text as a dump."""
    headers = [("team", SECRET.encode()), ("empty", None)]
    found = letter("conflict", value=encoded(chat(0, SECRET)) + ESCAPE.encode(), headers=headers)
    told = document(found, None, content=True)
    shown = list(view.letter(told, content=True))
    assert any(SECRET in each for each in shown)
    assert all(each.isprintable() for each in shown)
    assert told["value"].startswith('{"request_id"')
    binary = document(letter("not_json", value=b"\xff\x00\x1b" + b"abc" * 9), None, content=True)
    dump = list(view.letter(binary, content=True))[-2:]
    assert dump[0].startswith("00000000  ff 00 1b 61 62 63")
    assert all(each.isprintable() for each in dump)
    nothing = document(letter("not_json", value=None), None, content=True)
    assert nothing["value"] is None
    assert list(view.letter(nothing, content=True))


@pytest.mark.parametrize("reason", DeadLetterReason)
def test_a_letter_tells_where_it_stood_and_what_to_do(reason: DeadLetterReason) -> None:
    """With the advice of its reason, and how it was sent back."""
    found = letter(reason, headers=[(HEADER_REDRIVE, b"dead:1:2")])
    told = document(found, receipt_for(found, Way.CORRECTION), content=False)
    assert told["source"]["append_time"] == "2025-12-31T23:58:20.000Z"
    assert (told["redriven"], told["returned_from"], told["place"]) == ("correction", "dead:1:2", "3:17")
    shown = "\n".join(view.letter(told, content=False))
    for word in ("What it means:", "What to do:", "partition 3 offset 40", "correction", "dead:1:2"):
        assert word in shown
    assert json.loads(json.dumps(told)) == told


def test_figures_add_up() -> None:
    """Each letter counts once; its receipt, and only the first, takes it off those that wait."""
    survey = Survey()
    letters = [letter("late", at=number) for number in range(3)]
    letters += [letter("invalid", at=3), letter("late", at=4, headers=[(HEADER_REDRIVE, b"d:1:1")])]
    for each in letters:
        survey.add(each)
    for each in (letters[0], letters[0], letters[1], letter("late", at=99)):
        survey.add(receipt_for(each, Way.CORRECTION))
    told = survey.as_json("llm.chunks.dead")
    assert [row["reason"] for row in told["reasons"]] == ["invalid", "late"]
    assert (told["letters"], told["waiting"]) == (5, 3)
    late = told["reasons"][1]
    assert (late["letters"], late["waiting"], late["redriven"]) == (4, 2, {"chunks": 0, "correction": 2})
    assert (late["share"], late["refused_again"], late["partitions"]) == (0.8, 1, {"3": 4})
    assert late["sources"] == [{"topic": "llm.chunks", "partition": 3, "letters": 4}]
    assert survey.sent.keys() == {Place(3, 0), Place(3, 1)}
    shown = list(view.figures(told))
    assert shown[0] == "llm.chunks.dead: dead letters 5, not sent back 3"
    assert "foreign" not in "\n".join(shown)


def test_an_empty_topic_is_one_line() -> None:
    """And what is foreign on it another."""
    survey = Survey()
    assert list(view.figures(survey.as_json("d"))) == ["d: dead letters 0, not sent back 0"]
    survey.foreign.count = 2
    assert "2 records" in list(view.figures(survey.as_json("d")))[-1]


def test_a_report_groups_what_stays_by_its_cause() -> None:
    """With the first places, and from when on those that wait may go."""
    report = Report(executed=True)
    report.verdicts += [Verdict(Place(0, n), "late", "r", Outcome.HELD, "not yet", 1_767_225_500_000) for n in range(9)]
    report.verdicts += [Verdict(Place(1, 1), "late", "r", Outcome.DONE, "chunks")]
    shown = list(view.report(report.as_json()))
    assert report.problem
    assert sum("not yet" in each for each in shown) == 1
    assert any("0:0, 0:1, 0:2, 0:3 and 5 more: not yet, from 2025-12-31 23:58:20 on" in each for each in shown)
    assert "--execute" not in "\n".join(shown)
    assert not Report(executed=True).problem
