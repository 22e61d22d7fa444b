"""The locked packages that a user gets with Streamledger, not those of tests: `python -m tests.runtime` prints them.

What the bill of materials and the licences' test go by. Reads what is installed, asks no registry.
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]
LOCK: Final = ROOT / ".ci" / "requirements.lock"
PROJECT: Final = ROOT / "pyproject.toml"

TESTS: Final = {"test", "testing"}
"""Extras for those who write tests; users take some of the others."""


def locked() -> dict[str, str]:
    """Version of each package in the lock, by its canonical name."""
    lines = (line.strip() for line in LOCK.read_text(encoding="utf-8").splitlines())
    pins = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pins}


def runtime() -> dict[str, str]:
    """Version of each package that users get, direct or not, with all extras that are for them."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    texts = [*project["dependencies"], *(text for name in extras.keys() - TESTS for text in extras[name])]
    waiting, pins = [Requirement(text) for text in texts], locked()
    found: dict[str, set[str]] = {}
    while waiting:
        needed = waiting.pop()
        name = canonicalize_name(needed.name)
        if needed.marker is not None and not needed.marker.evaluate():
            continue
        known = name in found
        new = needed.extras - found.setdefault(name, set())
        if known and not new:
            continue
        found[name] |= new
        for text in distribution(name).requires or ():
            each = Requirement(text)
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *new)):
                each.marker = None
                waiting.append(each)
    return {name: pins[name] for name in sorted(found)}


def licence(name: str) -> str:
    """What an installed package says of its licence: an SPDX expression, classifiers, or its own words' first line."""
    metadata = distribution(name).metadata
    if told := metadata.get_all("License-Expression"):
        return str(told[0])
    classifiers = [text for text in metadata.get_all("Classifier") or () if text.startswith("License ::")]
    if classifiers:
        return " AND ".join(text.rpartition(":: ")[2] for text in classifiers)
    return re.split(r"[\r\n]", str((metadata.get_all("License") or ["unknown"])[0]))[0]


def main() -> None:
    """Print them as a requirements file."""
    for name, version in runtime().items():
        print(f"{name}=={version}")  # noqa: T201 (its output)


if __name__ == "__main__":
    main()
