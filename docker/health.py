# ruff: noqa: INP001 (a program, run by its path)
"""Is the process in this container well? Exit 0 or 1, as Docker asks for it.

    python health.py                 live, by the metrics address of the settings; without one, Kafka and the topics
    python health.py ready           the same, ready to work
    python health.py URL             any other address

Imports the standard library only: it runs every few seconds.
"""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Sequence

SECONDS = 5


def main(arguments: Sequence[str]) -> int:
    """Ask; what answers with an error, or not at all, is not well."""
    asked = arguments[0] if arguments else "live"
    if "://" not in asked:
        address = os.environ.get("STREAMLEDGER_METRICS_ADDRESS")
        if not address or os.environ.get(
            "STREAMLEDGER_METRICS_SSL_CERTFILE"
        ):  # nothing to ask, or not without a certificate
            os.execvp("streamledger", ["streamledger", "topics", "--check"])  # noqa: S606, S607 (the image's own command)
        asked = f"http://127.0.0.1:{address.rpartition(':')[2]}/health/{asked}"
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS):  # noqa: S310 (http, by whoever wrote the healthcheck)
            return 0
    except OSError as error:  # its text goes to `docker inspect`
        sys.stderr.write(f"{asked}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
