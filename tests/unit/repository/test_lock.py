"""The lock: portable, complete, and within the ranges of pyproject.toml."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PINS = dict(
    line.split("==")
    for line in (ROOT / ".ci/requirements.lock").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [Requirement(text) for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]]


def test_the_lock_names_versions_and_nothing_else() -> None:
    """No index address, path, hash or option ties the lock to the place where it was made."""
    odd = {
        f"{name}=={version}"
        for name, version in PINS.items()
        if not (re.fullmatch(r"[A-Za-z0-9._-]+", name) and re.fullmatch(r"[0-9][A-Za-z0-9.!+-]*", version))
    }

    assert PINS
    assert odd == set()


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.name)
def test_every_direct_dependency_is_locked_within_its_range(requirement: Requirement) -> None:
    """A change in pyproject.toml that `make lock` has not seen yet is noticed here, not in CI's next fresh clone."""
    locked = {canonicalize_name(name): version for name, version in PINS.items()}

    assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)])


def test_the_python_that_runs_is_supported() -> None:
    """`make PYTHON=…` can't quietly set up an interpreter that pyproject.toml rules out."""
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(sys.version.split()[0])
