"""What others could read: key files, addresses that are open without a token, traffic in the clear.

No value of a secret is looked at or told. Imports the settings.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pipeline.ops.doctor.finding import Finding, fine, thin, wrong
from pipeline.settings import NAMES, Loaded, Settings, listened, loopback, parted, secret

_SECRET_FILES: Final = ("ssl_keyfile", "_token_file")
"""Ends of the names of settings whose file is a secret."""
_BY_FILE: Final = "_FILE"
"""End of the names of variables that name a file with a secret."""

_ADDRESS: Final = "_address"


def secret_files(loaded: Loaded, environ: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Files that hold a secret, by what names them: keys, tokens, and the settings file that a password stands in."""
    found = {}
    for name in NAMES:
        value, origin = getattr(loaded.settings, name), loaded.origins[name]
        if isinstance(value, Path) and name.endswith(_SECRET_FILES):
            found[name] = value
        if secret(name) and origin.kind == "file":
            found["the settings file"] = Path(origin.place)
        if secret(name) and origin.kind == "env" and origin.place.endswith(_BY_FILE) and origin.place in environ:
            found[origin.place] = Path(environ[origin.place])
    return found


def check_files(files: Mapping[str, Path]) -> Iterator[Finding]:
    """Whether each can be read by this user, and by nobody else."""
    if not files:
        yield fine("key-files", "none is configured")
    for name, path in files.items():
        try:
            mode = path.stat().st_mode
            with path.open("rb"):
                pass
        except OSError as error:
            yield wrong("key-files", f"{name} {path}: {error.strerror}", "let the user of the program read it")
            continue
        if mode & stat.S_IROTH:
            yield wrong("key-files", f"{name} {path} can be read by every user", f"chmod o-rwx {path}")
        elif mode & stat.S_IWGRP or mode & stat.S_IWOTH:
            yield wrong("key-files", f"{name} {path} can be changed by others", f"chmod go-w {path}")
        else:
            yield fine("key-files", f"{name} is private")


def check_addresses(settings: Settings, names: Iterable[str] = NAMES) -> Iterator[Finding]:
    """Addresses that are open to more than this machine, without a token."""
    opened = []
    for name in names:
        address = getattr(settings, name)
        if not name.endswith(_ADDRESS) or address is None:
            continue
        opened.append(f"{name} {address}")
        stem = name.removesuffix(_ADDRESS)
        token, clients = f"{stem}_token", f"{stem}_ssl_cafile"
        guarded = any(getattr(settings, guard, None) for guard in (token, clients))
        if not loopback(listened(address)[0]) and not guarded:
            advice = f"set {token}, or bind to 127.0.0.1" if token in NAMES else "bind to 127.0.0.1"
            yield wrong("addresses", f"{name} {address} is open to the network without a token", advice)
    yield fine("addresses", ", ".join(opened) or "nothing listens unless it is asked to")


def check_transport(settings: Settings) -> Finding:
    """Whether chunks, records and passwords cross a network in the clear."""
    protocol = settings.security_protocol
    if all(loopback(parted(server)[0]) for server in settings.bootstrap_servers.split(",")) or protocol.endswith("SSL"):
        return fine("transport", protocol)
    what = "what users say, and what they are billed,"
    if protocol == "SASL_PLAINTEXT" and settings.sasl_mechanism == "PLAIN":
        what = f"the password, {what}"
    return thin("transport", f"{protocol}: {what} cross the network unencrypted", "set security_protocol to SASL_SSL")
