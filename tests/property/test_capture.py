"""G3 and G7 without content: delivery leaves no trace, and what is no content is as if all were captured."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.canonical import canonical
from pipeline.core.policy import Policy
from pipeline.testing.chunk import Document
from tests.ledger import valid
from tests.property.deliveries import chunk_sets, deliveries
from tests.property.worker import Worker, delivered, straight

CONTENT = (
    *("output_message", "output_messages", "tool_calls", "audio_output", "transcription_output"),
    *("image_generation_output", "choices", "logprobs", "raw_response", "raw_request", "content_omitted"),
    *("config_digest", "digest"),
)
POLICIES = {
    "metadata": Policy(capture="metadata"),
    "hash": Policy(capture="hash"),
    "estimates": Policy(estimate_usage="characters"),
    "estimates without content": Policy(estimate_usage="characters", capture="metadata"),
    "estimates by digest": Policy(estimate_usage="characters", capture="hash"),
}


def canonicals(worker: Worker) -> list[bytes]:
    """Canonical bytes of the records, all held to the contract."""
    return [canonical(valid(record.value)) for record in worker.sent]


@pytest.mark.parametrize("name", POLICIES)
@given(st.data(), chunk_sets())
def test_delivery_leaves_no_trace_without_capture(name: str, data: st.DataObject, chunks: list[Document]) -> None:
    """Any order, repeats, batches, checkpoints, restarts and crashes: the same canonical bytes (G3)."""
    delivery = data.draw(deliveries([chunks]))

    reference, worker = straight(chunks, POLICIES[name]), delivered(delivery, POLICIES[name])

    assert reference.dead == worker.dead == []
    assert canonicals(worker) == canonicals(reference)


@pytest.mark.parametrize("name", ["metadata", "hash"])
@given(chunk_sets())
def test_what_is_no_content_does_not_depend_on_capture(name: str, chunks: list[Document]) -> None:
    """Tokens, cost, status, indexes, and every time are those of the whole record (G7)."""
    (whole,), (without,) = (
        [json.loads(value) for value in canonicals(straight(chunks, policy))] for policy in (Policy(), POLICIES[name])
    )

    assert {field: value for field, value in without.items() if field not in CONTENT} == {
        field: value for field, value in whole.items() if field not in CONTENT
    }
    assert without["content_omitted"] == "capture"


@given(chunk_sets(), st.integers(0, 8))
def test_a_limit_cuts_content_and_nothing_else(chunks: list[Document], most: int) -> None:
    """CONTRACT §4 rule 5: usage, cost, finish, timing and indexes go on, and the request closes as it would have."""
    (whole,), (cut,) = ([valid(r.value) for r in straight(chunks, p).sent] for p in (Policy(), Policy(max_chunks=most)))

    kept = whole.keys() - {*CONTENT, "truncated"}
    assert {field: cut[field] for field in kept} == {field: whole[field] for field in kept}


@given(st.data(), chunk_sets(), st.integers(0, 8))
def test_past_a_limit_delivery_decides_of_content_only(data: st.DataObject, chunks: list[Document], most: int) -> None:
    """What came first is what is stored; of all else delivery leaves no trace, as ever."""
    delivery, policy = data.draw(deliveries([chunks])), Policy(max_chunks=most)

    reference, worker = (
        json.loads(*canonicals(each)) for each in (straight(chunks, policy), delivered(delivery, policy))
    )

    kept = reference.keys() - {*CONTENT, "truncated"}
    assert {field: worker[field] for field in kept} == {field: reference[field] for field in kept}
