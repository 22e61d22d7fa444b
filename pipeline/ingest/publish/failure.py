"""What ended a stream, as the BifrostError of WIRE §3.

Owns how an exception of an SDK, of the network or of asyncio is told. Imports the core's name for a cancellation.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Mapping
from typing import Any, Final

from pipeline.core.error import CANCELLED

Failure = BaseException | Mapping[str, Any]
"""An exception, or a BifrostError of WIRE §3."""

LONGEST: Final = 2_000
"""Characters of an exception's text that are kept: a provider's reason fits, a dumped answer does not."""

_HTTP_ERRORS: Final = range(400, 600)
_CANCELS: Final = (asyncio.CancelledError, concurrent.futures.CancelledError, GeneratorExit, KeyboardInterrupt)


def cancelled(message: str) -> dict[str, Any]:
    """A cancellation by the caller."""
    return {
        "type": CANCELLED,
        "is_bifrost_error": False,
        "error": {"type": CANCELLED, "message": message},
    }


def bifrost_error(failure: Failure) -> dict[str, Any]:
    """The error to publish; what the SDKs hang on their exceptions (status_code, type, code, param) is kept."""
    if isinstance(failure, Mapping):
        return dict(failure)
    if isinstance(failure, _CANCELS):
        return cancelled("the caller ended the stream")
    error: dict[str, Any] = {"type": _word(failure, "type") or type(failure).__name__}
    for name in ("code", "param"):
        if (word := _word(failure, name)) is not None:
            error[name] = word
    error["message"] = _text(failure)
    status = getattr(failure, "status_code", None)
    known = {"status_code": status} if type(status) is int and status in _HTTP_ERRORS else {}
    return {"is_bifrost_error": False, **known, "error": error}


def _word(failure: BaseException, name: str) -> str | None:
    """A short text or number that hangs on an exception."""
    value = getattr(failure, name, None)
    if type(value) is int:
        return str(value)
    return value[:LONGEST] if isinstance(value, str) and value else None


def _text(failure: BaseException) -> str:
    """An exception's own words; some raise when asked for them."""
    try:
        return str(failure)[:LONGEST] or type(failure).__name__
    except Exception:  # noqa: BLE001  whatever it is, the request's end must get out
        return type(failure).__name__
