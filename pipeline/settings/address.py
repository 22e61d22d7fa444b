"""Whether an address leads off this machine. Imports the standard library only."""

from __future__ import annotations

import ipaddress


def loopback(host: str) -> bool:
    """Whether only programs on this machine reach a host; a name other than localhost may lead anywhere.

    >>> [loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", "localhost.example")]
    [True, True, True, False, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
