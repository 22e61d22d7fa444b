"""The jar cache: fetched once, never trusted unseen, mended when damaged, one clear line when that can't be."""

import hashlib
import multiprocessing
import os
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from pipeline.errors import NO_KAFKA, BrokerUnavailable
from pipeline.ops.broker.jars import KAFKA_VERSION, Jar, cache_dir, classpath, locked
from pipeline.ops.broker.pin import COORDINATES, lines

NAMES = ("kafka", "clients", "scala")


def content(name: str) -> bytes:
    """What a jar of this name has in it."""
    return name.encode() * 1000


JARS = [Jar(f"org.example:{name}:1.0", len(content(name)), hashlib.sha256(content(name)).hexdigest()) for name in NAMES]


class Shop:
    """Stands for Maven Central: delivers what is asked for, and remembers it."""

    def __init__(self) -> None:
        self.delivered: list[str] = []
        self.before: Callable[[str, Path], None] = lambda _name, _path: None

    def __call__(self, repository: Path, jars: Sequence[Jar]) -> None:
        """Write every jar; like jgo, never over a file that is there."""
        for jar in jars:
            name = jar.coordinate.split(":")[1]
            path = repository / jar.path
            path.parent.mkdir(parents=True, exist_ok=True)
            self.before(name, path)
            with path.open("xb") as file:
                file.write(content(name))
            self.delivered.append(name)


@pytest.fixture
def shop() -> Shop:
    """A shop that has everything."""
    return Shop()


def test_first_call_fetches_and_later_calls_do_not(tmp_path: Path, shop: Shop) -> None:
    """A complete cache is used without asking anybody, in the order of the lock."""
    first = classpath(tmp_path, jars=JARS, fetch=shop)

    second = classpath(tmp_path, jars=JARS, fetch=shop)

    assert first == second
    assert [path.name for path in first] == ["kafka-1.0.jar", "clients-1.0.jar", "scala-1.0.jar"]
    assert all(path.is_file() for path in first)
    assert shop.delivered == list(NAMES)


def test_only_a_call_that_fetches_says_so(tmp_path: Path, shop: Shop) -> None:
    """Whoever waits knows for what, and a full cache says nothing."""
    said: list[str] = []

    classpath(tmp_path, jars=JARS, fetch=shop, say=said.append)
    classpath(tmp_path, jars=JARS, fetch=shop, say=said.append)

    assert len(said) == 1
    assert "fetching it (45 MB, once)" in said[0]


@pytest.mark.parametrize("harm", ["truncate", "flip", "remove"])
def test_damaged_jar_is_noticed_and_only_it_is_fetched_again(tmp_path: Path, shop: Shop, harm: str) -> None:
    """A jar that lost its end, one bit or all of itself is replaced; the good ones stay."""
    victim = classpath(tmp_path, jars=JARS, fetch=shop)[1]
    whole = victim.read_bytes()
    if harm == "truncate":
        victim.write_bytes(whole[: len(whole) // 2])
    elif harm == "flip":
        victim.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    else:
        victim.unlink()
    shop.delivered.clear()
    said: list[str] = []

    classpath(tmp_path, jars=JARS, fetch=shop, say=said.append)

    assert shop.delivered == ["clients"]
    assert victim.read_bytes() == whole
    assert "mending 1 of 3 jars" in said[0]


def test_half_download_of_a_killed_process_is_not_trusted(tmp_path: Path, shop: Shop) -> None:
    """What a killed download left, and jgo would take as it is, is fetched again."""
    half = tmp_path / f"kafka-{KAFKA_VERSION}" / JARS[0].path
    half.parent.mkdir(parents=True)
    half.write_bytes(b"PK\x03\x04 the first bytes")

    jars = classpath(tmp_path, jars=JARS, fetch=shop)

    assert shop.delivered == list(NAMES)
    assert jars[0].read_bytes() == content("kafka")


def test_download_that_breaks_off_goes_on_where_it_was(tmp_path: Path, shop: Shop) -> None:
    """A lost connection costs the jar it hit, not the ones before it."""
    broken: list[str] = []

    def break_once(name: str, path: Path) -> None:
        if name == "clients" and not broken:
            broken.append(name)
            path.write_bytes(b"half a jar")
            raise ConnectionResetError

    shop.before = break_once

    jars = classpath(tmp_path, jars=JARS, fetch=shop)

    assert broken == ["clients"]
    assert shop.delivered == list(NAMES)
    assert [path.read_bytes() for path in jars] == [content(name) for name in NAMES]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (OSError("HTTPSConnectionPool: Max retries exceeded\nwith url"), "Maven Central does not answer"),
        (ConnectionResetError(104, "Connection reset by peer"), "Maven Central does not answer"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (RuntimeError("Artifact kafka not found in remote repositories {}"), "Artifact kafka not found"),
    ],
)
def test_no_way_to_get_it_is_one_clear_line(tmp_path: Path, failure: Exception, reason: str) -> None:
    """The error says what is missing, why, and both ways out, without a second try that can't help."""
    tries: list[int] = []

    def fail(_: Path, jars: Sequence[Jar]) -> None:
        tries.append(len(jars))
        raise failure

    with pytest.raises(BrokerUnavailable) as caught:
        classpath(tmp_path, jars=JARS, fetch=fail)

    text = str(caught.value)

    assert caught.value.exit_code == NO_KAFKA
    assert tries == [3]
    assert "\n" not in text
    assert reason in text
    assert "STREAMLEDGER_BOOTSTRAP_SERVERS" in text


def test_jar_that_arrives_changed_is_refused_and_not_kept(tmp_path: Path, shop: Shop) -> None:
    """A proxy's error page under the name of a jar is no jar, neither now nor at the next try."""

    def page(repository: Path, jars: Sequence[Jar]) -> None:
        for jar in jars:
            (repository / jar.path).parent.mkdir(parents=True, exist_ok=True)
            (repository / jar.path).write_text("<html>please log in</html>")

    with pytest.raises(BrokerUnavailable, match=r"kafka-1\.0\.jar arrives changed"):
        classpath(tmp_path, jars=JARS, fetch=page)

    assert not list(tmp_path.rglob("*.jar"))
    assert classpath(tmp_path, jars=JARS, fetch=shop)


def test_cache_that_can_not_be_written_names_the_variable(tmp_path: Path, shop: Shop) -> None:
    """A cache that is a file, or read-only, ends in a hint instead of a traceback."""
    (tmp_path / "file").touch()

    with pytest.raises(BrokerUnavailable, match="STREAMLEDGER_CACHE"):
        classpath(tmp_path / "file", jars=JARS, fetch=shop)


def fetch_at_once(cache: Path, log: Path, start: Barrier) -> None:
    """In a process of its own: use the cache, writing a line for each jar that is delivered."""
    shop = Shop()

    def note(name: str, _path: Path) -> None:
        with log.open("a") as file:
            file.write(f"{os.getpid()} {name}\n")

    shop.before = note
    start.wait(60)
    classpath(cache, jars=JARS, fetch=shop)


def test_two_processes_at_once_fetch_once(tmp_path: Path) -> None:
    """The second waits for the first and finds the cache complete."""
    log = tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    both = [context.Process(target=fetch_at_once, args=(tmp_path / "cache", log, start)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)

    assert [process.exitcode for process in both] == [0, 0]
    assert [line.split()[1] for line in log.read_text().splitlines()] == list(NAMES)


def test_cache_is_where_the_environment_says() -> None:
    """STREAMLEDGER_CACHE wins over the home directory."""
    assert cache_dir({"STREAMLEDGER_CACHE": "/some/where"}) == Path("/some/where")
    assert cache_dir({}) == Path.home() / ".cache" / "streamledger"


def test_lock_is_of_the_kafka_that_is_named() -> None:
    """Whoever changes the version without `pin` is told here, not by a broker that does not start."""
    pinned = [jar.coordinate for jar in locked()]

    assert pinned[: len(COORDINATES)] == list(COORDINATES)
    assert len(set(pinned)) == len(pinned)
    assert f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}" in pinned
    assert 40_000_000 < sum(jar.size for jar in locked()) < 50_000_000


def test_line_of_the_lock_is_what_sha256_says(tmp_path: Path) -> None:
    """Made by `pin`, read by `locked`: digest, size, coordinate."""
    (tmp_path / "a.jar").write_bytes(content("kafka"))

    (line,) = lines([("org.example:kafka:1.0", tmp_path / "a.jar")])

    assert line.split() == [JARS[0].sha256, str(JARS[0].size), JARS[0].coordinate]
