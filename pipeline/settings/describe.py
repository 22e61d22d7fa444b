"""A setting in words: its meaning, the reason for its default, its unit, and its value as a person would write it.

Owns what help texts and `streamledger config` say about settings, and that secrets are never shown. Imports the
settings' model and units.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, get_args, get_origin

from pydantic import SecretStr

from pipeline.settings.model import Settings
from pipeline.settings.units import Unit

MASK: Final = "********"
_USER: Final = re.compile(r"(?<=://)[^/\s]*@")
"""The user, and maybe a password, in front of a URL's host."""


def secret(name: str) -> bool:
    """Whether a setting's value must never be shown."""
    return SecretStr in get_args(Settings.model_fields[name].annotation)


def unit(name: str) -> Unit | None:
    """The unit a setting is written in, if it has one."""
    return next((mark for mark in Settings.model_fields[name].metadata if isinstance(mark, Unit)), None)


def placeholder(name: str) -> str:
    """What stands for a setting's value in help texts: its choices, or the kind of value."""
    annotation = Settings.model_fields[name].annotation
    kinds = [kind.__origin__ if get_origin(kind) is Annotated else kind for kind in (annotation, *get_args(annotation))]
    for kind in kinds:
        if get_origin(kind) is Literal:
            return "|".join(get_args(kind))
    scale = unit(name)
    if scale is not None:
        return scale.noun.upper()
    return "true|false" if bool in kinds else "INTEGER" if int in kinds else "PATH" if Path in kinds else "TEXT"


def what(name: str) -> str:
    """What a setting means, in one line."""
    return Settings.model_fields[name].description or ""


def why(name: str) -> str:
    """Why a setting has the default it has."""
    extra = Settings.model_fields[name].json_schema_extra
    return str(extra["why"]) if isinstance(extra, dict) else ""


def default(name: str) -> str:
    """A setting's default as a person would write it; an empty text when there is none."""
    value = Settings.model_fields[name].get_default(call_default_factory=True)
    if isinstance(value, Path) and value.is_relative_to(Path.home()):
        return f"~/{value.relative_to(Path.home())}"
    return "" if value is None else str(value)


def bare(text: str) -> str:
    """A text without what stands in front of the host of a URL: a value that was refused may hold a password there."""
    return _USER.sub(f"{MASK}@", text)


def show(name: str, value: object) -> str:
    """A setting's value as a person would write it: a secret as asterisks, no value as an empty text."""
    if value is None:
        return ""
    if secret(name):
        return MASK
    scale = unit(name)
    return scale.show(value) if scale is not None and isinstance(value, int) else str(value)
