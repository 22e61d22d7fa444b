"""A chunk's fields as the JSON bytes of the contract.

Owns what of a payload can be said in JSON and how: msgspec, with the contract's two exceptions (integers over 2^53-1 go
as text, lone surrogates as escapes). Imports msgspec, the errors, this room's leaves and the contract's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pipeline.errors import UsageError
from pipeline.ingest.leaf import contain
from schemas.leaves import check_json

_SHORT: Final = 1 << 16
"""Bytes up to which a text is searched for long numbers; in longer ones the values are looked at, since most of what
is long is one text."""

_DIGITS: Final = bytes(ord("0") if byte in b"0123456789" else byte for byte in range(256))
_LONG_NUMBER: Final = b"0" * 16
"""What an integer over 2^53-1 has at least when every digit is a 0; found a third as fast as by a regular expression.
It also finds smaller numbers, and texts, which are then written anew as they were."""


def _plain(value: Any) -> Any:
    """What msgspec does not know: mappings that are no dict."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


_encode: Final = msgspec.json.Encoder(enc_hook=_plain).encode


def encode(value: Any, name: str) -> bytes:
    """A value of a payload as JSON; not a number becomes null, bytes become base64.

    Args:
        value: What the caller gave; it is not changed, and may be afterwards.
        name: The field, for the error.

    Raises:
        UsageError: there is no JSON for it; nothing of the value is in the text.
    """
    try:
        text = _encode(value)
        if _odd(value, text):
            text = _encode(contain(msgspec.json.decode(text)))
    except (UnicodeEncodeError, msgspec.MsgspecError):  # a lone surrogate, as half of a split pair, or a huge integer
        text = _slow(value, name)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise _no_json(name, error) from None
    return text


def _odd(value: Any, text: bytes) -> bool:
    """Whether a number may be one that the contract refuses."""
    if len(text) <= _SHORT:
        return _LONG_NUMBER in text.translate(_DIGITS)
    try:
        check_json(value)
    except ValueError:
        return True
    return False


def _slow(value: Any, name: str) -> bytes:
    """By the standard library, which knows escapes for everything a str can hold."""
    try:
        plain = msgspec.to_builtins(value, str_keys=True, enc_hook=_plain)
        plain = json.loads(json.dumps(plain), parse_constant=lambda _: None)
        return json.dumps(contain({"": plain})[""], separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise _no_json(name, error) from None


def _no_json(name: str, error: Exception) -> UsageError:
    return UsageError(
        f"{name} can't be written as JSON: {type(error).__name__}", hint="give dicts, lists, texts, numbers"
    )
