"""Addresses, read and written as people write them."""

from __future__ import annotations

import pytest

from pipeline.settings import listened, loopback, parted, url


@pytest.mark.parametrize(
    ("address", "host", "own", "inside", "home"),
    [
        ("127.0.0.2:80", "127.0.0.2", "127.0.0.2", True, "http://127.0.0.2:80"),
        ("localhost:80", "localhost", "127.0.0.1", True, "http://127.0.0.1:80"),
        (":80", "", "127.0.0.1", True, "http://127.0.0.1:80"),
        ("[::1]:80", "::1", "::1", True, "http://[::1]:80"),
        ("0.0.0.0:80", "0.0.0.0", "0.0.0.0", False, "http://localhost:80"),  # noqa: S104
        ("[::]:80", "::", "::", False, "http://localhost:80"),
        ("10.0.0.5:80", "10.0.0.5", "10.0.0.5", False, "http://10.0.0.5:80"),
        ("localhost.example:80", "localhost.example", "localhost.example", False, "http://localhost.example:80"),
    ],
)
def test_an_address_is_read_in_one_way(address: str, host: str, own: str, inside: bool, home: str) -> None:
    """No host and localhost are this machine's own address; a name may lead anywhere; brackets are IPv6's."""
    assert parted(address) == (host, 80)
    assert listened(address) == (own, 80)
    assert loopback(own) is inside
    assert url(*listened(address), tls=False) == home


def test_no_host_is_no_loopback_and_tls_is_said() -> None:
    """What nobody named may be every interface."""
    assert not loopback("")
    assert url("::1", 9464, tls=True) == "https://[::1]:9464"
