"""A real PostgreSQL for a while: the server of the pgserver wheel, else the system's, started here and gone at the end.

Both refuse to run as root; then they run as nobody. For tests and the benchmark. Imports psycopg when it starts one.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pipeline.errors import FoundProblem

SECONDS: Final = 60.0
_SETTINGS: Final = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "log_min_messages": "warning",
}
"""No TCP; and without fsync, because what dies here is processes, never the machine."""


class Server:
    """One server with a directory of its own.

    Attributes:
        directory: Of its socket, its data and its log.
    """

    def __init__(self, programs: Path, directory: Path) -> None:
        """Make the data directory and start."""
        self.directory, self._programs = directory, programs
        self._process: subprocess.Popen[bytes] | None = None
        directory.chmod(0o755)
        home = directory / "home"
        home.mkdir()
        if user := _user():
            shutil.chown(home, user["user"], user["group"])
        self._run(
            "initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres", "-D", str(self._data)
        )
        self.start()

    @property
    def _data(self) -> Path:
        return self.directory / "home" / "data"

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def url(self, database: str = "postgres") -> str:
        """Where a database is."""
        return f"postgresql://postgres@/{database}?host={self.directory / 'home'}"

    def create(self) -> str:
        """A new empty database; its URL."""
        name = f"t{uuid.uuid4().hex[:10]}"
        import psycopg  # noqa: PLC0415 (optional)

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    def start(self) -> None:
        """Start, and wait until it answers.

        Raises:
            FoundProblem: it does not.
        """
        options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [
            str(self._programs / "postgres"),
            "-D",
            str(self._data),
            "-k",
            str(self.directory / "home"),
            *options,
        ]
        with self._log.open("ab") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, **_user()
            )
        self._process = process
        self._until_answering(process)

    def _until_answering(self, process: subprocess.Popen[bytes]) -> None:
        import psycopg  # noqa: PLC0415 (optional)

        deadline = time.monotonic() + SECONDS
        while True:
            try:
                psycopg.connect(self.url()).close()
                return
            except psycopg.OperationalError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    words = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
                    raise FoundProblem("PostgreSQL does not start", hint=" ".join(words)) from error
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT ends sessions and shuts down, SIGQUIT leaves at once without shutting down."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(SECONDS)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(command, capture_output=True, check=False, cwd=self.directory, timeout=SECONDS, **_user())
        if done.returncode != 0:
            raise FoundProblem(f"{program} failed", hint=(done.stderr.decode().strip().splitlines() or [""])[-1])


@functools.cache
def _user() -> dict[str, Any]:
    """Whom the server runs as, as arguments of subprocess; nothing said unless we are root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs() -> Path | None:
    """A directory with a `postgres` that the user can run."""
    wheel = importlib.util.find_spec("pgserver")  # importing it would do things to directories
    candidates = [Path(place) / "pginstall/bin" for place in (wheel and wheel.submodule_search_locations) or ()]
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("postgres")
    candidates += [] if on_path is None else [Path(on_path).resolve().parent]
    for directory in candidates:
        with contextlib.suppress(OSError):
            if (
                subprocess.run(
                    [directory / "postgres", "--version"], capture_output=True, check=False, **_user()
                ).returncode
                == 0
            ):
                return directory
    return None


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A server for the block.

    Raises:
        FoundProblem: there is none that runs here.
    """
    programs = _programs()
    if programs is None:
        raise FoundProblem("no PostgreSQL runs here", hint="neither the pgserver wheel nor the system has a server")
    directory = Path(tempfile.mkdtemp(prefix="sl-pg-", dir="/tmp"))
    try:
        running = Server(programs, directory)
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
