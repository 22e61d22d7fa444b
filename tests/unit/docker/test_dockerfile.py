"""docker/Dockerfile: hadolint's rules, and the promises hadolint knows nothing of."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "docker/Dockerfile"
INSTRUCTIONS = [
    (match[1], match[2])
    for match in re.finditer(
        r"^([A-Z]+) (.*)$",
        re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)),
        re.MULTILINE,
    )
]


def hadolint(dockerfile: str) -> subprocess.CompletedProcess[str]:
    """Lint a Dockerfile's text with the linter that came with the test extra."""
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("hadolint has no wheel for this platform")
    return subprocess.run([linter, "--no-color", "-"], input=dockerfile, capture_output=True, text=True, check=False)


def last(instruction: str) -> str:
    """The arguments of the last such instruction, the one that counts for the image."""
    return [arguments for name, arguments in INSTRUCTIONS if name == instruction][-1]


def test_hadolint_has_nothing_to_say() -> None:
    """The image follows the linter's rules without an exception."""
    result = hadolint(DOCKERFILE.read_text(encoding="utf-8"))

    assert (result.returncode, result.stdout) == (0, "")


def test_hadolint_refuses_a_floating_base_and_a_shell_entrypoint() -> None:
    """The check above can fail: the linter finds what it is there for."""
    result = hadolint("FROM python:latest\nENTRYPOINT streamledger worker\n")

    assert result.returncode != 0
    assert {"DL3007", "DL3025"} <= set(re.findall(r"DL\d+", result.stdout))


def test_the_image_does_not_run_as_root() -> None:
    """The last user is a number above the system's own, so that an orchestrator can verify it."""
    user, _, group = last("USER").partition(":")

    assert int(user) >= 10_000
    assert int(group) >= 10_000


def test_the_image_is_the_console_script_and_a_worker_by_default() -> None:
    """Signals reach the process itself, and any other command is one word away."""
    assert last("ENTRYPOINT") == '["streamledger"]'
    assert last("CMD") == '["worker"]'
    assert last("HEALTHCHECK").endswith('CMD ["python", "/opt/streamledger/health.py"]')


def test_the_image_has_what_every_command_needs() -> None:
    """Sinks, exports, page and estimates work in the image; what only tests need stays out."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (installed,) = re.findall(r"\$\{wheel\}\[([a-z,]+)\]", "".join(arguments for _, arguments in INSTRUCTIONS))

    assert set(installed.split(",")) == set(extras) - {"otel", "test", "testing"}


def test_both_stages_have_the_python_the_project_asks_for() -> None:
    """One base for building and running, of the version that the lock was made with."""
    bases = {arguments.split()[0] for name, arguments in INSTRUCTIONS if name == "FROM"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    minor = project["requires-python"].removeprefix(">=")

    assert len(bases) == 1
    assert re.fullmatch(rf"python:{re.escape(minor)}-slim-[a-z]+", bases.pop())


def test_what_is_copied_is_there_and_in_the_build_context() -> None:
    """The build can't fail on a file that was moved, or that .dockerignore keeps away."""
    context = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [
        source
        for name, arguments in INSTRUCTIONS
        if name == "COPY" and "--from" not in arguments
        for source in shlex.split(arguments)[:-1]
    ]

    assert copied
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert [source for source in copied if f"!{source}" not in context] == []


def test_installed_versions_are_the_locked_ones() -> None:
    """Every pip install of the image is held to the lock."""
    commands = [command for name, run in INSTRUCTIONS if name == "RUN" for command in run.split("&&")]
    pips = [command for command in commands if "pip install" in command]

    assert pips
    assert [command for command in pips if "--constraint .ci/requirements.lock" not in command] == []
