"""The demo's cast: sixty requests of all types, each with a hand-written expectation, in an order that repeats."""

import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from pipeline.ingest import Fault
from pipeline.ops.demo import streams as module
from pipeline.ops.demo.streams import REPEATED, SAMPLES, Sample, deliveries, recording, samples, streams
from schemas.chunk import StreamType
from schemas.decode import decode

CAST = streams()


def test_there_are_sixty_requests_of_all_six_types() -> None:
    """What the demo says of itself in its first line."""
    ids = {stream.request_id for stream in CAST}
    kinds = {stream.expected["stream_type"] for stream in CAST}

    assert len(CAST) == len(ids) == 60
    assert kinds == set(StreamType)


def test_exactly_one_stream_is_cut_off_one_breaks_with_an_error_and_one_never_finishes() -> None:
    """Three accidents, no more: each has an expectation of its own."""
    accidents = Counter(stream.accident for stream in CAST if stream.accident is not None)

    assert accidents == {"cut off": 1, "broken off by an error": 1, "never finished": 1}


def test_every_sample_is_a_recording_with_an_expectation() -> None:
    """No recording lies there unused, and none is used unchecked."""
    recordings = {path.stem for path in SAMPLES.iterdir() if path.suffix in {".sse", ".jsonl"}}

    assert set(samples()) == recordings
    assert all(sample.expect for sample in samples().values())


@pytest.mark.parametrize("name", sorted(samples()))
def test_recordings_hold_the_chunks_that_were_counted_by_hand(name: str) -> None:
    """The count beside a recording is not the translator's, so that an event it drops is noticed."""
    sample = samples()[name]
    arriving = next(stream.chunks for stream in CAST if stream.sample == name)

    assert len(arriving) == sample.recorded - len(sample.lost)


def test_every_chunk_keeps_the_contract() -> None:
    """None of them would become a dead letter."""
    decoded = [(stream.request_id, decode(chunk)) for stream in CAST for chunk in stream.chunks]

    assert all(chunk.request_id == request_id for request_id, chunk in decoded)
    assert sum(chunk.anomalies for _, chunk in decoded) == 0


def test_lost_chunks_never_arrive() -> None:
    """The gap that the demo reports is made here and nowhere else."""
    abandoned = next(stream for stream in CAST if stream.sample == "abandoned")
    indexes = [json.loads(chunk)["chunk_index"] for chunk in abandoned.chunks]

    assert indexes == [*range(7), *range(8, 18)]


def test_requests_of_one_sample_differ_in_who_pays_when_and_how_much() -> None:
    """The audit can't be satisfied by the same record five times."""
    haikus = [stream.expected for stream in CAST if stream.sample == "haiku"]

    assert len({str(expected["start_timestamp"]) for expected in haikus}) == len(haikus) == 5
    assert len({str(expected["labels"]) for expected in haikus}) > 1
    assert {expected["cost"] for expected in haikus} == {0.0000836, 0.000418}


def test_delivery_is_shuffled_and_a_tenth_comes_twice() -> None:
    """Every chunk is sent, none but repeats is added, and the order is not that of the streams."""
    chunks = [chunk for stream in CAST for chunk in stream.chunks]

    lines = deliveries(CAST)
    counted = Counter(lines)

    assert counted.keys() == set(chunks)
    assert Counter(counted.values())[2] == len(chunks) // REPEATED
    assert len(lines) == len(chunks) + len(chunks) // REPEATED
    assert lines[: len(chunks)] != chunks


def test_two_runs_deliver_alike_and_another_seed_otherwise() -> None:
    """What one run shows the next one shows again."""
    assert deliveries(CAST) == deliveries(CAST)
    assert deliveries(CAST, seed=7) != deliveries(CAST)


def test_a_slip_in_an_expectation_file_is_an_error() -> None:
    """A misspelt field would otherwise be an expectation that nobody checks."""
    with pytest.raises(msgspec.ValidationError, match="intervall"):
        msgspec.convert({"intervall": 5}, Sample)


def test_a_recording_may_end_in_an_event_but_not_be_broken_inside() -> None:
    """The cut-off sample ends in the middle of its last event; a broken event elsewhere is a slip in a sample."""
    module._expect_cut(Fault(line=1, reason="not JSON", cut=True))

    with pytest.raises(AssertionError, match="line 3"):
        module._expect_cut(Fault(line=3, reason="not JSON", cut=False))


def test_recordings_are_found_by_the_name_of_their_sample() -> None:
    """Both forms that `streamledger chunks` reads occur."""
    assert recording("haiku") == Path(SAMPLES, "haiku.sse")
    assert recording("voicemail") == Path(SAMPLES, "voicemail.jsonl")
