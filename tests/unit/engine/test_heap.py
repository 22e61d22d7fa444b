"""Memory that nothing uses goes back to the system, as long as the worker runs."""

import ctypes
import threading
from pathlib import Path

import pytest

from pipeline.engine.heap import HeapKeeper, trimming

DEADLINE = 10.0


def resident() -> int:
    """Bytes of memory that this process occupies."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


def test_it_trims_until_it_is_stopped() -> None:
    """Again and again, in a thread of its own."""
    turns = threading.Semaphore(0)
    keeper = HeapKeeper(0.001, turns.release)
    keeper.start()
    try:
        assert all(turns.acquire(timeout=DEADLINE) for _ in range(3))
    finally:
        keeper.stop()


@pytest.mark.skipif(trimming() is None, reason="this C library has no malloc_trim")
def test_what_was_freed_below_the_top_is_given_back() -> None:
    """50 MiB of small blocks under one that stays: freeing them alone gives nothing back."""
    trim = trimming()
    library = ctypes.CDLL(None)
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    blocks = [library.malloc(1_000) for _ in range(50_000)]
    for block in blocks:
        ctypes.memset(block, 1, 1_000)
    top = library.malloc(1_000)
    for block in blocks:
        library.free(block)
    before = resident()

    assert trim is not None
    trim()

    assert before - resident() > 30 << 20
    library.free(top)


def test_without_the_function_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on musl and macOS."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())

    assert trimming() is None
    HeapKeeper(0.001).start()
    assert all(thread.name != "heap-keeper" for thread in threading.enumerate())
