"""openai-responses: events pass; ends and errors are known."""

import pytest

from pipeline.ingest.leaf import Payload
from pipeline.ingest.openai_responses import ResponsesStream
from tests.unit.ingest.streams import feed, only, response, translate


def test_events_pass_as_they_are_and_the_terminal_one_ends_the_stream() -> None:
    """Each event is a chunk; the model is known from the first on."""
    payloads: list[Payload] = [
        {"type": "response.created", "response": {"id": "resp_1", "model": "m1", "status": "in_progress"}},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hi"},
        {"type": "response.completed", "response": {"id": "resp_1", "model": "m1", "status": "completed"}},
    ]

    chunks = translate("openai-responses", *payloads)

    assert [chunk["response"] for chunk in chunks] == payloads
    assert [chunk["model"] for chunk in chunks] == ["m1"] * 3
    assert [chunk["is_final"] for chunk in chunks] == [False, False, True]


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "response.completed", "response": {}},
        {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}},
        {"type": "response.failed", "response": {"error": {"message": "m"}}},
        {"type": "response.cancelled"},
        {"type": "response.done", "response": {"status": "completed"}},
        {"type": "error", "message": "m"},
    ],
)
def test_a_terminal_event_or_state_ends_the_stream(payload: dict[str, object]) -> None:
    """Known by the event's type, or by the state the response is said to be in; nothing later takes it back."""
    stream = ResponsesStream()
    feed(stream, {"type": "response.created", "response": {"status": "queued"}})
    assert not stream.ended

    feed(stream, payload, {"type": "keepalive"})

    assert stream.ended


@pytest.mark.parametrize("kind", ["error", "response.failed"])
def test_failures_are_marked(kind: str) -> None:
    """An error takes no place among the data's indexes."""
    assert only(feed(ResponsesStream(), {"type": kind})).failed
    assert not only(feed(ResponsesStream(), {"type": "response.incomplete"})).failed


def test_the_name_of_an_event_stands_in_for_its_type() -> None:
    """Some servers write the type only before the data; what the payload says wins."""
    assert response(feed(ResponsesStream(), {"delta": "a"}, name="response.output_text.delta")) == {
        "type": "response.output_text.delta",
        "delta": "a",
    }
    assert response(feed(ResponsesStream(), {"type": "response.created"}, name="message"))["type"] == "response.created"


def test_the_words_of_an_error_are_lifted_into_its_event() -> None:
    """WIRE §10 has code, message and param at the top; what stands there already wins."""
    nested = {"type": "error", "error": {"code": 429, "message": "slow down", "param": None}}
    assert response(feed(ResponsesStream(), nested)) == nested | {"code": "429", "message": "slow down"}

    flat = {"type": "error", "code": "c", "message": "m", "param": "p", "sequence_number": 3}
    assert response(feed(ResponsesStream(), dict(flat))) == flat


def test_an_error_without_the_form_of_an_event_becomes_one() -> None:
    """Gateways in between write their own JSON into the stream."""
    assert response(feed(ResponsesStream(), {"error": {"message": "m"}})) == {
        "type": "error",
        "message": "m",
        "error": {"message": "m"},
    }


def test_a_payload_without_type_passes_untouched() -> None:
    """What nobody can name is ignored by the fold (S-RESP-11), not invented here."""
    assert response(feed(ResponsesStream(), {"delta": "a", "type": None})) == {"delta": "a", "type": None}
