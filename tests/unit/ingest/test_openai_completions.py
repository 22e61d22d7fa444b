"""openai-completions: text completions pass as they are."""

from tests.unit.ingest.streams import translate


def test_text_passes_and_the_finish_ends_the_stream() -> None:
    """Content stays in choices[].text, also when it looks like blocks (S-TEXT-1)."""
    payloads = [
        {"object": "text_completion", "model": "m", "choices": [{"index": 0, "text": "a", "finish_reason": None}]},
        {"object": "text_completion", "model": "m", "choices": [{"index": 0, "text": "", "finish_reason": "length"}]},
    ]

    chunks = translate("openai-completions", *payloads)

    assert [chunk["response"] for chunk in chunks] == payloads
    assert [chunk["is_final"] for chunk in chunks] == [False, True]
    assert {chunk["stream_type"] for chunk in chunks} == {"text.completion"}
