"""Recordings → chunks: envelope, times, end of stream, faults."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.ingest import Fault, chunks_of
from schemas.leaves import parse_timestamp
from tests.unit.ingest.streams import block_delta, chat, json_lines, message_start, sse, translate

HI = chat({"content": "Hi"})
END = chat({}, "stop")


def test_every_chunk_has_the_envelope_of_the_contract() -> None:
    """CONTRACT §1, field by field; start and interval are constants unless given."""
    (chunk,) = chunks_of(sse(END), provider="openai-chat", request_id="r-1")

    assert chunk == {
        "schema_version": 1,
        "request_id": "r-1",
        "stream_type": "chat.completion",
        "chunk_index": 0,
        "timestamp": "2026-01-01T00:00:00.050000Z",
        "start_timestamp": "2026-01-01T00:00:00.000000Z",
        "provider": "openai",
        "model": "m1",
        "is_final": True,
        "response": END,
        "error": None,
    }


def test_start_interval_and_model_may_be_given() -> None:
    """Chunk i is seen i + 1 intervals after the start, in UTC; a given model wins over the payload's."""
    start = datetime(2026, 3, 1, 2, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    chunks = list(
        chunks_of(sse(HI, END), provider="openai-chat", request_id="r", model="mine", start=start, interval_ms=1500)
    )

    assert {chunk["start_timestamp"] for chunk in chunks} == {"2026-03-01T00:00:00.123456Z"}
    assert [chunk["timestamp"] for chunk in chunks] == ["2026-03-01T00:00:01.623456Z", "2026-03-01T00:00:03.123456Z"]
    assert {chunk["model"] for chunk in chunks} == {"mine"}


def test_a_vendor_may_be_named_in_place_of_the_owner_of_the_format() -> None:
    """Many speak OpenAI's dialect; an error that is put into the envelope says whose it is, too (WIRE §3)."""
    said = sse(HI, END)
    failed = sse({"type": "error", "error": {"message": "m"}})
    named = list(chunks_of(said, provider="openai-chat", request_id="r", vendor="groq"))
    (error,) = chunks_of(failed, provider="openai-speech", request_id="r", vendor="x.ai")
    (default,) = chunks_of(failed, provider="openai-speech", request_id="r")

    assert {chunk["provider"] for chunk in named} == {"groq"}
    assert (error["provider"], error["error"]["extra_fields"]) == ("x.ai", {"provider": "x.ai"})
    assert (default["provider"], default["error"]["extra_fields"]) == ("openai", {"provider": "openai"})


@pytest.mark.parametrize("vendor", ["", " ", "a b", "-x", "x" * 65, "é", "a\n"])
def test_a_vendor_is_a_plain_name(vendor: str) -> None:
    """It becomes `provider` of a record, by which prices are looked up."""
    with pytest.raises(UsageError, match="is no name of a vendor"):
        chunks_of(sse(END), provider="openai-chat", request_id="r", vendor=vendor)


@given(st.integers(1, 20), st.integers(0, 5_000))
def test_times_are_evenly_spaced(count: int, interval: int) -> None:
    """An interval of 0 is legal: then all was seen at once."""
    chunks = chunks_of(sse(*[HI] * count), provider="openai-chat", request_id="r", interval_ms=interval)
    moments = [datetime(2026, 1, 1, tzinfo=UTC), *(parse_timestamp(chunk["timestamp"]) for chunk in chunks)]

    assert len(moments) == count + 1
    assert {later - earlier for earlier, later in pairwise(moments)} == {timedelta(milliseconds=interval)}


def test_bad_options_are_refused_before_reading() -> None:
    """The caller learns of a wrong option at once, not at the first chunk."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  that is the point
    with pytest.raises(UsageError, match="no time zone"):
        chunks_of("", provider="openai-chat", request_id="r", start=naive)
    with pytest.raises(UsageError, match="interval is negative"):
        chunks_of("", provider="openai-chat", request_id="r", interval_ms=-1)
    with pytest.raises(UsageError, match="no provider format"):
        chunks_of("", provider="nobody", request_id="r")


def test_sse_and_json_lines_give_the_same_chunks() -> None:
    """The form of the recording is no part of the stream."""
    lines = chunks_of(json_lines(HI, END), provider="openai-chat", request_id="r")

    assert list(lines) == translate("openai-chat", HI, END)


def test_chunks_come_while_the_recording_is_being_read() -> None:
    """A chunk waits for the next event and no longer: memory does not grow with the recording."""
    taken: list[str] = []

    def lines() -> list[str]:
        return json_lines(HI, HI, END).splitlines()

    def slowly() -> object:
        for line in lines():
            taken.append(line)
            yield line

    chunks = chunks_of(slowly(), provider="openai-chat", request_id="r")  # type: ignore[arg-type]
    assert taken == []

    next(chunks)
    assert len(taken) == 2


@pytest.mark.parametrize(
    ("done", "finish", "final"),
    [(True, None, True), (True, "stop", True), (False, "stop", True), (False, None, False)],
)
def test_the_last_chunk_is_final_only_if_the_stream_ended_properly(
    *, done: bool, finish: str | None, final: bool
) -> None:
    """[DONE] or every finish_reason; a recording that just stops is not final."""
    chunks = translate("openai-chat", HI, chat({}, finish), done=done)

    assert [chunk["is_final"] for chunk in chunks] == [False, final]


def test_usage_behind_the_finish_is_the_last_chunk() -> None:
    """The end marker sits on whatever comes last."""
    usage = {"choices": [], "usage": {"total_tokens": 5}}

    assert [chunk["is_final"] for chunk in translate("openai-chat", HI, END, usage, done=True)] == [False, False, True]


def test_a_recording_cut_inside_an_event_ends_with_the_event_before() -> None:
    """The piece is kept out, and a stream that was cut is not final, whatever it said before."""
    text = sse(HI, END) + 'data: {"choices": [{"ind'

    chunks = list(chunks_of(text, provider="openai-chat", request_id="r"))

    assert [chunk["response"] for chunk in chunks] == [HI, END]
    assert not chunks[-1]["is_final"]


def test_a_recording_broken_inside_is_refused_with_its_line() -> None:
    """A file that lost an event must not look whole."""
    text = sse(HI) + "data: {broken\n\n" + sse(END, done=True)

    with pytest.raises(UsageError, match="line 3 of the recording: not JSON"):
        list(chunks_of(text, provider="openai-chat", request_id="r"))


def test_whoever_takes_the_reports_gets_the_rest_and_a_gap() -> None:
    """Each event that can't be read keeps its index, and nothing is called final."""
    faults: list[Fault] = []
    text = sse(HI) + "data: {broken\n\n" + sse(END, done=True)

    chunks = list(chunks_of(text, provider="openai-chat", request_id="r", report=faults.append))

    assert [(fault.line, fault.cut) for fault in faults] == [(3, False)]
    assert [chunk["chunk_index"] for chunk in chunks] == [0, 2]
    assert [chunk["timestamp"] for chunk in chunks] == ["2026-01-01T00:00:00.050000Z", "2026-01-01T00:00:00.150000Z"]
    assert not chunks[-1]["is_final"]


def test_an_error_fills_no_place_among_the_data() -> None:
    """CONTRACT §4 counts an error's index only above all others, so data behind it goes on without a gap."""
    error = {"error": {"message": "m"}}
    usage = {"choices": [], "usage": {"total_tokens": 5}}

    assert [chunk["chunk_index"] for chunk in translate("openai-chat", HI, error)] == [0, 1]
    assert [chunk["chunk_index"] for chunk in translate("openai-chat", HI, error, error, usage)] == [0, 1, 2, 1]
    assert [chunk["chunk_index"] for chunk in translate("openai-chat", error, HI)] == [0, 0]


def test_an_error_ends_a_stream_properly() -> None:
    """The provider has said that it is over."""
    assert translate("openai-chat", HI, {"error": {"message": "m"}})[-1]["is_final"]


def test_what_a_stream_holds_back_comes_at_the_end() -> None:
    """The last part may come out only when the recording is over."""
    tool = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
    chunks = translate(
        "anthropic-messages",
        message_start(),
        {"type": "content_block_start", "index": 0, "content_block": tool},
        block_delta(1, type="text_delta", text="x"),
    )

    assert [chunk["chunk_index"] for chunk in chunks] == [0, 1, 2, 3]
    (call,) = chunks[-1]["response"]["choices"][0]["delta"]["tool_calls"]
    assert call["function"] == {"arguments": '{"a":1}'}


def test_integers_beyond_json_readers_become_text_in_chunks() -> None:
    """A 64-bit seed in a payload would otherwise reject the whole chunk (CONTRACT §1)."""
    (chunk,) = translate("openai-chat", chat({"content": "a"}, "stop", seed=2**63))

    assert chunk["response"]["seed"] == "9223372036854775808"


def test_image_chunks_alone_have_an_image_index() -> None:
    """CONTRACT §1: images only; a stream that said nothing speaks of image 0."""
    (marker,) = translate("openai-images", done=True)

    assert marker["image_index"] == 0
    assert "image_index" not in translate("openai-chat", HI)[0]
