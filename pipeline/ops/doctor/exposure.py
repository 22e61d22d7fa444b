"""What others could read: key files, addresses that are open without a token, traffic in the clear.

No value of a secret is looked at or told. Imports the settings.
"""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from pipeline.ops.doctor.finding import Finding, fine, thin, wrong
from pipeline.settings import NAMES, Loaded, Settings, secret

KEYS: Final = ("ssl_keyfile",)
"""Settings that name a file which is a secret."""

_ADDRESS: Final = "_address"


def secret_files(loaded: Loaded) -> dict[str, Path]:
    """Files that hold a secret, by what names them: keys, and the settings file that a password stands in."""
    found = {name: path for name in KEYS if (path := getattr(loaded.settings, name)) is not None}
    for name in NAMES:
        origin = loaded.origins[name]
        if secret(name) and origin.kind == "file":
            found["the settings file"] = Path(origin.place)
    for name in NAMES:  # a secret that is read from a file of its own
        value = getattr(loaded.settings, name)
        if name.endswith("_file") and isinstance(value, Path):
            found[name] = value
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
        token = f"{name.removesuffix(_ADDRESS)}_token"
        if not loopback(address) and not _given(getattr(settings, token, None)):
            advice = f"set {token}, or bind to 127.0.0.1" if token in NAMES else "bind to 127.0.0.1"
            yield wrong("addresses", f"{name} {address} is open to the network without a token", advice)
    yield fine("addresses", ", ".join(opened) or "nothing listens unless it is asked to")


def loopback(address: str) -> bool:
    """Whether a host:port is this machine's alone; an empty host is every interface."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_transport(settings: Settings) -> Finding:
    """Whether chunks, records and passwords cross a network in the clear."""
    protocol = settings.security_protocol
    if all(loopback(server) for server in settings.bootstrap_servers.split(",")) or protocol.endswith("SSL"):
        return fine("transport", protocol)
    what = "what users say, and what they are billed,"
    if protocol == "SASL_PLAINTEXT" and settings.sasl_mechanism == "PLAIN":
        what = f"the password, {what}"
    return thin("transport", f"{protocol}: {what} cross the network unencrypted", "set security_protocol to SASL_SSL")


def _given(token: object) -> bool:
    return bool(token.get_secret_value() if isinstance(token, SecretStr) else token)
