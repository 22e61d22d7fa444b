"""The jars of Kafka: fetched once, verified at every start, mended when damaged.

`kafka.lock` says which jars a Kafka consists of, with size and SHA-256 of each. So nothing is resolved at run time,
which would be most of the download's time, and what is in the cache proves itself: a half, lost or changed jar is
fetched again, and nothing else is. The cache is a Maven repository of its own, because nobody else's half download in
~/.m2 is to be trusted. Hashing all 45 MB takes 45 ms, so every start does it. Imports jgo and `pipeline.errors`.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.errors import BrokerUnavailable

KAFKA_VERSION: Final = "4.3.1"
LOCK: Final = Path(__file__).with_name("kafka.lock")
CACHE_VARIABLE: Final = "STREAMLEDGER_CACHE"

ATTEMPTS: Final = 3
"""Tries of one download; each fetches only what is still missing, and one that brought nothing is the last."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Jar:
    """One line of the lock."""

    coordinate: str
    """group:artifact:version."""
    size: int
    sha256: str

    @property
    def path(self) -> Path:
        """Where it lies in a Maven repository."""
        group, artifact, version = self.coordinate.split(":")
        return Path(*group.split("."), artifact, version, f"{artifact}-{version}.jar")

    def is_at(self, path: Path) -> bool:
        """Whether the file is this jar, whole and unchanged; the size is looked at first, because it is nearly free."""
        try:
            return path.stat().st_size == self.size and hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256
        except FileNotFoundError:
            return False


Fetch = Callable[[Path, Sequence[Jar]], None]
"""Brings jars to their places in a repository in which they are missing."""


@functools.cache
def locked() -> tuple[Jar, ...]:
    """The jars of the lock, in the order of the class path."""
    lines = LOCK.read_text(encoding="ascii").splitlines()
    rows = (line.split() for line in lines if not line.startswith("#"))
    return tuple(Jar(coordinate, int(size), sha256) for sha256, size, coordinate in rows)


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Where downloads are kept: STREAMLEDGER_CACHE, else ~/.cache/streamledger."""
    named = environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".cache" / "streamledger"


def fetch_from_maven(repository: Path, jars: Sequence[Jar]) -> None:
    """Download from Maven Central with jgo, eight at a time.

    jgo.build() is not used: it trusts what lies in ~/.m2 and fetches a second Java to look into the jars.
    """
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 (a quarter second that a full cache saves)

    context = MavenContext(resolver=PythonResolver(), repo_cache=repository)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda jar: context.create_dependency(jar.coordinate).artifact.resolve(), jars))


def classpath(
    cache: Path | None = None,
    *,
    jars: Sequence[Jar] | None = None,
    fetch: Fetch = fetch_from_maven,
    say: Say = lambda _: None,
) -> list[Path]:
    """Jars of Kafka, complete and unharmed; fetches or mends them if need be.

    Safe to call from several processes at once: one fetches, the others wait.

    Args:
        cache: Cache directory; default `cache_dir()`.
        jars: What must be there; default the lock.
        fetch: What brings them; default Maven Central.
        say: Told in one line when something takes long.

    Raises:
        BrokerUnavailable: The jars are not there and could not be fetched.
    """
    home = (cache or cache_dir()) / f"kafka-{KAFKA_VERSION}"
    wanted = locked() if jars is None else jars
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _alone(home, say):
            if missing := _missing(home, wanted):
                whole = len(missing) == len(wanted)
                what = "fetching it (45 MB, once)" if whole else f"mending {len(missing)} of {len(wanted)} jars"
                say(f"Kafka {KAFKA_VERSION} is not complete in {home}: {what}")
                _complete(home, wanted, fetch)
    except OSError as error:
        text = f"the cache {home} can't be used: {error.strerror or error}"
        raise BrokerUnavailable(text, hint=f"name a writable directory in {CACHE_VARIABLE}") from error
    return [home / jar.path for jar in wanted]


def _missing(home: Path, jars: Sequence[Jar]) -> list[Jar]:
    """Jars that are not there as they should be; what lies in their place is removed, or jgo would take it."""
    missing = [jar for jar in jars if not jar.is_at(home / jar.path)]
    for jar in missing:
        (home / jar.path).unlink(missing_ok=True)
    return missing


def _complete(home: Path, jars: Sequence[Jar], fetch: Fetch) -> None:
    """Fetch until nothing is missing, for as long as every try brings something."""
    missing = _missing(home, jars)
    for attempt in range(1, ATTEMPTS + 1):
        failure: Exception | None = None
        try:
            fetch(home, missing)
        except (
            OSError,
            RuntimeError,
        ) as error:  # requests' errors are OSErrors; jgo says with the other what is nowhere
            failure = error
        left = _missing(home, jars)
        if not left:
            return
        if attempt == ATTEMPTS or len(left) == len(missing):
            raise _no_download(failure, left) from failure
        missing = left


def _no_download(failure: Exception | None, missing: Sequence[Jar]) -> BrokerUnavailable:
    """Why there are no jars, in one line; requests' own texts run over three."""
    if failure is None:
        reason, way = f"{missing[0].path.name} arrives changed", "look at the proxy on the way to Maven Central"
    elif isinstance(failure, OSError) and failure.strerror and not isinstance(failure, ConnectionError | TimeoutError):
        reason, way = failure.strerror, f"make room, or name another directory in {CACHE_VARIABLE}"
    elif isinstance(failure, OSError):
        reason, way = "Maven Central does not answer", "connect to the network, it is fetched once (45 MB)"
    else:
        reason, way = str(failure).partition("\n")[0][:200], "look at the proxy on the way to Maven Central"
    text = f"the embedded Kafka {KAFKA_VERSION} is not in the cache and could not be fetched: {reason}"
    return BrokerUnavailable(text, hint=f"{way}; or name a running Kafka in STREAMLEDGER_BOOTSTRAP_SERVERS")


@contextlib.contextmanager
def _alone(home: Path, say: Say) -> Iterator[None]:
    """Keep other processes out; the kernel lets go when a holder dies."""
    with (home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is looking after {home}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
