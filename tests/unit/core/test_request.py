"""A raw request is an object or the JSON text of one."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.core.request import opened


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        pytest.param({"n": 2}, {"n": 2}, id="object"),
        pytest.param('{"n": 2}', {"n": 2}, id="text"),
        pytest.param("{", None, id="no JSON"),
        pytest.param("\ud83d", None, id="half a character"),
        pytest.param("[" * 100_000, None, id="too deep"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_what_is_text_is_read_and_all_else_stays(request_: Any, found: Any) -> None:
    """Text that nobody can read is no request."""
    assert opened(request_) == found
