"""A cost in lines, an answer in pieces, a strip out of an explanation."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.ops import explain
from pipeline.settings import Settings
from pipeline.web.answer import MOST, answer
from pipeline.web.inquiry import Told
from pipeline.web.report import strip_of
from pipeline.web.waterfall import waterfall
from tests.unit.web.snapshots import strip

EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples"


def record(name: str) -> dict[str, Any]:
    """A record of the examples."""
    found: dict[str, Any] = json.loads((EXAMPLES / f"{name}.accumulated.json").read_text(encoding="utf-8"))
    return found


def explained(name: str) -> explain.Gathered:
    """A request of the examples, with append times, under the example's own settings."""
    chunks = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(EXAMPLES.glob(f"{name}-*.chunk.json"))]
    lines = [
        json.dumps({**chunk, "_kafka": {"topic": "t", "partition": 0, "offset": at, "timestamp": 10_000 + 50 * at}})
        for at, chunk in enumerate(chunks)
    ]
    return explain.of_lines([line.encode() for line in lines], chunks[0]["request_id"], Settings(), keep_open=False)


class TestWaterfall:
    """What a cost is made of."""

    def test_lines_of_a_list_price_add_up_and_follow_each_other(self) -> None:
        """Each begins where the one before ended, and the last ends at the total."""
        cost = {
            "source": "catalog",
            "total": "0.003",
            "reason": None,
            "parts": [],
            "asked": [
                {
                    "model": "m",
                    "lines": [
                        {"unit": "input_tokens", "quantity": 10, "price": "1", "per": 1_000_000, "amount": "0.001"},
                        {"unit": "output_tokens", "quantity": 5, "price": "2", "per": 1_000_000, "amount": "0.002"},
                    ],
                }
            ],
        }
        made = waterfall(cost)

        assert made is not None
        assert made.total == sum((line.amount for line in made.lines), Decimal(0))
        assert [(line.name, line.at) for line in made.lines] == [("input tokens", 0.0), ("output tokens", 33.33)]
        assert made.lines[-1].at + made.lines[-1].width == pytest.approx(100, abs=0.1)

    def test_what_the_gateway_stated_is_not_split_by_a_list_price(self) -> None:
        """Lines of a price list are not what was charged then."""
        told = explain.explanation(explained("chat.completion/tool-call"), content=False)
        made = waterfall(told["cost"])

        assert made is not None
        assert made.source == "gateway"
        assert [(line.name, line.amount, line.width) for line in made.lines] == [
            ("whole request", Decimal("0.0003925"), 100.0)
        ]

    def test_what_no_line_explains_is_a_line_of_its_own(self) -> None:
        """One attempt priced by the list, another stated: the lines still add up to the total."""
        line = {"unit": "input_tokens", "quantity": 10, "price": "1", "per": 1, "amount": "0.001"}
        cost = {
            "source": "catalog",
            "total": "0.004",
            "reason": None,
            "parts": [],
            "asked": [{"model": "m", "lines": [line]}],
        }
        made = waterfall(cost)

        assert made is not None
        assert [(line.name, line.amount) for line in made.lines][1:] == [
            ("stated for other attempts", Decimal("0.003"))
        ]

    def test_nothing_known_is_no_zero(self) -> None:
        """Unpriced has a reason and no lines."""
        cost: dict[str, Any] = {"source": None, "total": None, "reason": "no_usage", "parts": [], "asked": []}
        made = waterfall(cost)

        assert made is not None
        assert (made.total, made.reason, made.lines) == (None, "no_usage", ())
        assert waterfall(None) is None


class TestAnswer:
    """What was answered."""

    @pytest.mark.parametrize(
        ("name", "titles"),
        [
            ("chat.completion/tool-call", ["answer", "tool call current_weather"]),
            ("chat.completion/choices", ["choice 0: answer", "choice 1: refusal", "choice 1: answer"]),
            ("responses/lisbon", ["answer"]),
            ("audio.transcription/skies", ["transcript"]),
            ("audio.speech/hello", ["sound"]),
            ("image.generation/fox", ["images"]),
        ],
    )
    def test_every_kind_of_stream_has_its_pieces(self, name: str, titles: list[str]) -> None:
        """Texts and calls as they were put together; of sound and images how much there is."""
        assert [piece.title for piece in answer(record(name))] == titles

    def test_arguments_are_laid_out_when_they_are_whole(self) -> None:
        """A call that was cut off in its middle is shown as it is."""
        made = record("chat.completion/tool-call")
        whole = answer(made)[-1].text
        made["output_message"]["tool_calls"][0]["function"]["arguments"] = '{"city":"Lis'

        assert whole == '{\n  "city": "Lisbon"\n}'
        assert answer(made)[-1].text == '{"city":"Lis'

    def test_a_very_long_answer_is_cut_and_says_so(self) -> None:
        """A page is no place for megabytes."""
        made = record("chat.completion/tool-call")
        made["output_message"]["content"] = "x" * (MOST + 7)

        assert (len(answer(made)[0].text), answer(made)[0].cut) == (MOST, 7)

    def test_a_record_without_content_has_none(self) -> None:
        """Erased, or never captured."""
        made = record("chat.completion/tool-call")

        assert answer({**made, "output_message": None, "tool_calls": None}) == []


class TestStrip:
    """The picture of what was read."""

    def test_every_chunk_that_was_found_is_drawn(self) -> None:
        """Also where the live view remembers nothing of the request."""
        gathered = explained("chat.completion/tool-call")
        document = explain.explanation(gathered, content=False)
        made = strip_of(Told(document, record("chat.completion/tool-call"), 7), None)

        assert made is not None
        assert (made.request_id, made.stream_type, made.model) == ("b8f0c1d2-weather", "chat.completion", "gpt-4o")
        assert [dot.at_ms for dot in made.dots] == [50 * at for at in range(made.chunks)]
        assert made.first_token_ms is not None
        assert made.box is not None
        assert (made.box.cost, made.box.tokens_in, made.box.offset) == (Decimal("0.0003925"), 81, 7)

    def test_what_was_not_found_is_what_the_live_view_knows(self) -> None:
        """Past retention the page still shows what it remembers."""
        document = {**explain.explanation(explained("chat.completion/error"), content=False), "timeline": []}

        assert strip_of(Told(document, None, None), strip()) == strip()
        assert strip_of(Told(document, None, None), None) is None
