"""Commands that have started something end in order."""

import os
import signal
import threading

import pytest

from pipeline.ops.ending import orderly_end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_unwinds_the_stack(number: signal.Signals) -> None:
    """`finally` blocks run, so nothing stays behind; afterwards signals mean what they meant before."""
    with pytest.raises(SystemExit) as ended, orderly_end():
        os.kill(os.getpid(), number)

    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is signal.SIG_DFL


def test_an_ignored_signal_stays_ignored() -> None:
    """`nohup streamledger demo` survives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with orderly_end():
            os.kill(os.getpid(), signal.SIGHUP)

        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_leaves_signals_alone() -> None:
    """Only the main thread may set handlers; an embedding program can run the demo in any."""
    seen: list[object] = []

    def run() -> None:
        with orderly_end():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert seen == [signal.SIG_DFL]
