"""Shapes of settings that are texts: topics, ledgers, addresses, paths, each with what is said of one that has it not.

Imports pydantic.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


def shaped(pattern: str, otherwise: str) -> AfterValidator:
    """A check of a text's shape that says in words what it wants."""
    shape = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        if shape.fullmatch(text) is None:
            raise ValueError(otherwise)
        return text

    return AfterValidator(check)


Topic = Annotated[str, shaped(r"(?!\.\.?$)[A-Za-z0-9._-]{1,249}", "must be a topic name: letters, digits, . _ -")]
Ledger = Annotated[str, shaped(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "must be up to 100 letters, digits, . _ -")]
_PORT = r":(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
Servers = Annotated[
    str, shaped(rf"[^\s,]+{_PORT}(,[^\s,]+{_PORT})*", "must be host:port, or several with commas; ports end at 65535")
]
Address = Annotated[str, shaped(rf"[^\s,]*{_PORT}", "must be host:port; ports end at 65535")]
UserPath = Annotated[Path, AfterValidator(Path.expanduser)]
Endpoint = Annotated[
    str,
    shaped(
        r"(https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/])[^\s@]+",
        "must be an https URL without a user in it (http only to this machine)",
    ),
]
