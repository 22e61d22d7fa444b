"""The program itself: Python, the libraries it was tested with, its extras, and whether RocksDB runs here.

Owns what the installed distribution says of itself. Imports `importlib.metadata` and, when the store is tried, the
engine's database.
"""

from __future__ import annotations

import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from pipeline.errors import OurFault
from pipeline.ops.doctor.finding import Finding, fine, unseen, wrong
from pipeline.settings import Settings

DISTRIBUTION: Final = "streamledger"
OLDEST: Final = (3, 11)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA: Final = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_BOUND: Final = re.compile(r"(>=|<)\s*([0-9][0-9.]*)")
_FOR_DEVELOPERS: Final = frozenset({"test", "testing"})

Version = Callable[[str], str | None]
"""Of an installed distribution; None where it is absent."""


def installed(name: str) -> str | None:
    """Version of a distribution."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def requirements() -> list[str]:
    """What the installed distribution says it needs, extras included."""
    return metadata.requires(DISTRIBUTION) or []


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Whether this Python is one that the program runs on."""
    text = f"{'.'.join(map(str, version))} on {platform.system()} {platform.machine()}"
    if version < OLDEST:
        return wrong("python", text, f"use Python {'.'.join(map(str, OLDEST))} or newer")
    return fine("python", text)


def check_libraries(needed: Iterable[str], version: Version = installed) -> Iterator[Finding]:
    """Hold the libraries to the bounds of the distribution: the engine leans on internals of Faust and aiokafka.

    Args:
        needed: Requirements as in the metadata of a distribution.
        version: Of a library.
    """
    count = 0
    for name, bounds, extra in _parsed(needed):
        if extra is not None:
            continue
        count += 1
        found = version(name)
        if found is None:
            yield wrong("libraries", f"{name} is not installed", f"install again: pip install {DISTRIBUTION}")
        elif not _within(found, bounds):
            advice = f"install the version it was tested with: pip install '{name}{bounds}'"
            yield wrong("libraries", f"{name} {found} is outside of {bounds}", advice)
    if count:
        engine = ", ".join(f"{name} {version(name)}" for name in ("faust-streaming", "aiokafka", "rocksdict"))
        yield fine("libraries", f"{count} looked at; {engine}")
    else:
        yield unseen("libraries", "this is no installed distribution", f"install it: pip install {DISTRIBUTION}")


def check_extras(needed: Iterable[str], settings: Settings, version: Version = installed) -> Iterator[Finding]:
    """What was asked for in the settings and is not installed; which extras there are.

    Args:
        needed: Requirements as in the metadata of a distribution.
        settings: Of the ledger.
        version: Of a library.
    """
    extras: dict[str, list[str]] = {}
    for name, _, extra in _parsed(needed):
        if extra is not None and extra not in _FOR_DEVELOPERS:
            extras.setdefault(extra, []).append(name)
    absent = {extra: lost for extra, names in extras.items() if (lost := [n for n in names if version(n) is None])}
    if settings.estimate_usage == "tokenizer" and "estimate" in absent:
        text = "estimate_usage is tokenizer, and the tokenizer is not installed"
        yield wrong("extras", text, f"pip install '{DISTRIBUTION}[estimate]', or set estimate_usage to characters")
    there = ", ".join(extra for extra in extras if extra not in absent) or "none"
    yield fine("extras", f"installed: {there}" + (f"; not: {', '.join(absent)}" if absent else ""))


def check_store(folder: Path | None) -> Finding:
    """Make a store, write and close it: RocksDB loads, and the file system locks files and syncs them.

    Args:
        folder: An existing directory; None: there is none that can be written.
    """
    if folder is None:
        return unseen("store", "no directory to try it in")
    try:
        from pipeline.engine.database import Database, Memory, Meta  # noqa: PLC0415 (what this check is about)

        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as name:
            database = Database(Path(name) / "store", Memory(1 << 20, 1 << 20))
            database.write([(b"s", b"1")], Meta(0, b"", "", 0, 0, 0, 0.0))
            database.close()
    except ImportError as error:
        return wrong("store", f"RocksDB can't be loaded: {error.name or 'rocksdict'}", "pip install rocksdict again")
    except OurFault as error:
        return wrong("store", f"no store can be opened here: {error.hint}", "put data_dir on a local disk")
    except OSError as error:
        return wrong("store", f"no store can be kept here: {error.strerror}", "put data_dir on a local disk")
    return fine("store", "RocksDB opens, writes and closes a store here")


def _parsed(needed: Iterable[str]) -> Iterator[tuple[str, str, str | None]]:
    """(name, bounds, extra) of requirements that count on this platform."""
    for line in needed:
        requirement, _, marker = line.partition(";")
        if "sys_platform != 'win32'" in marker.replace('"', "'") and sys.platform == "win32":
            continue
        name = _NAME.match(requirement.strip())
        if name is None:
            continue
        extra = _EXTRA.search(marker)
        rest = requirement.strip()[name.end() :]
        yield name[0], re.sub(r"^\[[^]]*\]", "", rest).strip(), extra and extra[1]


def _within(version: str, bounds: str) -> bool:
    """Whether a version keeps all `>=` and `<` of its bounds."""
    own = _numbers(version)
    kept: Mapping[str, Callable[[tuple[int, ...]], bool]] = {">=": lambda b: own >= b, "<": lambda b: own < b}
    return all(kept[sign](_numbers(text)) for sign, text in _BOUND.findall(bounds))


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with; four of them, so that 1.0 and 1.0.0 are equal."""
    release = re.match(r"[0-9]+(\.[0-9]+)*", version)
    numbers = [int(part) for part in release[0].split(".")] if release else []
    return (*numbers, 0, 0, 0, 0)[:4]
