"""Shared options: settings as flags, `--set`, `--config`, and when logging starts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rich_click as click
from click.testing import CliRunner, Result

from pipeline.cli.options import assigned, start_logging, with_settings
from pipeline.errors import UsageError
from pipeline.settings import NAMES, Loaded, Settings, secret

Invoke = Callable[..., Result]


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    """Logging is global to the process: leave it as it was."""
    client, root = logging.getLogger("aiokafka"), logging.getLogger()
    before = (client.level, root.level, list(root.handlers))
    yield
    client.setLevel(before[0])
    root.setLevel(before[1])
    root.handlers[:] = before[2]


def effective(*arguments: str) -> Loaded:
    """The settings that a command with all flags gets."""
    got: list[Loaded] = []

    @click.command()
    @with_settings(*NAMES)
    def command(loaded: Loaded) -> None:
        got.append(loaded)

    CliRunner().invoke(command, list(arguments), catch_exceptions=False, standalone_mode=False)
    return got[0]


def test_a_flag_is_the_settings_name_with_dashes() -> None:
    """--finish-grace is finish_grace."""
    loaded = effective("--finish-grace", "3s", "--late-policy", "dead_letter")

    assert (loaded.settings.finish_grace, loaded.settings.late_policy) == (3_000, "dead_letter")
    assert loaded.origins["finish_grace"].kind == "flag"


def test_set_takes_any_name_with_or_without_dashes() -> None:
    """What has no flag of its own is reached by --set, secrets too."""
    loaded = effective("--set", "finish_grace=3s", "--set", "max-chunks = 7", "--set", "ssl_password=a=b")

    assert (loaded.settings.finish_grace, loaded.settings.max_chunks) == (3_000, 7)
    assert loaded.settings.ssl_password is not None
    assert loaded.settings.ssl_password.get_secret_value() == "a=b"


def test_a_settings_own_flag_wins_over_set() -> None:
    """It is the more deliberate of the two."""
    assert effective("--set", "finish_grace=3s", "--finish-grace", "4s").settings.finish_grace == 4_000


def test_an_assignment_without_a_value_is_bad_usage() -> None:
    """`--set finish_grace 2s` is the usual slip."""
    with pytest.raises(UsageError, match="--set finish_grace has no value"):
        assigned(("finish_grace",))


def test_the_last_assignment_of_a_name_counts() -> None:
    """As with any flag that is given twice."""
    assert assigned(("clock=append", "clock=create")) == {"clock": "create"}


@pytest.mark.parametrize("name", [name for name in NAMES if secret(name)])
def test_a_secret_has_no_flag_of_its_own(name: str) -> None:
    """A help text must not invite to write a password where every user of the machine can read it."""
    with pytest.raises(click.UsageError, match="No such option"):
        effective(f"--{name.replace('_', '-')}", "x")


@pytest.mark.parametrize("before", [True, False])
def test_config_may_stand_before_or_after_the_command(invoke: Invoke, tmp_path: Path, before: bool) -> None:
    """Both are natural, so both work."""
    path = tmp_path / "ledger.toml"
    path.write_text('ledger = "from-file"', encoding="utf-8")
    option = ["--config", str(path)]
    result = invoke(*option, "config", "--changed") if before else invoke("config", "--changed", *option)

    assert result.exit_code == 0
    assert "from-file" in result.output


def test_the_commands_own_file_wins(invoke: Invoke, tmp_path: Path) -> None:
    """The nearer one is meant."""
    for name in ("one", "two"):
        (tmp_path / name).write_text(f'ledger = "ledger-{name}"', encoding="utf-8")
    result = invoke("--config", str(tmp_path / "one"), "config", "--changed", "--config", str(tmp_path / "two"))

    assert "ledger-two" in result.output
    assert "ledger-one" not in result.output


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize(
    ("level", "third_party", "expected"),
    [("info", "critical", logging.CRITICAL), ("info", "warning", logging.WARNING), ("debug", "critical", logging.INFO)],
)
def test_how_loud_the_kafka_client_is(level: str, third_party: str, expected: int) -> None:
    """Silent beside a command's one error line, heard in a service, and whoever debugs hears it in full."""
    start_logging(Settings.model_validate({"log_level": level}), third_party=third_party)  # type: ignore[arg-type]

    assert expected == logging.getLogger("aiokafka").getEffectiveLevel()
