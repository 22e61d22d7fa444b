"""Addresses as settings have them, `host:port`: their parts, their URL, and whether they lead off this machine.

Imports the standard library only. That a port exists is the settings' own check.
"""

from __future__ import annotations

import ipaddress
from typing import Final

LOOPBACK: Final = "127.0.0.1"


def parted(address: str) -> tuple[str, int]:
    """Host, without brackets, and port."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def listened(address: str) -> tuple[str, int]:
    """Host and port to listen on; without a host, or as localhost, it is this machine's own address."""
    host, port = parted(address)
    return LOOPBACK if host in ("", "localhost") else host, port


def url(host: str, port: int, *, tls: bool) -> str:
    """Where a person or program of this machine finds what listens there."""
    name = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104 (compared)
    return f"{'https' if tls else 'http'}://{name}:{port}"


def loopback(host: str) -> bool:
    """Whether only programs on this machine reach a host; a name other than localhost may lead anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
