"""The server of provider streams, once for all tests of taps."""

from collections.abc import Iterator

import pytest

from tests.streams_server import Server, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that answers as providers do."""
    with serving() as started:
        yield started
