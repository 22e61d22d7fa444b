"""Free TCP ports on the loopback interface. Imports the standard library only."""

import contextlib
import random
import socket
from typing import Final

from pipeline.errors import BrokerUnavailable

HOST: Final = "127.0.0.1"

RANGE: Final = range(15_000, 32_000)
"""Below the ephemeral ports of Linux (32768 and up) and macOS (49152 and up): an outgoing connection of some other
program can't take a port between our look and the broker's bind, nor while a killed broker is down."""


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on right now.

    They are not reserved: a broker that loses the race says PortTaken and its cluster tries others.

    Raises:
        BrokerUnavailable: There is none.
    """
    # Not the seeded generator: test runs that share a seed would all ask for the same ports.
    candidates = random.SystemRandom().sample(RANGE, len(RANGE))
    found: list[int] = []
    with contextlib.ExitStack() as held:
        for port in candidates:
            if len(found) == count:
                return found
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                found.append(port)
    raise BrokerUnavailable(f"no free port between {RANGE.start} and {RANGE.stop}", hint="end other programs")
