"""The shape of the repository: fixed top level, small modules, short functions, a docstring on every module (STYLE §4).

Looks at what git tracks or would track, so build outputs and virtual environments don't count.
"""

import ast
import functools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOP_LEVEL = {"LICENSE", "Makefile", "README.md", "docker", "pipeline", "pyproject.toml", "schemas", "tests"}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50


@functools.cache
def repository_files() -> tuple[Path, ...]:
    """Files that are tracked, or untracked and not ignored, relative to the root."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    # The owner of a checkout that CI mounted may be another user; listing its files is harmless.
    listing = [git, "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return tuple(Path(name) for name in names if name and (ROOT / name).is_file())


def modules(*rooms: str) -> Iterator[tuple[Path, str]]:
    """Path and source of each Python file in the rooms."""
    for path in repository_files():
        if path.suffix == ".py" and path.parts[0] in rooms:
            yield path, (ROOT / path).read_text(encoding="utf-8")


def test_the_top_level_is_fixed() -> None:
    """Nobody has to look for a new place at the top: it holds the agreed names and dotfiles."""
    names = {path.parts[0] for path in repository_files()}

    assert {name for name in names if not name.startswith(".")} == TOP_LEVEL


def test_no_file_is_longer_than_400_lines() -> None:
    """A module that grew past one noun is split before it is merged."""
    lengths = {str(path): source.count("\n") for path, source in modules("pipeline", "schemas", "tests")}

    assert lengths
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    """A function fits on a screen, its docstring included."""
    lengths = {
        f"{path}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path, source in modules("pipeline", "schemas")
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert lengths
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


def test_every_module_says_what_it_owns() -> None:
    """The docstring of a module is the map a newcomer reads first."""
    sources = modules("pipeline", "schemas", "tests")
    silent = [str(path) for path, source in sources if ast.get_docstring(ast.parse(source)) is None]

    assert silent == []


def test_packages_are_marked_as_typed() -> None:
    """Who installs the distribution gets its types (PEP 561)."""
    for package in ("pipeline", "schemas"):
        assert (ROOT / package / "py.typed").is_file()
