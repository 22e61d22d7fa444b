"""The producers of schemas/producers, built once per state of their sources, outside of the repository.

What their toolchains fetch goes to the user's cache beside the broker's jars, by locked versions. Where a toolchain is
not there, or its packages are neither in the cache nor to be had, the test that asks is skipped and says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from pipeline.errors import BrokerUnavailable
from pipeline.ops.broker import cache_dir, classpath

SOURCES: Final = Path(__file__).parents[1] / "schemas" / "producers"
PARTITIONS: Final = SOURCES / "partitions.json"

FETCH_SECONDS: Final = 120
"""A cold fetch is 5 s and 40 MB with npm, 2 s and 4 MB with go; a registry that says nothing for so long is away."""
BUILD_SECONDS: Final = 300
"""A cold build of the Go producer takes 75 s of CPU, nearly all of it the standard library and franz-go."""
COLD_SECONDS: Final = FETCH_SECONDS + 3 * BUILD_SECONDS
"""Timeout of a test that may have to fetch and build."""

_LOCK_IS_WRONG: Final = re.compile(
    r"checksum mismatch|SECURITY ERROR|EINTEGRITY|EUSAGE|updates to go\.mod|missing go\.sum entry"
)
"""Complaints of a fetch that are about our lock files, never about the network."""

_JAVA: Final = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp")


@dataclass(frozen=True)
class Program:
    """A producer that can be run.

    Attributes:
        name: its language.
        command: runs it.
        check: runs its own test of the partitions.
        environment: of both.
    """

    name: str
    command: tuple[str, ...]
    check: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def program(name: str) -> Program:
    """The producer of a language, built if need be; skips the test where that is not possible here."""
    return _LANGUAGES[name]()


def _go() -> Program:
    wanted = re.search(r"^go (\d+)\.(\d+)", (SOURCES / "go" / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    assert wanted is not None
    version = _version("go", "go", "version", at_least=(int(wanted[1]), int(wanted[2])))

    def build(place: Path) -> None:
        home = cache_dir() / "producers"
        environment = {
            "GOPATH": str(home / "go"),
            "GOMODCACHE": str(home / "go" / "pkg" / "mod"),
            "GOCACHE": str(home / "go-build"),
            "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false '-gcflags=all=-N -l'",  # a third less to compile
            "GOTOOLCHAIN": "local",
            "CGO_ENABLED": "0",
        }
        _fetch("go", ["go", "mod", "download"], place, environment)
        _make(["go", "build", "-ldflags=-s -w", "-o", "producer", "."], place, environment)
        _make(["go", "test", "-c", "-o", "partitions", "."], place, environment)

    place = _built("go", version, build)
    return Program("go", (str(place / "producer"),), (str(place / "partitions"),), {"PARTITIONS_JSON": str(PARTITIONS)})


def _typescript() -> Program:
    _version("typescript", "npm", "--version", at_least=(8,))
    version = _version("typescript", "node", "--version", at_least=(20,))

    def build(place: Path) -> None:
        environment = {
            "npm_config_cache": str(cache_dir() / "producers" / "npm"),
            "npm_config_update_notifier": "false",
        }
        patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"]
        _fetch("typescript", ["npm", "ci", "--ignore-scripts", "--prefer-offline", *patience], place, environment)
        _make([str(place / "node_modules" / ".bin" / "tsc")], place, environment)
        _make(["npm", "prune", "--omit=dev", "--ignore-scripts", "--offline"], place, environment)

    dist = _built("typescript", version, build) / "dist"
    check = ("node", "--test", str(dist / "publisher.test.js"))
    return Program("typescript", ("node", str(dist / "main.js")), check, {"PARTITIONS_JSON": str(PARTITIONS)})


def _java() -> Program:
    version = _version("java", "javac", "-version", at_least=(17,))
    _version("java", "java", "-version", at_least=(17,))
    try:
        jars = os.pathsep.join(map(str, classpath()))
    except BrokerUnavailable as error:
        pytest.skip(f"java: {error}")

    def build(place: Path) -> None:
        sources = sorted(map(str, place.glob("*.java")))
        options = ["--release", "17", "-Xlint:all", "-Werror", "-cp", jars, "-d", str(place / "build")]
        _make(["javac", *options, *sources], place, {})

    path = os.pathsep.join((str(_built("java", version, build) / "build"), jars))
    run = (*_JAVA, path)
    return Program("java", (*run, "producer.Main"), (*run, "producer.PartitionsTest", str(PARTITIONS)))


_LANGUAGES: Final[dict[str, Callable[[], Program]]] = {"go": _go, "typescript": _typescript, "java": _java}


def _version(language: str, tool: str, question: str, *, at_least: tuple[int, ...]) -> str:
    """What a tool calls itself; skips where it is not there or too old."""
    if shutil.which(tool) is None:
        pytest.skip(f"{language}: {tool} is not on this machine")
    said = subprocess.run([tool, question], capture_output=True, text=True, check=True, timeout=60)
    version = (said.stdout + said.stderr).strip()
    numbers = re.search(r"\d+(?:\.\d+)*", version)
    if numbers is None or tuple(map(int, numbers[0].split("."))) < at_least:
        pytest.skip(f"{language}: {tool} {'.'.join(map(str, at_least))} or newer is needed, here is {version}")
    return version


def _built(name: str, version: str, build: Callable[[Path], None]) -> Path:
    """Where a producer lies built, by the digest of its sources; built now if it doesn't."""
    files = sorted(path for path in (SOURCES / name).iterdir() if path.is_file())
    state = hashlib.sha256(version.encode())
    for path in files:
        state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    home = cache_dir() / "producers"
    place = home / f"{name}-{state.hexdigest()[:16]}"
    with _alone(home, name):
        if not place.exists():
            draft = home / f"{name}-draft"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            for path in files:
                shutil.copy(path, draft)
            build(draft)
            draft.rename(place)
    return place


@contextlib.contextmanager
def _alone(home: Path, name: str) -> Iterator[None]:
    """One build at a time, over all processes of the user."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(name: str, command: list[str], place: Path, environment: Mapping[str, str]) -> None:
    """Bring packages; skips if they can't be had, fails if the lock doesn't fit."""
    try:
        _run(command, place, environment, FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{name}: its packages are not in the cache and their registry does not answer")
    except subprocess.CalledProcessError as error:
        if _LOCK_IS_WRONG.search(error.stderr):
            raise AssertionError(error.stderr) from error
        reason = (error.stderr.strip() or "no reason given").splitlines()[0][:200]
        pytest.skip(f"{name}: its packages are not in the cache and could not be fetched: {reason}")


def _make(command: list[str], place: Path, environment: Mapping[str, str]) -> None:
    try:
        _run(command, place, environment, BUILD_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{Path(command[0]).name}: it takes longer than {BUILD_SECONDS} s to build a producer here")
    except subprocess.CalledProcessError as error:
        raise AssertionError(f"{error.stdout}{error.stderr}") from error


def _run(command: list[str], place: Path, environment: Mapping[str, str], seconds: int) -> None:
    subprocess.run(
        command, cwd=place, env=os.environ | environment, capture_output=True, text=True, check=True, timeout=seconds
    )
