"""Streams with choices: end, model, errors, Groq's corner; the same for chat and text completions."""

import pytest

from pipeline.ingest.choices import ChoiceStream
from pipeline.ingest.openai_chat import ChatStream
from pipeline.ingest.openai_completions import CompletionStream
from tests.unit.ingest.streams import chat, feed, only, response

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


@pytest.fixture(params=[ChatStream, CompletionStream])
def stream(request: pytest.FixtureRequest) -> ChoiceStream:
    """A new stream of either kind."""
    opened = request.param()
    assert isinstance(opened, ChoiceStream)
    return opened


def test_payloads_pass_as_they_are(stream: ChoiceStream) -> None:
    """Unknown fields, nulls and empty choices are kept: the contract is lenient with payloads."""
    payloads = [
        chat({"content": "a", "reasoning_content": "b"}, citations=["u"], text="beside", obfuscation="x"),
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0}], "model": ""},
        {"choices": None, "usage": USAGE},
    ]
    copies = [dict(payload) for payload in payloads]

    assert [part.response for part in feed(stream, *payloads)] == copies


def test_the_model_is_the_last_one_named(stream: ChoiceStream) -> None:
    """Azure begins without a name, and later payloads may leave it out."""
    models: list[str | None] = []
    for model in ("", "m1", None, "m2"):
        feed(stream, {"model": model, "choices": []})
        models.append(stream.model)

    assert models == [None, "m1", "m1", "m2"]


def test_the_stream_is_at_its_end_when_each_choice_is_finished(stream: ChoiceStream) -> None:
    """With n choices one finish_reason is not the end, and a chunk behind it takes none back."""
    ended = []
    for payload in (
        chat({"content": "a"}),
        chat({"content": "b"}, index=1),
        chat({}, "stop"),
        chat({}, "length", index=1),
        chat({"content": ""}),
        {"choices": [], "usage": USAGE},
    ):
        feed(stream, payload)
        ended.append(stream.ended)

    assert ended == [False, False, False, True, True, True]


def test_a_stream_that_showed_no_choice_is_not_at_its_end(stream: ChoiceStream) -> None:
    """Usage alone says nothing about the end."""
    feed(stream, {"choices": [], "usage": USAGE})

    assert not stream.ended


def test_an_error_stays_in_its_payload_and_ends_the_stream(stream: ChoiceStream) -> None:
    """S-ERR-5: beside content it wins, and no finish_reason is made of it."""
    part = only(feed(stream, chat({"content": "a"}, error={"code": 502, "message": "m"})))

    assert part.failed
    assert part.error is None
    assert part.response == chat({"content": "a"}, error={"code": 502, "message": "m"})
    assert stream.ended

    feed(stream, chat({"content": "more"}))
    assert stream.ended


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("error", {"message": "m"}),
        (None, {"object": "error", "message": "m"}),
        (None, {"error": "m"}),
    ],
)
def test_every_form_of_an_error_gets_one_place(
    stream: ChoiceStream, name: str | None, payload: dict[str, object]
) -> None:
    """The fold finds all of them as an object under `error`."""
    assert response(feed(stream, payload, name=name))["error"] == {"message": "m"}


def test_groq_writes_usage_and_error_in_a_corner_of_its_own(stream: ChoiceStream) -> None:
    """x_groq is lifted into place, without touching what is there already."""
    lifted = response(feed(stream, {"choices": [], "x_groq": {"usage": USAGE}}))
    assert lifted["usage"] == USAGE

    kept = response(feed(stream, {"choices": [], "usage": {"total_tokens": 9}, "x_groq": {"usage": USAGE}}))
    assert kept["usage"] == {"total_tokens": 9}

    broken = only(feed(stream, {"choices": [], "x_groq": {"id": "r", "error": "over capacity"}}))
    assert broken.failed
    assert response([broken])["error"] == {"message": "over capacity"}

    spoken = response(feed(stream, {"error": {"message": "m"}, "x_groq": {"error": "over capacity"}}))
    assert spoken["error"] == {"message": "m"}
