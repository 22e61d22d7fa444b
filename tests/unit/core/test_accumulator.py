"""The embedded face: create, process, flush, cleanup (the seed's Accumulator, S-LIFE-1)."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.core import partition
from pipeline.core.accumulator import Accumulator
from pipeline.core.policy import Policy
from pipeline.errors import ProducerFault
from pipeline.testing.chunk import SENT, USAGE, Document, chat, chunk, encoded, marker, moment, usage
from schemas.record import AccumulatedData, ProcessedStreamResponse


def said(data: AccumulatedData | None) -> Any:
    """Content of the record."""
    assert data is not None
    assert data.output_message is not None
    return data.output_message.content


def processed(accumulator: Accumulator, *chunks: Document) -> ProcessedStreamResponse:
    """The answer to the last of these chunks; none before it has data."""
    for document in chunks[:-1]:
        assert accumulator.process(document).data is None
    return accumulator.process(chunks[-1])


def test_data_is_null_until_the_end() -> None:
    """A final chunk ends the stream; until then the answer names it (S-GEN-2)."""
    accumulator = Accumulator()
    first = accumulator.process(chat(0, "Hello ", provider="p", model="m"))

    last = processed(accumulator, chat(1, "world", finish="stop", usage=USAGE, is_final=True))

    assert (first.request_id, first.stream_type, first.provider, first.model) == ("r-1", "chat.completion", "p", "m")
    assert first.data is None
    assert (said(last.data), last.model, last.raw_request) == ("Hello world", "m", None)


def test_chunks_come_as_bytes_or_as_objects() -> None:
    """Both give the same record."""
    chunks = [chat(0, "é"), chat(1, "b", is_final=True, raw_request={"n": 1})]
    objects, texts = Accumulator(), Accumulator()

    answers = [processed(objects, *chunks), [texts.process(encoded(each)) for each in chunks][-1]]

    assert answers[0] == answers[1]
    assert answers[0].raw_request == {"n": 1}


def test_the_order_of_chunks_does_not_matter() -> None:
    """As everywhere (S-ORD-1); the end is known when the gap is filled."""
    answer = processed(Accumulator(), chat(2, "c", is_final=True), chat(0, "a"), chat(1, "b"))

    assert said(answer.data) == "abc"


def test_a_repeat_after_the_end_returns_the_same_data() -> None:
    """A final chunk that several plugins deliver gives one record (S-FIN-2)."""
    accumulator = Accumulator()
    final = chat(0, "a", is_final=True)

    assert accumulator.process(final) == accumulator.process(final)


def test_the_start_is_that_of_create() -> None:
    """The last caller wins; a null start_timestamp of a chunk is none (S-TIME-4)."""
    accumulator = Accumulator()
    accumulator.create("r-1", datetime(2020, 1, 1, tzinfo=UTC))
    accumulator.create("r-1", SENT)
    accumulator.create("r-1")

    answer = processed(accumulator, chat(0, "a", sent=40, start_timestamp=None), chat(1, sent=90, is_final=True))

    assert answer.data is not None
    assert (answer.data.start_timestamp, answer.data.latency, answer.data.time_to_first_token) == (SENT, 90, 40)


def test_a_start_needs_its_zone() -> None:
    """A naive time would mean another moment on another machine."""
    with pytest.raises(ValueError, match="zone"):
        Accumulator().create("r-1", SENT.replace(tzinfo=None))


def test_a_chunk_may_bring_a_start_of_its_own() -> None:
    """What the chunk says stays."""
    accumulator = Accumulator()
    accumulator.create("r-1", SENT)

    answer = accumulator.process(chat(0, "a", sent=40, is_final=True, start_timestamp=moment(30)))

    assert answer.data is not None
    assert answer.data.latency == 10


def test_flush_closes_without_waiting() -> None:
    """Graces fire with their own cause, an unfinished stream is incomplete."""
    accumulator = Accumulator()
    processed(accumulator, chat(0, "a", finish="stop"))
    processed(accumulator, chat(0, "b", request_id="r-2"))

    finished, silent = accumulator.flush("r-1").data, accumulator.flush("r-2").data

    assert finished is not None
    assert silent is not None
    assert (finished.closed_by, finished.status) == ("finish", "success")
    assert (silent.closed_by, silent.status, silent.request_id) == ("expiry", "incomplete", "r-2")
    assert accumulator.flush("r-1").data == finished


def test_late_chunks_make_a_revision_at_the_next_flush() -> None:
    """The data is then that of the revision."""
    accumulator = Accumulator()
    accumulator.process(chat(0, "a", finish="stop"))
    accumulator.flush("r-1")
    accumulator.process(usage(1))

    data = accumulator.flush("r-1").data

    assert data is not None
    assert (data.revision, data.closed_by) == (1, "late")
    assert data.token_usage is not None
    assert data.token_usage.total_tokens == 7


def test_flushing_what_is_unknown_is_an_error() -> None:
    """There is nothing to answer; a stream that was only announced has no record either."""
    accumulator = Accumulator()
    accumulator.create("announced")

    for request_id in ("nobody", "announced"):
        with pytest.raises(KeyError, match=request_id):
            accumulator.flush(request_id)


def test_streams_are_dropped_with_their_last_user() -> None:
    """Reference-counted and idempotent (S-LIFE-1)."""
    accumulator = Accumulator()
    accumulator.create("r-1")
    accumulator.create("r-1")
    accumulator.process(chat(0, "a"))

    accumulator.cleanup("r-1")
    assert accumulator.flush("r-1").data is not None
    accumulator.cleanup("r-1")
    accumulator.cleanup("r-1")
    accumulator.cleanup("nobody")

    with pytest.raises(KeyError):
        accumulator.flush("r-1")


def test_a_stream_without_create_is_cleaned_up_too() -> None:
    """Processing alone makes no user."""
    accumulator = Accumulator()
    accumulator.process(chat(0, "a"))

    accumulator.cleanup("r-1")

    with pytest.raises(KeyError):
        accumulator.flush("r-1")


def test_after_cleanup_an_id_begins_anew() -> None:
    """Streams share nothing with those before them (S-ISO-1)."""
    accumulator = Accumulator()
    for text in ("a", "b"):
        assert said(accumulator.process(chat(0, text, is_final=True)).data) == text
        accumulator.cleanup("r-1")


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        pytest.param(b"{", "not_json", id="not JSON"),
        pytest.param(b"\xff", "not_json", id="not UTF-8"),
        pytest.param(b"[" * 100_000, "not_json", id="nested beyond reading"),
        pytest.param(b"[]", "invalid", id="no object"),
        pytest.param({}, "invalid", id="empty"),
        pytest.param(chat(-1), "invalid", id="negative index"),
        pytest.param(chat(0, request_id=5), "invalid", id="wrong type"),
        pytest.param(chat(0, request_id="\ud83d"), "invalid", id="half a character in the id"),
        pytest.param(chat(0, cost=float("nan")), "not_json", id="NaN"),
        pytest.param(chat(0, timestamp=SENT), "invalid", id="a value that JSON has not"),
        pytest.param(chat(0, schema_version=9), "unsupported_version", id="version"),
        pytest.param(marker(1, stream_type="audio.speech"), "stream_type_conflict", id="another type"),
    ],
)
def test_a_refused_chunk_raises_and_harms_nobody(refused: Any, reason: str) -> None:
    """With the reason of its dead letter; the stream goes on."""
    accumulator = Accumulator()
    accumulator.process(chat(0, "a"))

    with pytest.raises(ProducerFault) as caught:
        accumulator.process(refused)

    assert caught.value.reason == reason
    assert said(accumulator.process(chat(1, "b", is_final=True)).data) == "ab"


def test_a_refused_chunk_leaves_no_stream_behind() -> None:
    """Garbage costs no memory (G5)."""
    accumulator = Accumulator()

    with pytest.raises(ProducerFault):
        accumulator.process(chat(-1, request_id="r-9"))

    with pytest.raises(KeyError):
        accumulator.flush("r-9")


def test_an_announced_stream_outlives_a_refused_chunk() -> None:
    """Its user still holds it, and its start counts."""
    accumulator = Accumulator()
    accumulator.create("r-1", SENT)
    with pytest.raises(ProducerFault):
        accumulator.process(chat(-1))

    answer = accumulator.process(chat(0, sent=40, is_final=True))

    assert answer.data is not None
    assert answer.data.latency == 40


def test_new_data_after_a_complete_end_is_late() -> None:
    """The data stays as it was."""
    accumulator = Accumulator()
    data = accumulator.process(chat(0, "a", is_final=True)).data

    with pytest.raises(ProducerFault) as caught:
        accumulator.process(chat(1, "b"))

    assert caught.value.reason == "late"
    assert accumulator.flush("r-1").data == data


def test_a_conflict_is_counted_and_does_not_cost_the_record() -> None:
    """It is found when the stream ends, so the chunk that ends it is not to blame: the first content stays."""
    answer = processed(Accumulator(), chat(0, "a"), chat(0, "x"), chat(1, "b", is_final=True))

    assert said(answer.data) == "ab"
    assert answer.data is not None
    assert answer.data.conflict_count == 1


def test_an_exception_in_the_fold_gives_an_error_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the worker (G4): the caller gets data with status error."""

    def raising(*_: Any) -> Any:
        raise ZeroDivisionError

    accumulator = Accumulator()
    accumulator.process(chat(0, "a"))
    monkeypatch.setattr(partition, "admit", raising)

    data = accumulator.process(chat(1, "b")).data

    assert data is not None
    assert data.status == "error"


def test_the_policy_is_the_callers() -> None:
    """Ledger, capture and limits shape the record as in the worker."""
    accumulator = Accumulator(Policy(ledger="mine", capture="metadata"))

    data = accumulator.process(chat(0, "secret", is_final=True)).data

    assert data is not None
    assert data.config_digest == Policy(ledger="mine", capture="metadata").digest
    assert "secret" not in data.model_dump_json()


def test_threads_may_share_an_accumulator() -> None:
    """Forty streams from eight threads, each chunk delivered twice: every stream is whole."""
    accumulator = Accumulator()
    names = [f"r-{number}" for number in range(40)]

    def stream(name: str) -> Any:
        accumulator.create(name)
        for index in range(20):
            for _ in range(2):
                accumulator.process(chat(index, f"{index} ", request_id=name))
        data = accumulator.process(chunk(20, request_id=name, is_final=True)).data
        accumulator.cleanup(name)
        return said(data)

    with ThreadPoolExecutor(8) as pool:
        contents = list(pool.map(stream, names))

    assert contents == ["".join(f"{index} " for index in range(20))] * 40


def test_one_stream_may_be_fed_by_threads() -> None:
    """Chunks of one stream in any interleaving."""
    accumulator = Accumulator()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(accumulator.process, [chat(index, f"{index} ") for index in range(100)]))

    data = accumulator.process(chunk(100, is_final=True)).data

    assert said(data) == "".join(f"{index} " for index in range(100))


def test_the_data_is_json_of_the_record() -> None:
    """What an embedder writes down is what the worker would have sent."""
    data = Accumulator().process(chat(0, "a", is_final=True)).data

    assert data is not None
    assert json.loads(data.model_dump_json())["output_message"]["content"] == "a"
