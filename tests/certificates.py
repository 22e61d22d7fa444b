"""Certificates for tests of TLS, made by the openssl command; whoever asks for them is skipped without it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

DAYS: Final = 2
EXPIRED: Final = -1


@dataclass(frozen=True)
class Certificate:
    """A key and its certificate as PEM files; `both` has them in one."""

    key: Path
    certificate: Path
    both: Path


class Authority:
    """A CA of a test's own."""

    def __init__(self, home: Path, name: str = "authority") -> None:
        """Make it; skips the test where there is no openssl."""
        if shutil.which("openssl") is None:
            pytest.skip("no openssl command here to make certificates with")
        home.mkdir(parents=True, exist_ok=True)
        self._home = home
        self._key = home / f"{name}.key"
        self.certificate = home / f"{name}.pem"
        _key(self._key)
        _openssl("req", "-x509", "-new", "-key", self._key, "-subj", f"/CN={name}", "-days", str(DAYS),
                 "-out", self.certificate)  # fmt: skip

    def issue(self, name: str, *, days: int = DAYS) -> Certificate:
        """A certificate for a name, which is user and host in one; with EXPIRED days it has ended already."""
        key, request, made, both, more = (
            self._home / f"{name}-{days}.{end}" for end in ("key", "csr", "pem", "both.pem", "ext")
        )
        _key(key)
        more.write_text(f"subjectAltName=DNS:{name}\n", encoding="ascii")
        _openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
                 "-days", str(days), "-extfile", more, "-out", made)  # fmt: skip
        both.write_bytes(key.read_bytes() + made.read_bytes())
        return Certificate(key, made, both)


def _key(path: Path) -> None:
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)  # noqa: S607 (found above)
