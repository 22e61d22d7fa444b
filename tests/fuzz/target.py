"""Bytes to throw at readers: taken from a small corpus of our own, made of tokens, or at random; for a bounded time.

`FUZZ_SECONDS` is how long each target goes on; without it each has a fixed number of examples, some seconds in all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

CORPUS: Final = Path(__file__).parent / "corpus"
EXAMPLES: Final = 60
"""Of one round; a few tenths of a second for most targets."""
SECONDS: Final = float(os.environ.get("FUZZ_SECONDS", "0"))

TOKENS: Final = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u", b"\\ud800", b"null", b"true", b"-0", b"1e999", b"9" * 40,
    b"\n", b"\r\n", b"\n\n", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc0\x80", b"data: ", b"event: ", b"id:",
    b"[DONE]",
    b'"index":', b'"choices":[', b'"delta":{', b'"type":', b'"response":', b'"usage":{', b'"error":{', b"[" * 3_000,
    b'{"a":' * 600, b"=", b"[x]", b'"""', b"#", b"'", b";", b"%s", b"NaN", b"Infinity", b"0x1", b"2026-13-45T99:99:99Z",
)  # fmt: skip
"""Pieces that grammars of JSON, SSE, CSV and TOML are made of, and what they trip over."""


def seeds(folder: str) -> list[bytes]:
    """The files of a corpus."""
    return [path.read_bytes() for path in sorted((CORPUS / folder).iterdir())]


@st.composite
def _edited(draw: st.DrawFn, sources: list[bytes]) -> bytes:
    """A file of the corpus with pieces replaced, doubled, moved or cut."""
    value = bytearray(draw(st.sampled_from(sources)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(value)))
        length = draw(st.sampled_from([0, 1, 2, 8, 64, len(value)]))
        piece = draw(st.sampled_from(TOKENS) | st.binary(max_size=4) | st.just(bytes(value[at : at + length]) * 2))
        value[at : at + length] = piece
    return bytes(value)


def inputs(folder: str) -> st.SearchStrategy[bytes]:
    """What a target is given."""
    made = st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join)
    return st.one_of(_edited(seeds(folder)), made, st.binary(max_size=200))


def fuzz(folder: str, target: Callable[[bytes], None]) -> None:
    """Give a target the corpus as it is, then one round of inputs, then more for FUZZ_SECONDS."""
    for seed in seeds(folder):
        target(seed)
    wait = [HealthCheck.too_slow, HealthCheck.data_too_large]
    how = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=wait,
                   phases=[Phase.generate, Phase.shrink])  # fmt: skip
    once = how(given(inputs(folder))(target))
    deadline = time.monotonic() + SECONDS
    once()
    while time.monotonic() < deadline:
        once()
