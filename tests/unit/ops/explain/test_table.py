"""The explanation as text: order of its parts, width, folded middles, and nothing that steers a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipeline.ops.demo.streams import streams
from pipeline.ops.explain.document import explanation
from pipeline.ops.explain.rows import EDGE
from pipeline.ops.explain.table import render
from pipeline.testing.chunk import USAGE, Document, chat, encoded, error, image, marker, speech, usage
from tests.unit.ops.explain.telling import gather, of, placed, told

ESCAPE = "\x1b[31m"
LONG = [chat(index, "ab") for index in range(100)]


def text(document: Document, *, width: int = 100, everything: bool = False) -> str:
    """What a terminal of a width shows."""
    out = io.StringIO()
    render(document, Console(file=out, width=width, highlight=False), everything=everything)
    return out.getvalue()


def squeezed(document: Document) -> str:
    """The same without line breaks, for texts that may be wrapped."""
    return " ".join(text(document).split())


def test_the_parts_come_in_the_order_of_the_questions() -> None:
    """What is it, what came, what was made of it, what went wrong, what does it cost, where is it from."""
    document = of(chat(0, "a"), chat(2, "b"), usage(3, cost=0.5), marker(4))
    titles = ["request r-1", "chunks by line", "numbers", "gaps, repeats, refusals", "cost", "evidence"]
    lines = text(document).splitlines()

    assert [line for line in lines if line in titles] == titles


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Whatever the request: all of the demo's, with clock and without."""
    for stream in streams()[:12]:
        document = explanation(gather(stream.chunks, stream.request_id), content=True)
        assert max(map(len, text(document, width=width).splitlines())) <= width
    document = told(placed((0, chat(0, "a", labels={"team": "x" * 200})), (5_000, chat(1, request_id="r" * 500))))
    assert max(map(len, text(document, width=width).splitlines())) <= width


def test_the_middle_of_a_long_stream_is_one_line() -> None:
    """With how many chunks and characters; all of them when asked for."""
    document = of(*LONG, marker(100))
    shown, everything = text(document, width=160), text(document, width=160, everything=True)

    hidden = len(LONG) - 1 - 2 * EDGE  # the first chunk is marked
    assert f"{hidden} content chunks" in shown
    assert len(everything.splitlines()) - len(shown.splitlines()) == hidden - 1
    assert len([line for line in everything.splitlines() if " data " in line]) == 100
    assert "content chunks, " not in everything.partition("numbers")[0]


def test_what_is_no_plain_content_is_never_folded_away() -> None:
    """A repeat and a gap in the middle keep their rows."""
    chunks = [chat(index, "ab") for index in range(100) if index != 50]
    document = of(*chunks[:30], chunks[3], *chunks[30:], marker(100))

    assert "duplicate" in text(document)
    assert "gap before: 50 missing" in squeezed(document)


def test_audio_in_the_middle_is_told_in_bytes() -> None:
    """Speech has no characters."""
    document = of(*(speech(index, b"abc") for index in range(40)), marker(40, stream_type="audio.speech"))

    assert "33 content chunks, 5–37, 99 bytes" in text(document, width=160)


def test_labels_and_names_cannot_steer_the_terminal() -> None:
    """Escape sequences are shown, not obeyed."""
    document = of(
        chat(0, f"a{ESCAPE}", model=f"m{ESCAPE}", labels={f"k{ESCAPE}": f"v{ESCAPE}"}),
        error(1, type_=ESCAPE),
        marker(2),
    )
    document["notes"].append(f"note {ESCAPE}")

    assert "\x1b" not in text(document)
    assert "m\\x1b[31m" in text(document)


def test_attempts_and_images_have_columns_of_their_own() -> None:
    """Only where there are any."""
    attempts = text(of(chat(0, "a"), error(1), chat(0, "b", attempt=1, usage=USAGE), marker(1, attempt=1)))
    images = text(of(image(0, 0, "QQ==", done=True), image(0, 1, "QQ==")))

    assert "attempts\n" in attempts
    assert "shown" in attempts
    assert "image  index" in images
    assert "image  index" not in attempts


def test_a_closed_request_says_by_which_rule_and_when() -> None:
    """Rule, setting, the chunk that the deadline counts from, the record that passed it."""
    lines = placed((0, chat(0, "a", finish="stop")), (5_000, usage(1, cost=0.5)), (9_000, chat(0, request_id="r-2")))
    shown = squeezed(told(lines))

    assert "closed by finish (CONTRACT §4 rule 2" in shown
    assert "last new chunk, offset 0 at 2026-01-01T00:00:00.000Z + finish_grace 2s = 2026-01-01T00:00:02.000Z" in shown
    assert "passed by offset 1 at 2026-01-01T00:00:05.000Z" in shown
    assert "delta against" in shown


def test_other_ways_to_end_have_their_words() -> None:
    """At once, by wall clock, without a clock, and not yet."""
    assert "at once, with offset 1" in squeezed(told(placed((0, chat(0, "a")), (0, marker(1)))))
    assert "so the wall clock closed it" in squeezed(told(placed((0, chat(0, "a")))))
    assert "no append times, closed at the end of the input" in squeezed(of(chat(0, "a")))
    opened = squeezed(told(placed((0, chat(0, "a"))), keep_open=True))
    assert "status incomplete if it closed now" in opened
    assert "if nothing more comes; the partition is at 2026-01-01T00:00:00.000Z: 300s to go" in opened
    assert "there are no append times to tell when" in squeezed(of(chat(0, "a"), keep_open=True))


def test_times_show_their_day_when_there_are_several() -> None:
    """A stream may run over midnight."""
    day = 24 * 3_600_000
    one, two = told(placed((0, chat(0, "a")))), told(placed((0, chat(0, "a")), (day, chat(1, "b", request_id="r-1"))))

    assert "\n     0  00:00:00.000" in text(one)
    assert "2026-01-02T00:00:00.000Z" in text(two, width=160).partition("numbers")[0]


def test_texts_have_a_part_of_their_own_when_asked_for() -> None:
    """Whole, chunk by chunk."""
    document = told(map(encoded, [chat(0, "hello"), marker(1)]), content=True)

    assert "content\n1 text  hello" in text(document)
    assert "hello" not in text(of(chat(0, "hello"), marker(1)))


def test_content_that_was_left_out_is_told() -> None:
    """A limit never loses the bill, but the reader must know."""
    gathered = explanation(gather(map(encoded, [chat(0, "a"), marker(1)])), content=False)
    gathered["summary"]["truncated"] = True

    assert "left out: past max_bytes or max_chunks" in text(gathered)


def test_nothing_to_complain_of_is_said() -> None:
    """An empty part would look like a mistake of the program."""
    shown = text(of(chat(0, "a"), marker(1)))

    assert "refusals\nnone" in shown


def test_the_cost_has_its_lines() -> None:
    """Parts, items by unit, total, and where the price is from."""
    document = of(chat(0, "a"), usage(1), marker(2))
    document["cost"] |= {
        "parts": [{"part": "input", "amount": "0.1"}],
        "asked": [
            {
                "provider": "openai",
                "model": "gpt-4o",
                "service_tier": "flex",
                "at": "2026-01-01T00:00:00.000000Z",
                "lines": [{"unit": "input_tokens", "quantity": 5}],
            }
        ],
        "total": "0.1",
        "price_id": "openai/gpt-4o",
        "adds_up": True,
    }
    shown = squeezed(document)

    assert "input 0.1 USD" in shown
    assert "price of openai gpt-4o at 2026-01-01T00:00:00.000000Z, tier flex unit input_tokens, quantity 5" in shown
    assert "price_id openai/gpt-4o" in shown
    assert "adds up yes" in shown
    assert "total unknown" in squeezed(of(usage(0), marker(1)))


def test_each_verdict_has_its_sentence() -> None:
    """What was compared, how it went, what differs."""
    document = of(chat(0, "a"), marker(1))
    verdict = {
        "revision": 0,
        "record": "records 0 offset 7",
        "record_digest": "d",
        "rebuilt_digest": "d",
        "digest_holds": True,
        "differences": [
            {"field": "cost", "record": 1, "rebuilt": 2},
            {"field": "output_message", "record": None, "rebuilt": None},
        ],
        "notes": ["made under other settings"],
    }
    results = ("identical", "same digest", "different", "not rebuilt", "no record", "not found", "corrected")
    shown = [squeezed({**document, "comparison": [{**verdict, "result": result}]}) for result in results]

    assert "rebuilt revision 0: identical digest d, every byte as in records 0 offset 7" in shown[0]
    assert "rebuilt revision 0: identical digest d as in records 0 offset 7" in shown[1]
    assert "differs from records 0 offset 7 cost: record 1, rebuilt 2 output_message: content differs" in shown[2]
    assert "the chunks give no such record" in shown[3]
    assert "is the worker behind?" in shown[4]
    assert "no record to compare with" in shown[5]
    assert "with other money, by a price list: records 0 offset 7" in shown[6]
