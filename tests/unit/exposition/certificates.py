"""A certificate authority of the test's own, a server's certificate and a client's; skipped where openssl is absent."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def _openssl(directory: Path, *arguments: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not here: no certificates")
    subprocess.run([program, *arguments], cwd=directory, check=True, capture_output=True)


def made(directory: Path) -> Path:
    """The directory, with ca.pem, server.pem and client.pem (key and certificate), and other.pem of another CA."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    for name in ("ca", "other"):
        _openssl(
            directory, "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}"
        )
    (directory / "extensions").write_text("subjectAltName=IP:127.0.0.1\n", encoding="ascii")
    for name in ("server", "client"):
        _openssl(directory, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extensions")
        _openssl(directory, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt")
    for name in ("server", "client", "other"):
        both = (directory / f"{name}.key").read_text() + (directory / f"{name}.crt").read_text()
        (directory / f"{name}.pem").write_text(both, encoding="ascii")
    return directory
