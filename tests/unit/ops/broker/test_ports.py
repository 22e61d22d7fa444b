"""Ports for brokers: free, different, and out of the way of other programs' connections."""

import socket

import pytest

from pipeline.errors import BrokerUnavailable
from pipeline.ops.broker import ports
from pipeline.ops.broker.ports import HOST, RANGE, free_ports


def test_ports_are_different_and_below_the_ephemeral_ones() -> None:
    """No outgoing connection can take one of them while a killed broker is down."""
    found = free_ports(9)

    assert len(set(found)) == 9
    assert all(port in RANGE for port in found)
    assert RANGE.stop <= 32_768


def test_port_in_use_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port somebody listens on is passed over, and with nothing else left that is said."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "RANGE", range(port, port + 1))

        with pytest.raises(BrokerUnavailable, match="no free port"):
            free_ports(1)
