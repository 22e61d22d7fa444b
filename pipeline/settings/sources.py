"""Where settings come from: flags over environment over a TOML file over defaults, and which of them won (CONTRACT §6).

Owns reading the three sources, refusing unknown names, and saying in one line what is wrong with a value and where it
was written.
Imports pydantic-settings, `pipeline.settings.model` and `pipeline.errors`.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from pipeline.errors import UsageError
from pipeline.settings.describe import bare, secret, show
from pipeline.settings.model import ENV_PREFIX, NAMES, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

Kind = Literal["default", "file", "env", "flag"]

CONFIG_VARIABLE: Final = ENV_PREFIX + "CONFIG"
RESERVED: Final = tuple(
    ENV_PREFIX + name for name in ("CONFIG", "CACHE", "FAILPOINTS", "INSTANCE", "RECORDINGS", "CASES", "SCREENSHOTS")
)
"""Variables with our prefix that are no settings: the file of settings, where the embedded Kafka is kept, what
tests make a worker die of, the name of one worker, which `worker` alone takes, where tests find recorded streams
and conformance cases, and where they leave pictures of the live page."""

SECRET_FILES: Final = {name: f"{ENV_PREFIX}{name.upper()}_FILE" for name in NAMES if secret(name)}
"""For each secret the variable that names a file with it."""
SECRET_BYTES: Final = 64 << 10

# Kubernetes puts variables like STREAMLEDGER_SERVICE_HOST and STREAMLEDGER_PORT=tcp://… into every pod beside a service
# that is named streamledger. They are no typing errors.
_KUBERNETES: Final = re.compile(r"_SERVICE_(HOST|PORT)|_PORT_\d+_(TCP|UDP|SCTP)")
_KUBERNETES_PORT: Final = re.compile(r"(tcp|udp|sctp)://")

_BOUNDS: Final = {
    "greater_than_equal": ("ge", "must be at least"),
    "greater_than": ("gt", "must be more than"),
    "less_than_equal": ("le", "must be at most"),
}


@dataclass(frozen=True)
class Origin:
    """Which source a setting's value is from, and what a person would look for there."""

    kind: Kind
    place: str


@dataclass(frozen=True)
class Loaded:
    """Settings together with the origin of each value."""

    settings: Settings
    origins: Mapping[str, Origin]


def load(*, config: Path | None = None, flags: Mapping[str, str] | None = None) -> Loaded:
    """Read all sources and check them.

    Args:
        config: a TOML file; without one, the file that STREAMLEDGER_CONFIG names, if any.
        flags: values of the command line by setting name; they win.

    Raises:
        UsageError: an unknown name (with the nearest known one), an unreadable file, a wrong value, or values that
            together make no sense. No secret is in its text.

    """
    flags = flags or {}
    values: dict[str, object] = {}
    origins = {name: Origin("default", "") for name in NAMES}
    if config is None and os.environ.get(CONFIG_VARIABLE):
        config = Path(os.environ[CONFIG_VARIABLE]).expanduser()
    if config is not None:
        found = _from_file(config)
        values |= found
        origins |= dict.fromkeys(found, Origin("file", str(config)))
    found = _from_environment()
    values |= found
    origins |= {name: Origin("env", ENV_PREFIX + name.upper()) for name in found}
    found = _from_secret_files(found)
    values |= found
    origins |= {name: Origin("env", SECRET_FILES[name]) for name in found}
    for name in flags:
        if name not in NAMES:
            raise unknown(name, "on the command line")
    values |= flags
    origins |= {name: Origin("flag", "command line") for name in flags}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)
        text = "; ".join(_explain(detail, values, origins) for detail in wrong)
        # Without the cause: pydantic's error object carries the values, and one of them may be a password.
        raise UsageError(text, hint="correct the value, or leave the setting out to get its default") from None
    return Loaded(settings, origins)


def unknown(name: str, where: str) -> UsageError:
    """The error for a name that is no setting, with the nearest that is."""
    near = difflib.get_close_matches(name.lower(), NAMES, n=1)
    hint = f"did you mean {near[0]}?" if near else "`streamledger config` lists all settings"
    return UsageError(f"unknown setting {name!r} {where}", hint=hint)


def _from_file(path: Path) -> dict[str, object]:
    """The settings a TOML file has; numbers become text, so that every source follows the same grammar."""
    if not path.is_file():
        raise UsageError(f"no settings file at {path}", hint=f"check --config and {CONFIG_VARIABLE}")
    try:
        found = TomlConfigSettingsSource(Settings, path).toml_data
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        hint = "one `name = value` a line, texts in double quotes"
        raise UsageError(f"{path} is not TOML: {error}", hint=hint) from None
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}", hint="check its permissions") from None
    return {name: _plain(name, value, path) for name, value in found.items()}


def _plain(name: str, value: object, path: Path) -> str:
    """One value of a TOML file as text; a list of texts as Kafka clients write lists, with commas."""
    if name not in NAMES:
        raise unknown(name, f"in {path}")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    flag = Settings.model_fields[name].annotation is bool
    if isinstance(value, bool) if flag else isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    wanted = "true or false" if flag else "a text or a number"
    raise UsageError(f"{name} in {path} must be {wanted}", hint="settings are plain `name = value` lines")


def _from_environment() -> dict[str, object]:
    """The settings the environment has; an empty variable counts as absent, as compose files write it."""
    for variable, value in os.environ.items():
        name = variable.upper().removeprefix(ENV_PREFIX)
        if name == variable.upper() or variable.upper() in RESERVED or name.lower() in NAMES:
            continue
        if variable.upper() in SECRET_FILES.values():
            continue
        if _KUBERNETES.search(variable) or _KUBERNETES_PORT.match(value):
            continue
        raise unknown(name.lower(), f"in the environment ({variable})")
    return EnvSettingsSource(Settings)()


def _from_secret_files(given: Mapping[str, object]) -> dict[str, object]:
    """The secrets whose files the environment names, as container platforms mount them; without the last line's end.

    Raises:
        UsageError: a file can't be used, or a secret is given both ways.
    """
    named = {name.upper(): value for name, value in os.environ.items() if value}
    found: dict[str, object] = {}
    for name, variable in SECRET_FILES.items():
        if variable not in named:
            continue
        if name in given:
            raise UsageError(f"{ENV_PREFIX}{name.upper()} and {variable} are both set", hint="leave one of them out")
        found[name] = _secret(Path(named[variable]).expanduser(), variable)
    return found


def _secret(path: Path, variable: str) -> str:
    """The text of a secret's file; bounded, since a path that was mistaken may be anything."""
    try:
        with path.open("rb") as file:
            content = file.read(SECRET_BYTES + 1)
        text = content.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise UsageError(
            f"{variable}: can't read {path}: {error.strerror}", hint="check path and permissions"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{variable}: {path} is no text", hint="it must hold the secret and nothing else") from None
    if not text or len(content) > SECRET_BYTES:
        wrong = "is empty" if not text else f"has more than {SECRET_BYTES:,} bytes"
        raise UsageError(f"{variable}: {path} {wrong}", hint="it must hold the secret and nothing else")
    return text


def _explain(detail: ErrorDetails, values: Mapping[str, object], origins: Mapping[str, Origin]) -> str:
    """One wrong value in words: name, what was written, where, and what it must be."""
    if not detail["loc"]:
        return detail["msg"].removeprefix("Value error, ")
    name = str(detail["loc"][0])
    if detail["type"] in _BOUNDS:
        key, words = _BOUNDS[detail["type"]]
        text = f"{words} {show(name, detail.get('ctx', {})[key])}"
    elif detail["type"].startswith("int"):
        text = "must be a whole number"
    else:
        text = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    written = "" if secret(name) else f" {bare(repr(values[name]))}"
    place = origins[name].place
    return f"{name}{written}{f' ({place})' if place else ''}: {text}"
