"""The Makefile's promises: the fixed targets, each explained by `make help`, and CI that runs what a developer runs."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
EXPLAINED = dict(re.findall(r"^([a-z]+):(.*?) ## \S.*$", MAKEFILE, re.MULTILINE))
PROMISED = {"help", "install", "demo", "test", "check", "format", "lint", "types", "bench", "chaos", "schemas", "clean"}


def test_every_promised_target_explains_itself() -> None:
    """What README and issues name is there, and `make help` says what it does."""
    assert set(EXPLAINED) >= PROMISED


def test_every_target_that_needs_the_environment_sets_it_up() -> None:
    """One command is enough after a clone: no target fails for want of `make install`."""
    without = {"help", "install", "clean", "lock"}
    composed = {"check"}

    assert {name for name, needs in EXPLAINED.items() if "install" not in needs.split()} == without | composed


def test_targets_are_no_files() -> None:
    """A folder named like a target (`schemas`) doesn't make it up to date."""
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)

    assert phony is not None
    assert set(phony[1].split()) == set(EXPLAINED)


def test_ci_runs_make_check_which_ends_with_the_tests() -> None:
    """CI has no steps of its own, and the tests' closing lines are the last that it prints."""
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")

    assert ci.rstrip().endswith("exec make --jobs=2 check")
    assert EXPLAINED["check"].split()[-1] == "test"
    assert (ROOT / ".ci/run").stat().st_mode & 0o100
