"""One request's chunks: numbering, times, what each carries, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.ingest.publish import clock
from tests.ledger import fold
from tests.unit.ingest.publish.flows import Wire, says


def test_chunks_are_numbered_from_0_and_the_end_is_a_bare_marker_behind_them() -> None:
    """A stream of two chunks and its end make a complete record, closed at once."""
    wire = Wire(provider="openai", model="gpt-4o")
    chunks = [wire.chunk(says("Hel")), wire.chunk(says("lo", "stop")), wire.take(wire.flow.end(None))]

    assert [chunk["chunk_index"] for chunk in chunks] == [0, 1, 2]
    assert [chunk.get("is_final", False) for chunk in chunks] == [False, False, True]
    assert not {"response", "error"} & chunks[-1].keys()
    record = fold(*chunks)
    assert (record["complete"], record["closed_by"], record["output_message"]["content"]) == (True, "final", "Hello")


def test_labels_are_on_the_first_and_the_last_chunk_and_what_is_said_once_on_the_first() -> None:
    """Who pays survives the loss of either; start and raw request are written once; provider and model each time."""
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    wire = Wire(provider="openai", model="m", labels={"team": "x"}, raw_request={"n": 1}, traceparent=trace)
    first, middle, last = wire.chunk(says("a")), wire.chunk(says("b")), wire.take(wire.flow.end(0.5))

    assert first["labels"] == last["labels"] == {"team": "x"}
    assert first["raw_request"] == {"n": 1}
    assert "start_timestamp" in first
    assert middle.keys() & {"labels", "raw_request", "start_timestamp"} == set()
    assert {(chunk["provider"], chunk["model"]) for chunk in (first, middle, last)} == {("openai", "m")}
    assert last["cost"] == 0.5
    assert [item.trace for item in wire.items] == [trace.encode(), b"", b""]


def test_a_model_that_the_stream_names_later_stays() -> None:
    """The record has the name of the highest chunk, so every later chunk has to say it."""
    wire = Wire(model="alias")
    wire.chunk(says("a"))
    assert wire.chunk(says("b"), model="gpt-4o-2024-08-06", provider="azure")["model"] == "gpt-4o-2024-08-06"
    assert wire.take(wire.flow.end(None))["provider"] == "azure"


def test_an_error_fills_no_place_and_ends_the_request_if_it_is_final() -> None:
    """A stream that went on after an error has no gap; a final error closes it with what there was."""
    wire = Wire(provider="openai")
    wire.chunk(says("a"))
    passing = wire.take(wire.flow.error(ValueError("slow down"), final=False))
    going_on = wire.chunk(says("b"))
    last = wire.take(wire.flow.error({"error": {"message": "gone"}}, final=True))

    assert (passing["chunk_index"], going_on["chunk_index"], last["chunk_index"]) == (1, 1, 2)
    assert passing["error"]["error"] == {"type": "ValueError", "message": "slow down"}
    assert passing["error"]["extra_fields"] == {"provider": "openai"}
    assert wire.flow.closed
    assert last["is_final"]


def test_a_retry_counts_anew_under_the_next_attempt() -> None:
    """Both attempts are in the record, and the second one's end completes it."""
    wire = Wire(provider="openai", model="a")
    wire.chunk(says("lost"))
    wire.take(wire.flow.error(TimeoutError(), final=False))
    wire.flow.retry("anthropic", "b")
    chunk = wire.chunk(says("kept", "stop"))
    wire.take(wire.flow.end(None))

    assert (chunk["attempt"], chunk["chunk_index"], chunk["provider"], chunk["model"]) == (1, 0, "anthropic", "b")
    record = fold(*map(wire.take, list(wire.items)))
    assert (record["status"], record["output_message"]["content"], record["complete"]) == ("success", "kept", True)
    assert [attempt["number"] for attempt in record["attempts"]] == [0, 1]


def test_images_are_numbered_each_by_itself() -> None:
    """The end belongs to the image that came last, so that no image has a gap."""
    wire = Wire(stream_type="image.generation")
    indexes = [wire.chunk({"b64_json": "AA=="}, image_index=image) for image in (0, 0, 1)]
    end = wire.take(wire.flow.end(None))

    assert [(chunk["image_index"], chunk["chunk_index"]) for chunk in indexes] == [(0, 0), (0, 1), (1, 0)]
    assert (end["image_index"], end["chunk_index"]) == (1, 1)


def test_a_gateway_may_number_its_chunks_itself() -> None:
    """Counting goes on behind a given index, and a given time is kept."""
    wire = Wire()
    moment = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert wire.chunk(says("a"), chunk_index=7, timestamp=moment)["timestamp"] == "2026-01-01T12:00:00.000000Z"
    assert wire.chunk(says("b"))["chunk_index"] == 8


@pytest.mark.parametrize(
    ("response", "fields"),
    [
        ({"a": object()}, {}),
        (["no", "mapping"], {}),
        (None, {"cost": float("nan")}),
        (None, {"cost": 10**400}),
        (None, {"cost": True}),
        (None, {"image_index": 0}),
        (None, {"timestamp": "yesterday"}),
        (None, {"timestamp": datetime(2026, 1, 1)}),  # noqa: DTZ001  without a zone is what is refused
        (None, {"model": 4}),
    ],
    ids=["object", "list", "nan", "endless", "bool", "image", "word", "naive", "model"],
)
def test_what_breaks_the_contract_is_refused_and_leaves_a_gap(response: Any, fields: dict[str, Any]) -> None:
    """Its index is used up: a record that lacks a chunk says so."""
    wire = Wire()
    wire.chunk(says("a"))
    with pytest.raises(UsageError) as refused:
        wire.chunk(response, **fields)
    assert refused.value.hint
    wire.chunk(says("b", "stop"))
    wire.take(wire.flow.end(None))

    record = fold(*map(wire.take, list(wire.items)))
    assert record["complete"] is ("image_index" in fields)  # that one is no place of this stream at all


@pytest.mark.parametrize("refused", [True, False])
def test_a_first_chunk_that_got_nowhere_shows_as_a_gap_and_its_labels_come_with_the_next(refused: bool) -> None:
    """Without an index 0 a stream would pass for one that counts from 1."""
    wire = Wire(labels={"team": "x"})
    if refused:
        with pytest.raises(UsageError):
            wire.chunk({"a": object()})
    else:
        wire.flow.chunk(says("no room for it"), {})
        wire.flow.lost()
    second = wire.chunk(says("b", "stop"))
    end = wire.take(wire.flow.end(None))
    assert (second["chunk_index"], second["labels"]) == (2, {"team": "x"})
    assert fold(second, end)["complete"] is False


@pytest.mark.parametrize("index", [-1, True, 1.0, 1 << 53])
def test_an_index_that_is_none_is_refused(index: Any) -> None:
    """No reader would take it."""
    with pytest.raises(UsageError):
        Wire().chunk(says("a"), chunk_index=index)


def test_a_misspelt_field_is_an_error_as_in_any_call() -> None:
    """A cost under a wrong name would be lost without a word."""
    with pytest.raises(TypeError, match="costs"):
        Wire().chunk(says("a"), costs=1)


def test_a_chunk_over_the_limit_is_refused_and_a_raw_request_that_makes_it_so_is_left_out() -> None:
    """The stream counts more than a copy of what was asked; the labels come with the next chunk."""
    wire = Wire(limit=1_000, labels={"team": "x"}, raw_request={"prompt": "p" * 2_000})
    with pytest.raises(UsageError, match="max_chunk_bytes"):
        wire.chunk(says("x" * 2_000))
    first = wire.chunk(says("a"))
    assert "raw_request" not in first
    assert first["labels"] == {"team": "x"}
    assert all("raw_request" in complaint.message for complaint in wire.complaints)


def test_an_error_that_can_not_be_written_still_ends_the_request() -> None:
    """The end is never lost for its reason."""
    wire = Wire()
    end = wire.take(wire.flow.error({"error": {"message": object()}}, final=True))
    assert end["is_final"]
    assert wire.complaints


def test_times_never_run_backwards_within_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of the wall clock gives two chunks the same time, never a later chunk an earlier one."""
    times = iter([5_000_000, 4_000_000, 6_000_000, 3_000_000])
    monkeypatch.setattr(clock, "now", lambda: next(times))
    wire = Wire(start_timestamp="1970-01-01T00:00:01Z")
    stamps = [wire.chunk(says("a"))["timestamp"] for _ in range(4)]
    assert stamps == [f"1970-01-01T00:00:{second:02}.000000Z" for second in (5, 5, 6, 6)]


def test_a_payload_may_be_changed_after_it_was_published() -> None:
    """What was said is bytes."""
    wire = Wire()
    payload = says("before")
    item = wire.flow.chunk(payload, {})
    payload["choices"][0]["delta"]["content"] = "after"
    assert wire.take(item)["response"]["choices"][0]["delta"]["content"] == "before"


@settings(deadline=None, max_examples=60)
@given(course=st.lists(st.sampled_from(["chunk", "error", "retry", "refused"]), max_size=12), broken=st.booleans())
def test_any_course_of_a_request_is_one_record_that_knows_its_gaps(course: list[str], broken: bool) -> None:
    """Whatever a gateway does, every chunk is valid, none contradicts another, and only a refusal leaves a gap."""
    wire = Wire(provider="p", model="m", labels={"team": "x"})
    gap = said = False
    for number, step in enumerate(course):
        if step == "chunk":
            wire.chunk(says(f"{number} "))
            said = True
        elif step == "error":
            wire.take(wire.flow.error(ValueError("no"), final=False))
        elif step == "retry":
            wire.flow.retry(None, None)
            gap = said = False
        else:
            gap = True
            with pytest.raises(UsageError):
                wire.chunk({"a": object()})
    wire.take(wire.flow.error(ValueError("end"), final=True) if broken else wire.flow.end(None))

    record = fold(*map(wire.take, list(wire.items)))
    assert record["labels"] == {"team": "x"}
    assert record["duplicate_count"] == record["conflict_count"] == 0
    judged = said or "retry" not in course  # an attempt that said nothing leaves the output to an earlier one
    if not broken and ((gap and judged) or "refused" not in course):  # one in an earlier attempt may be all it had
        assert record["complete"] is not gap
