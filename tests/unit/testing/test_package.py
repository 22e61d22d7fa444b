"""The package: its examples hold, it needs no pytest, its names are loaded when asked for."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipeline.testing as package

ROOT = Path(__file__).parents[3]
MODULES = sorted(each.name for each in pkgutil.iter_modules(package.__path__))
HEAVY = ("aiokafka", "faust", "genai_prices", "msgspec", "pipeline.core", "pydantic", "schemas", "structlog")


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    """What documentation shows is what happens."""
    module = importlib.import_module(f"{package.__name__}.{name}")

    assert doctest.testmod(module).failed == 0


def test_there_are_examples() -> None:
    """The test before this one would also pass without any."""
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in MODULES]
    examples = [each for module in modules for found in doctest.DocTestFinder().find(module) for each in found.examples]

    assert len(examples) > 10


def test_builders_and_fold_need_no_pytest() -> None:
    """The plugin alone imports it; no other test dependency of this project is needed either."""
    code = (
        "import sys; sys.modules |= dict.fromkeys(('pytest', '_pytest', 'hypothesis', 'jsonschema'));"
        "from pipeline.testing import *;"
        "assert_record(fold(chat().text('a').finish()).record, text='a'); print(eventually(lambda: Ledger))"
    )

    assert "Ledger" in python(code)


def test_the_plugin_loads_nothing_heavy() -> None:
    """Pytest loads it in every test suite of an environment, and before coverage is measured."""
    code = f"import sys, pipeline.testing.plugin; print([each for each in {HEAVY} if each in sys.modules])"

    assert python(code) == "[]"


def test_public_names_are_there() -> None:
    """Each by name, and nothing else."""
    assert [name for name in package.__all__ if getattr(package, name).__name__ != name] == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing
