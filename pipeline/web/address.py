"""Where the page is served: a socket at the address of a setting, and the host that a browser asked for.

Imports settings and errors.
"""

from __future__ import annotations

import errno
import socket
from typing import Final

from pipeline.errors import UsageError
from pipeline.settings import listened

BACKLOG: Final = 128


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
    host, port = listened(address)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"{address} is in use", hint="choose another address with --web-address") from None
        text = error.strerror or type(error).__name__
        raise UsageError(f"can't listen on {address}: {text}", hint="name an address of this machine") from None
