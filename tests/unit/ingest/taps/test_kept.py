"""The way to the wrapper of LiteLLM that has read from a provider."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from pipeline.ingest.taps.kept import unfinished, wrapper_of


class Wrapper:
    """As LiteLLM's, at the end of a stream."""

    def __init__(self, received: str | None = None, *, sent: bool = True) -> None:
        """With the reason that the provider has given."""
        self.chunks: list[Any] = []
        self.received_finish_reason, self.sent_last_chunk = received, sent


class Routed:
    """As the router's."""

    received_finish_reason = None
    chunks: tuple[()] = ()

    def __init__(self, generator: Iterator[Any]) -> None:
        """Handing on what a generator yields."""
        self._sync_generator = generator


def handing_on(model_response: Any, fallback: Any = None) -> Generator[Any, None, None]:
    """As the router's generator: the fallback is there once the first has failed."""
    fallback_response = None
    yield model_response
    fallback_response = fallback
    yield fallback_response


def test_a_fallback_is_the_wrapper_once_it_is_read_from() -> None:
    """Through routers in routers; a generator that is over, or somebody else's, leads nowhere."""
    first, second = Wrapper(), Wrapper()
    generator = handing_on(first, Routed(handing_on(second)))
    stream = Routed(generator)

    assert wrapper_of(stream) is first
    next(generator)
    assert wrapper_of(stream) is first
    next(generator)
    assert wrapper_of(stream) is second

    generator.close()
    assert wrapper_of(stream) is None
    assert wrapper_of(iter(())) is None
    assert wrapper_of(object()) is None
    assert wrapper_of(first) is first


def test_only_what_the_wrapper_has_made_up_is_taken_away() -> None:
    """A reason that the provider gave stays, and so does one of which the wrapper knows nothing."""

    def reason(wrapper: Any) -> Any:
        return unfinished(wrapper, {"choices": [{"finish_reason": "stop"}]})["choices"][0]["finish_reason"]

    assert reason(Wrapper()) is None
    assert reason(Wrapper("stop")) == "stop"
    assert reason(Wrapper(sent=False)) == "stop"
    assert reason(None) == "stop"
