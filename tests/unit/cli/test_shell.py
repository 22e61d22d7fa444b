"""The command group: lazy commands, one line for every failure, exit codes (CONTRACT §6)."""

from __future__ import annotations

import errno
import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

import pytest
import rich_click as click
from click.testing import Result

from pipeline.cli import shell
from pipeline.cli.shell import COMMANDS
from pipeline.errors import KafkaUnreachable, StreamledgerError, TopicDrift, UsageError

Invoke = Callable[..., Result]

HEAVY = ("faust", "mode", "rocksdict", "aiokafka", "pydantic", "structlog", "pipeline.settings", "pipeline.core")


def program(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The program as a process of its own."""
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)


def loaded_by(code: str) -> set[str]:
    """Which of the heavy modules a piece of code imports, in a process of its own."""
    script = f"import sys\n{code}\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.splitlines()[-1].split()) if done.stdout.strip() else set()


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes `streamledger config` end with an exception."""

    def arrange(error: BaseException) -> None:
        @click.command()
        def command() -> None:
            raise error

        monkeypatch.setattr("pipeline.cli.config.command", command)

    return arrange


class TestCommands:
    """Every command is listed without being imported."""

    @pytest.mark.parametrize("name", COMMANDS)
    def test_each_command_exists_and_says_what_the_list_says(self, name: str) -> None:
        """A stub with another text than its command would be a second truth."""
        command = importlib.import_module(f"pipeline.cli.{name}").command

        assert command.help.startswith(COMMANDS[name])

    @pytest.mark.parametrize("name", COMMANDS)
    def test_each_commands_help_has_examples(self, invoke: Invoke, name: str) -> None:
        """CONTRACT §6: --help with examples."""
        result = invoke(name, "--help")

        assert result.exit_code == 0
        assert "Examples:" in result.output
        assert f"$ streamledger {name}" in result.output

    def test_the_list_is_in_the_order_that_a_newcomer_needs(self, invoke: Invoke) -> None:
        """The demo comes first."""
        output = invoke("--help").output
        places = [output.index(f"│ {name} ") for name in COMMANDS]

        assert places == sorted(places)

    def test_help_imports_nothing_heavy(self) -> None:
        """`streamledger --help` answers at once."""
        code = (
            "from click.testing import CliRunner\nfrom pipeline.cli import main\nCliRunner().invoke(main, ['--help'])"
        )

        assert loaded_by(code) == set()

    @pytest.mark.parametrize("name", ["fold", "chunks"])
    def test_offline_commands_never_import_kafka_or_faust(self, name: str) -> None:
        """They run in pipes, thousands of times."""
        arguments = {"fold": ["fold"], "chunks": ["chunks", "--provider", "openai-chat", "--request-id", "r"]}[name]
        given = {"fold": "", "chunks": 'data: {"choices":[{"index":0,"delta":{}}]}\n\ndata: [DONE]\n\n'}[name]
        code = (
            "from click.testing import CliRunner\nfrom pipeline.cli import main\n"
            f"done = CliRunner().invoke(main, {arguments}, input={given!r})\nassert done.exit_code == 0, done.output"
        )

        assert loaded_by(code) & {"faust", "mode", "rocksdict", "aiokafka", "structlog"} == set()

    def test_the_version_is_that_of_the_distribution(self, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
        """Read when asked for, not at every start."""
        monkeypatch.setattr(metadata, "version", lambda name: f"1.2.3 of {name}")

        assert invoke("--version").output == "streamledger 1.2.3 of streamledger\n"

    def test_without_a_command_help_is_shown(self, invoke: Invoke) -> None:
        """As click has it: help, and bad usage."""
        result = invoke()

        assert result.exit_code == 2
        assert "Usage: streamledger" in result.output


class TestErrorLine:
    """One plain line on stderr with what to do next, and the exit code of the error's kind."""

    @pytest.mark.parametrize(
        ("error", "line", "code"),
        [
            (UsageError("no such file", hint="check it"), "error: no such file — check it", 2),
            (KafkaUnreachable("no answer"), "error: no answer", 3),
            (TopicDrift("differs", topic="t", partition=1), "error: differs [topic t, partition 1]", 1),
            (StreamledgerError("two\nlines"), "error: two lines", 1),
            (PermissionError(13, "Permission denied", "/x"), "error: Permission denied: /x — check the path", 1),
            (OSError(28, "No space left on device"), "error: No space left on device — make room", 1),
            (click.FileError("x", "gone"), "error: Could not open file 'x': gone", 1),
        ],
    )
    def test_each_kind_of_error_has_its_line_and_code(
        self, invoke: Invoke, failing: Callable[[BaseException], None], error: Exception, line: str, code: int
    ) -> None:
        """Nothing on stdout, one line on stderr."""
        failing(error)
        result = invoke("config")

        assert code == result.exit_code
        assert result.stderr.startswith(line)
        assert result.stderr.count("\n") == 1
        assert not result.stdout

    def test_an_unexpected_exception_says_where_but_not_what(
        self, invoke: Invoke, failing: Callable[[BaseException], None]
    ) -> None:
        """Its text may quote content (G7); the place and --debug help the developer."""
        failing(KeyError("the user's own words"))
        result = invoke("config")

        assert result.exit_code == 1
        assert result.stderr.startswith("error: internal error: KeyError at ")
        assert "streamledger --debug" in result.stderr
        assert "own words" not in result.stderr

    def test_debug_shows_the_traceback_before_the_line(
        self, invoke: Invoke, failing: Callable[[BaseException], None]
    ) -> None:
        """Who asks for it may see it."""
        failing(KeyError("why"))
        result = invoke("--debug", "config")

        assert "Traceback (most recent call last)" in result.stderr
        assert "KeyError: 'why'" in result.stderr
        assert result.stderr.splitlines()[-1].startswith("error: internal error")

    def test_ctrl_c_ends_with_the_shells_own_code(
        self, invoke: Invoke, failing: Callable[[BaseException], None]
    ) -> None:
        """And without a word."""
        failing(KeyboardInterrupt())
        result = invoke("config")

        assert result.exit_code == 130
        assert not result.stderr.strip()

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            (["confg"], "error: No such command 'confg'. Did you mean 'config'? — see `streamledger --help`"),
            (["zzz"], "error: No such command 'zzz' — see `streamledger --help`"),
            (["--confg"], "error: No such option: --confg"),
            (["config", "--finsh-grace", "2s"], "error: No such option: --finsh-grace Did you mean --finish-grace?"),
            (["config", "extra"], "error: Got unexpected extra argument (extra) — see `streamledger config --help`"),
            (["chunks", "--provider", "openai-chat"], "error: Missing option '--request-id'"),
            (["fold", "no-such-file"], "error: Invalid value for '[FILE|-]': 'no-such-file': No such file"),
        ],
    )
    def test_bad_usage_is_exit_2_with_the_nearest_name(self, invoke: Invoke, arguments: list[str], line: str) -> None:
        """Whatever click has to complain about fits into the same line."""
        result = invoke(*arguments)

        assert result.exit_code == 2
        assert result.stderr.startswith(line)
        assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize("code", [0, 1, 3, None])
    def test_a_command_returns_its_exit_code(
        self, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, code: int | None
    ) -> None:
        """Nothing means all is well."""
        monkeypatch.setattr("pipeline.cli.config.command", click.command()(lambda: code))

        assert (code or 0) == invoke("config").exit_code

    def test_an_embedding_program_gets_exceptions(self, failing: Callable[[BaseException], None]) -> None:
        """`standalone_mode=False` is click's word for that."""
        failing(TopicDrift("differs"))

        with pytest.raises(TopicDrift):
            shell.main(["config"], standalone_mode=False)

    def test_a_broken_pipe_of_somebody_else_is_an_error(
        self, failing: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A peer on the network that hangs up must not look like `| head`."""
        failing(BrokenPipeError(errno.EPIPE, "Broken pipe"))
        monkeypatch.setattr(shell, "_reader_gone", lambda: False)

        with pytest.raises(BrokenPipeError):
            shell.main.invoke(shell.main.make_context("streamledger", ["config"]))

    def test_completion_does_not_fail_on_unknown_commands(self) -> None:
        """The shell asks while the user is still typing."""
        context = shell.main.make_context("streamledger", ["conf"], resilient_parsing=True)

        assert shell.main.resolve_command(context, ["conf"]) == (None, None, [])


def test_no_color_is_heard_by_what_click_prints_too(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://no-color.org: set and not empty; as a terminal would have it otherwise."""
    seen: list[bool | None] = []

    @click.command()
    @click.pass_context
    def command(ctx: click.Context) -> None:
        seen.append(ctx.color)

    monkeypatch.setattr("pipeline.cli.config.command", command)
    for value in ("", "1"):
        monkeypatch.setenv("NO_COLOR", value)
        assert invoke("config").exit_code == 0

    assert seen == [None, False]


class TestProcess:
    """The same as a real process."""

    def test_errors_leave_stdout_alone(self) -> None:
        """Exit 2 and one line for a wrong setting."""
        done = program("config", "--set", "finish_grace=2")

        assert done.returncode == 2
        assert done.stdout == b""
        assert done.stderr.decode().startswith("error: finish_grace '2' (command line): has no unit")

    def test_an_unreachable_kafka_is_exit_3(self) -> None:
        """Port 1 of this machine answers nobody."""
        done = program("topics", "--check", "--bootstrap-servers", "127.0.0.1:1")

        assert done.returncode == 3
        assert done.stderr.decode().splitlines() == [
            (
                "error: no Kafka answers at 127.0.0.1:1 — check bootstrap_servers and security_protocol; "
                "`streamledger broker` starts one"
            )
        ]

    def test_success_is_exit_0(self) -> None:
        """An empty input folds to an empty output."""
        done = program("fold")

        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    def test_a_reader_that_goes_away_is_no_error(self) -> None:
        """`| head` has enough and that is fine."""
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "pipeline", "config", "--json"]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
        os.close(writer)

        assert (done.returncode, done.stderr) == (0, b"")


def test_help_of_the_group_names_the_exit_codes(invoke: Invoke) -> None:
    """A script's author finds them where he looks first."""
    output: Any = invoke("--help").output

    assert "0 ok · 1 found a problem · 2 bad usage · 3 can't reach Kafka" in output
