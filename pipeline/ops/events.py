"""What a worker that runs as a process of ours says: its log events, of which each is one line of JSON.

Imports the standard library only.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any


def events(output: str, name: str) -> list[dict[str, Any]]:
    """Its events of one name, in order; lines that are no JSON object, or not whole yet, are passed over."""
    found = []
    for line in output.splitlines():
        if line.startswith("{") and f'"{name}"' in line:
            with suppress(ValueError):
                event = json.loads(line)
                if event.get("event") == name:
                    found.append(event)
    return found
