"""Lines of a shell, as the README has them, run without a new interpreter for each command.

A server process imports the program once and is forked for each command (the standard library's forkserver): a command
costs what it does, not what Python's start costs. Knows pipes, `>` and comments; what else a shell can do the README's
blocks don't use.
"""

from __future__ import annotations

import multiprocessing
import os
import shlex
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

SECONDS: Final = 120.0
"""Longest wait for a line."""

_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["pipeline.cli.shell", "pipeline.engine.worker", "pipeline.pricing"])


@dataclass(frozen=True)
class Done:
    """What came of a line: the exit status of its last command, and what was written."""

    code: int | None
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Running:
    """A line's processes; `finish` waits for them."""

    processes: tuple[BaseProcess, ...]
    stdout: Path
    stderr: Path

    def kill(self) -> None:
        """End what still runs, and let go of all."""
        for process in self.processes:
            with suppress(ValueError):  # closed already
                if process.is_alive():
                    process.kill()
                    process.join()
                process.close()

    def finish(self, seconds: float = SECONDS) -> Done:
        """Wait for the end; what is not over by then is ended, and its status is None."""
        deadline = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))
        code = self.processes[-1].exitcode
        self.kill()
        return Done(code, self.stdout.read_text(encoding="utf-8"), self.stderr.read_text(encoding="utf-8"))


def begin(line: str, folder: Path, environment: Mapping[str, str], log: Path) -> Running:
    """Start a line in `folder`; what it does not redirect goes to files beside `log`.

    Raises:
        ValueError: it is none of `streamledger …`, with `| streamledger …` and `> FILE`.
    """
    stages, target = parse(line)
    stdout, stderr = log.with_suffix(".out"), log.with_suffix(".err")
    stdout.touch()
    stderr.touch()
    processes = []
    for number, arguments in enumerate(stages):
        last = number == len(stages) - 1
        fed = str(log.with_suffix(f".{number - 1}")) if number else os.devnull
        given = str(folder / target) if last and target else str(stdout if last else log.with_suffix(f".{number}"))
        process = _CONTEXT.Process(
            target=_run, args=(arguments, str(folder), dict(environment), (fed, given, str(stderr)))
        )
        process.start()
        if not last:
            process.join(SECONDS)  # a file between them: its reader begins when its writer is done
        processes.append(process)
    return Running(tuple(processes), stdout, stderr)


def parse(line: str) -> tuple[list[list[str]], str | None]:
    """The commands' arguments, and the file that the last one's output goes to.

    Raises:
        ValueError: see `begin`.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|>&;<")
    lexer.whitespace_split, lexer.commenters = True, "#"
    tokens = list(lexer)
    target = None
    if ">" in tokens[-2:]:
        target, tokens = tokens[-1], tokens[:-2]
    stages: list[list[str]] = [[]]
    for token in tokens:
        if token == "|":
            stages.append([])
        else:
            stages[-1].append(token)
    if any(not stage or stage[0] != "streamledger" for stage in stages) or {">", "&", ";", "<"} & set(tokens):
        raise ValueError(f"no line of streamledger commands: {line}")
    return [stage[1:] for stage in stages], target


def _run(arguments: list[str], folder: str, environment: dict[str, str], files: tuple[str, str, str]) -> None:
    """In the forked process: be the command."""
    os.chdir(folder)
    os.environ.update(environment)
    flags = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stdout.flush()
    for number, (path, flag) in enumerate(zip(files, flags, strict=True)):
        opened = os.open(path, flag, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate(("r", "w", "w")))
    sys.argv = ["streamledger", *arguments]
    from pipeline.cli.shell import main  # noqa: PLC0415 (the server process has imported it)

    try:
        main(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
