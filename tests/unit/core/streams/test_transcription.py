"""Transcription streams."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.streams import CONTENT, FOLDS
from tests.unit.core.streams.build import Json, chunk, fold, payload_of, times

STREAM = "audio.transcription"


def delta(text: str, **fields: object) -> Json:
    """A piece of the transcript; `text` is always written by the gateway."""
    return {"type": "transcript.text.delta", "delta": text, "text": "", **fields}


def done(text: str | None, **fields: object) -> Json:
    """The closing event."""
    return {"type": "transcript.text.done", "text": text, **fields}


def made(*payloads: Json) -> Json:
    """The transcription output of these payloads."""
    return fold(STREAM, *payloads).transcription_output or {}


@given(st.text(st.characters(exclude_categories=["Cs"])), st.lists(st.integers(0, 20)))
def test_the_text_is_that_of_the_deltas(text: str, cuts: list[int]) -> None:
    """S-TR-1: however it was cut."""
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    parts = [delta(text[start:end]) for start, end in pairwise(places)]

    assert made(*parts, done(None)) == {"text": text}


def test_the_text_of_the_closing_event_wins() -> None:
    """S-TR-2: the provider's final text, once; an empty one takes nothing away, and silence is a result."""
    assert made(delta("I "), delta("sea"), done("I see"))["text"] == "I see"
    assert made(done("All at once"))["text"] == "All at once"
    assert made(delta("I see"), done(""))["text"] == "I see"
    assert fold(STREAM, done("")).transcription_output == {"text": ""}
    assert made({"text": "no type"})["text"] == "no type"
    assert made({"type": "transcript.text.delta", "text": "not this"})["text"] == ""


def test_lists_are_kept_once() -> None:
    """S-TR-3, S-TR-4: log-probs, segments and words of the closing event replace those gathered before it."""
    one, two = {"token": "a"}, {"token": "b"}

    assert made(delta("a", logprobs=[one]), delta("b", logprobs=[two]))["logprobs"] == [one, two]
    assert made(delta("a", logprobs=[one]), done("ab", logprobs=[one, two]))["logprobs"] == [one, two]
    assert made(delta("a", logprobs=[one]), done("a", logprobs=[]))["logprobs"] == [one]


def test_segments_and_words_are_kept() -> None:
    """S-TR-4: segment events become segments; their text is not said twice."""
    segment = {"id": "s1", "start": 0.0, "end": 1.5, "text": "a", "speaker": "A"}
    output = made(
        delta("a"),
        {"type": "transcript.text.segment", **segment},
        {"type": "transcript.text.segment", "start": 2, "text": "b"},
        done("ab", words=[{"word": "a"}], language="en", duration=2.5, task="transcribe"),
    )

    assert output == {
        "duration": 2.5,
        "language": "en",
        "segments": [segment, {"start": 2.0, "text": "b"}],
        "task": "transcribe",
        "text": "ab",
        "words": [{"word": "a"}],
    }
    assert list(output) == sorted(output)
    assert made(done("a", segments=[segment]))["segments"] == [segment]


def test_a_duration_stays_in_the_usage() -> None:
    """S-TR-5: what is billed by the second."""
    usage = {"type": "duration", "seconds": 27}

    assert made(delta("Hi"), done("Hi", usage=usage))["usage"] == usage
    assert fold(STREAM, {"usage": usage}).transcription_output == {"text": "", "usage": usage}


def test_content_is_a_piece_of_the_transcript_that_is_new() -> None:
    """CONTRACT §2: the closing event counts only where nothing came before it."""
    output = fold(STREAM, delta(""), delta("a"), done("a"))
    payloads = [delta("a"), delta(""), done("a"), done(""), {"type": "transcript.text.segment", "text": "a"}]

    assert (times(output), output.terminal) == ([1], True)
    assert times(fold(STREAM, done("a"))) == [0]
    assert [CONTENT[STREAM](payload_of(STREAM, one)) for one in payloads] == [True, False, True, False, True]


def test_errors_keep_what_came() -> None:
    """S-ERR-1, S-ERR-5: an error alone gives no transcript."""
    output = fold(STREAM, delta("a"), {"type": "error", "error": {"message": "boom"}})
    beside = FOLDS[STREAM]([chunk(STREAM, delta("a"), error={}), chunk(STREAM, None, 1)])

    assert (output.error or {})["error"]["message"] == "boom"
    assert (output.transcription_output or {})["text"] == "a"
    assert beside.transcription_output is None
