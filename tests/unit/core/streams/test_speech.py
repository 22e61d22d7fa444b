"""Speech streams."""

from __future__ import annotations

from base64 import b64decode, b64encode

from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.streams import CONTENT, FOLDS
from tests.unit.core.streams.build import Json, chunk, fold, payload_of, times

USAGE: Json = {"input_tokens": 12, "output_tokens": 34, "total_tokens": 46}


def delta(audio: str | None, **fields: object) -> Json:
    """A fragment of audio."""
    return {"type": "speech.audio.delta", "audio": audio, **fields}


def test_bytes_are_joined_and_encoded_once() -> None:
    """S-AUDIO-1: every fragment is padded by itself, so joining the texts would give no base64."""
    output = fold("audio.speech", delta("Ug=="), delta("SUZG"), delta("AAECAw=="), delta("//4="))

    assert output.audio_output == {"audio": "UklGRgABAgP//g==", "usage": None}
    assert times(output) == [0, 1, 2, 3]


@given(st.lists(st.binary(max_size=9), min_size=1))
def test_any_cut_gives_the_same_audio(parts: list[bytes]) -> None:
    """S-AUDIO-1: the audio is the concatenation of the fragments' bytes."""
    output = fold("audio.speech", *(delta(b64encode(part).decode()) for part in parts))

    assert b64decode((output.audio_output or {})["audio"] or "") == b"".join(parts)


def test_null_and_empty_audio_are_no_ops() -> None:
    """S-AUDIO-2: a stream of nothing has null audio, and no content."""
    output = fold("audio.speech", delta(None), delta(""), {"type": "speech.audio.done", "audio": ""})

    assert output.audio_output == {"audio": None, "usage": None}
    assert (output.content_times, output.terminal, output.finish_reason) == ([], True, None)


def test_the_usage_is_kept_as_it_was_sent() -> None:
    """S-AUDIO-3: that of the highest chunk that has one, wherever it comes."""
    output = fold("audio.speech", delta("Ug==", usage={"total_tokens": 1}), delta("Ug==", usage=USAGE), delta(None))

    assert (output.audio_output or {})["usage"] == USAGE
    assert (fold("audio.speech", {"usage": USAGE}).audio_output or {})["usage"] == USAGE


def test_errors_keep_what_came() -> None:
    """S-ERR-1, S-ERR-5: in band or beside the payload; an error alone gives no audio output."""
    in_band = fold("audio.speech", delta("Ug=="), {"error": {"message": "boom"}})
    beside = FOLDS["audio.speech"]([chunk("audio.speech", delta("Ug=="), error={}), chunk("audio.speech", None, 1)])

    assert (in_band.error or {})["error"]["message"] == "boom"
    assert (in_band.audio_output or {})["audio"] == "Ug=="
    assert (beside.audio_output, beside.error) == (None, None)


def test_content_is_audio() -> None:
    """CONTRACT §2, time_to_first_content."""
    payloads = [delta("Ug=="), delta(""), {"type": "speech.audio.done", "usage": USAGE}]

    assert [CONTENT["audio.speech"](payload_of("audio.speech", one)) for one in payloads] == [True, False, False]
