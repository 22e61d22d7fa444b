"""The scenarios' parts that need no Kafka: figures and their targets, streams of chunks, seeded noise."""

import json
from base64 import b64decode
from itertools import islice

import pytest

from pipeline.ops.bench.load import Load
from pipeline.ops.bench.scenarios.feed import endless, waves
from pipeline.ops.bench.scenarios.figure import Figure, Outcome, percentile
from pipeline.ops.bench.scenarios.survey import as_object, as_text, passed
from pipeline.ops.bench.scenarios.volume import FRAGMENT, noise
from schemas.decode import decode


@pytest.mark.parametrize(("value", "target", "reached"), [(1.0, 1.0, True), (1.1, 1.0, False), (9.0, None, True)])
def test_a_figure_is_reached_at_its_target(value: float, target: float | None, reached: bool) -> None:
    """At most the target, and without one always."""
    assert Figure("x", value, "s", target).reached is reached


def test_the_percentile_is_one_that_was_measured() -> None:
    """The median of odd many is the middle one, the last percentiles are the largest."""
    assert percentile([5.0, 1.0, 3.0], 0.5) == 3.0
    assert percentile([1.0, 2.0], 0.99) == 2.0


def test_a_missed_target_counts_only_where_it_is_judged() -> None:
    """Small loads show their misses; a scenario without an end fails either way."""
    missed = Outcome("memory")
    missed.add("a request", 2_000, "bytes", 1_024)
    broken = Outcome("restore", failed="it stands still")

    assert passed([missed], judged=False)
    assert not passed([missed], judged=True)
    assert not passed([broken], judged=False)
    assert "target ≤ 1,024  missed" in as_text([missed], judged=True)
    assert "failed: it stands still" in as_text([broken], judged=True)
    (only,) = json.loads(json.dumps(as_object([missed], judged=True)))["scenarios"]
    assert only["figures"] == [
        {"name": "a request", "value": 2_000, "unit": "bytes", "target": 1_024, "reached": False}
    ]


def test_an_endless_stream_has_whole_requests_whose_ends_are_spread() -> None:
    """Each request's chunks are 0 to its last, and every round ends about the same number of them."""
    pieces = list(islice(endless(10, 5), 10 * 20))
    chunks = [decode(piece.value) for piece in pieces]
    ended = {piece.key for piece in pieces if piece.last}

    for key in ended:
        own = [chunk for chunk in chunks if chunk.request_id == key.decode()]
        assert [chunk.chunk_index for chunk in own] == list(range(len(own)))
        assert [chunk.is_final for chunk in own] == [False] * (len(own) - 1) + [True]
    assert {sum(piece.last for piece in pieces[start : start + 10]) for start in range(0, 200, 10)} == {2}


def test_waves_are_a_load_in_turns() -> None:
    """All chunks of all requests, never more of them open than said."""
    pieces = list(waves(Load("", 5, 3, 2)))

    assert len(pieces) == 15
    assert sum(piece.last for piece in pieces) == 5
    assert len({piece.key for piece in pieces[:6]}) == 2


def test_noise_is_speech_that_can_be_made_again() -> None:
    """Chunks hold 16 KiB of audio each, and a seed gives the same ones."""
    pieces = list(noise(2, 2, 3))
    chunk = json.loads(pieces[0].value)

    assert decode(pieces[0].value).stream_type == "audio.speech"
    assert len(b64decode(chunk["response"]["audio"])) == FRAGMENT
    assert [piece.last for piece in pieces] == [False] * 4 + [True] * 2
    assert pieces == list(noise(2, 2, 3))
    assert pieces != list(noise(2, 2, 3, seed=5))
