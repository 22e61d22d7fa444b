"""Where the page is served: host and port out of a setting, a socket there, and what to type into a browser.

Imports errors.
"""

from __future__ import annotations

import errno
import socket
from typing import Final

from pipeline.errors import UsageError

BACKLOG: Final = 128


def parted(address: str) -> tuple[str, int]:
    """Host and port of `host:port`; no host is every interface.

    Raises:
        UsageError: it is no such thing.
    """
    host, _, port = address.rpartition(":")
    if not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"web_address {address} has no port", hint="write host:port, for example 127.0.0.1:8420")
    return host.strip("[]"), int(port)


def host_of(header: str) -> str:
    """The host of a Host header, in small letters and without port and brackets."""
    name = header.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


def bound(address: str) -> socket.socket:
    """A socket that listens there.

    Raises:
        UsageError: it can't.
    """
    host, port = parted(address)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"{address} is in use", hint="choose another address with --web-address") from None
        text = error.strerror or type(error).__name__
        raise UsageError(f"can't listen on {address}: {text}", hint="name an address of this machine") from None


def url(listening: socket.socket, *, tls: bool) -> str:
    """What to type into a browser."""
    host, port = listening.getsockname()[:2]
    name = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104 (compared)
    return f"{'https' if tls else 'http'}://{name}:{port}/"
