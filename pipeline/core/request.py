"""The raw request beside a stream: an object, or the JSON text of one.  Owns how it is opened, and no field of it."""

from __future__ import annotations

from typing import Any

import msgspec


def opened(request: Any) -> Any:
    """A raw request as its JSON says; text that is none is None."""
    if not isinstance(request, str):
        return request
    try:
        return msgspec.json.decode(request)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None
