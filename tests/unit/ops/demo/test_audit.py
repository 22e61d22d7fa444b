"""The audit passes on right records and notices every kind of wrong one; on chunks as a topic would hold them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.ops.demo.audit import FOLD, HAND, Audit, Difference, Source, audit, offline
from pipeline.ops.demo.streams import deliveries, streams
from pipeline.settings import Settings
from schemas.record import AccumulatedData

SETTINGS = Settings(ledger="demo", session_window=8_000, finish_grace=5_000, attempt_grace=5_000)
SENT = streams()
CHUNKS = [Source("demo.chunks", 0, offset, 1_000_000, value) for offset, value in enumerate(deliveries(SENT))]
RECORDS = list(offline(CHUNKS, SETTINGS).values())

Change = Callable[[dict[str, Any]], None]


def judged(records: list[bytes], chunks: list[Source] = CHUNKS) -> Audit:
    """The audit of some records."""
    return audit(SENT, records, chunks, SETTINGS)


def changed(sample: str, change: Change) -> list[bytes]:
    """The records, with one of a sample changed."""
    request_id = next(stream.request_id for stream in SENT if stream.sample == sample)
    records = []
    for value in RECORDS:
        document = json.loads(value)
        if document["request_id"] == request_id:
            change(document)
        records.append(json.dumps(document).encode() if document != json.loads(value) else value)
    return records


def test_right_records_pass() -> None:
    """The fold's records agree with all that was written by hand: text, calls, tokens, money, times, gaps."""
    outcome = judged(RECORDS)

    assert outcome.complaints() == []
    assert outcome.passed
    assert outcome.equal == outcome.requests == 60


def test_every_record_validates() -> None:
    """Records of the samples keep the published contract."""
    validated = [AccumulatedData.model_validate_json(value) for value in RECORDS]

    assert {record.request_id for record in validated} == {stream.request_id for stream in SENT}


def put(name: str, value: Any) -> Change:
    """A change of one field, named with dots."""

    def change(record: dict[str, Any]) -> None:
        *path, last = name.split(".")
        for step in path:
            record = record[step]
        record[last] = value

    return change


@pytest.mark.parametrize(
    ("sample", "change", "fields"),
    [
        ("haiku", put("output_message.content", "other"), ["content"]),
        ("haiku", put("token_usage.prompt_tokens", 20), ["usage.prompt_tokens"]),
        ("haiku", put("cost", 0.0), ["cost"]),
        ("haiku", put("labels.team", "other"), ["labels.team"]),
        ("haiku", put("latency", 1), ["latency"]),
        ("haiku", put("tool_calls", None), []),
        ("refusal", put("output_message.content", "said all the same"), ["content"]),
        ("notes", put("token_usage.prompt_tokens_details.cached_write_tokens", 0), ["usage.cached_write_tokens"]),
        ("two-names", put("choices", None), ["choices"]),
        ("bell", put("audio_output.audio", "YWJj"), ["audio.bytes", "audio.sha256"]),
        ("two-cats", put("image_generation_output.data", []), ["images"]),
        ("standup", put("transcription_output.text", "other"), ["transcript.text"]),
        ("trip", put("tool_calls", None), ["tool_calls"]),
        ("overloaded", put("status", "success"), ["status"]),
        ("abandoned", put("missing_indexes", []), ["missing_indexes"]),
        ("cut-off", put("complete", value=True), ["complete"]),
    ],
)
def test_a_wrong_record_is_noticed_by_hand(sample: str, change: Change, fields: list[str]) -> None:
    """Each field of an expectation counts, and what must not be there as well; an unchanged record stays right."""
    outcome = judged(changed(sample, change))
    request_id = next(stream.request_id for stream in SENT if stream.sample == sample)

    by_hand = [difference for difference in outcome.differences if difference.against == HAND]

    assert by_hand == ([Difference(request_id, HAND, fields)] if fields else [])
    assert outcome.passed == (not fields)


def test_a_record_that_only_the_fold_can_tell_wrong_is_noticed() -> None:
    """Evidence that no expectation lists is compared by the bytes."""
    outcome = judged(changed("haiku", put("duplicate_count", 99)))

    assert [(each.against, each.fields) for each in outcome.differences] == [(FOLD, ["duplicate_count"])]


def test_other_bytes_of_an_equal_record_are_noticed() -> None:
    """Replay promises identical bytes, not merely an equal meaning (G3)."""
    spaced = [json.dumps(json.loads(RECORDS[0])).encode(), *RECORDS[1:]]

    assert [each.fields for each in judged(spaced).differences] == [["the order or the writing of fields"]]


def test_a_lost_record_is_noticed() -> None:
    """A request without a record is lost, whatever the others say."""
    outcome = judged(RECORDS[1:])

    assert outcome.lost == [json.loads(RECORDS[0])["request_id"]]
    assert (outcome.equal, outcome.passed) == (59, False)


def test_a_double_record_is_noticed() -> None:
    """Two records of one request would be billed twice, even if both are right."""
    outcome = judged([*RECORDS, RECORDS[0]])

    assert outcome.double == [json.loads(RECORDS[0])["request_id"]]
    assert (outcome.equal, outcome.passed) == (59, False)


def test_a_record_that_nobody_asked_for_is_noticed() -> None:
    """All sixty may be right and the topic still hold one too many."""
    stranger = json.dumps({**json.loads(RECORDS[0]), "request_id": "stranger"}).encode()

    outcome = judged([*RECORDS, stranger])

    assert outcome.strange == ["stranger"]
    assert not outcome.passed
    assert outcome.complaints() == ["stranger: never sent"]


def test_a_chunk_that_never_reached_the_topic_is_noticed() -> None:
    """The offline fold sees what the topic holds, so a record with more in it can't be right."""
    last = json.loads(CHUNKS[-1].value)["request_id"]
    without = [chunk for chunk in CHUNKS if json.loads(chunk.value)["request_id"] != last]

    outcome = judged(RECORDS, without)

    assert outcome.differences == [Difference(last, FOLD, ["the whole record"])]


def test_complaints_name_requests_and_fields_never_content() -> None:
    """What is printed may end in a log (G7)."""
    outcome = judged(changed("haiku", put("output_message.content", "a secret"))[:-1])

    assert any("differs from what was written by hand: content" in line for line in outcome.complaints())
    assert any(line.endswith(": lost") for line in outcome.complaints())
    assert "a secret" not in " ".join(outcome.complaints())
