"""Wheel and sdist: what is in them, and that the wheel runs where nothing of this checkout can be seen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import Final

import pytest

from pipeline.cli.shell import COMMANDS

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 240
SAMPLE: Final = "ops/demo/samples/haiku.sse"

HELP: Final = """
import sys
from click.testing import CliRunner
from pipeline.cli import main
from pipeline.cli.shell import COMMANDS
for name in COMMANDS:
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0 and "Examples:" in done.output, (name, done.output)
print(*COMMANDS)
"""

WITHOUT_EXTRAS: Final = '''
import json, sys

class Without:
    """A finder that does not find some libraries."""

    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, *rest):
        return None if name.partition(".")[0] in json.loads(sys.argv[1]) else self.finder.find_spec(name, *rest)

sys.meta_path[:] = map(Without, sys.meta_path)
from click.testing import CliRunner
from pipeline.cli import main
for line in json.loads(sys.argv[2]):
    done = CliRunner().invoke(main, line.split())
    print(json.dumps([done.exit_code, done.stderr]))
'''
LIBRARIES: Final = (
    *("bpe_openai", "cloudevents", "duckdb", "jinja2", "opentelemetry", "psycopg", "sse_starlette", "starlette"),
    "uvicorn",
)
NEEDING: Final = {
    "sink duckdb --db x.duckdb --once": "sinks",
    "sink postgres --db postgresql://a@127.0.0.1:1/x --once": "sinks",
    "usage --db x.duckdb": "sinks",
    "usage --db postgresql://a@127.0.0.1:1/x": "sinks",
    "replay --parquet x.parquet": "sinks",
    "export focus record.jsonl --out x.parquet": "sinks",
    "export cloudevents record.jsonl": "export",
    "export otlp record.jsonl": "export",
    "fold --set estimate_usage=tokenizer": "estimate",
    "web": "web",
}
"""Commands, and the extra without which they can't do what they were asked."""


def run(*command: str | Path, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A program with an empty home and nothing of our environment, to its end."""
    home = cwd / "home"
    home.mkdir(exist_ok=True)
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", "COLUMNS": "200"}
    given = [str(part) for part in command]
    return subprocess.run(given, cwd=cwd, env=clean, input=stdin, capture_output=True, timeout=SECONDS, check=False)


def build(source: Path, out: Path, *targets: str) -> None:
    """Build with the backend of pyproject.toml, as `python -m build --no-isolation` does."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
    for target in targets:
        command += ["-t", target]
    done = subprocess.run(command, cwd=source, capture_output=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist of this checkout."""
    out = tmp_path_factory.mktemp("dist")
    build(ROOT, out, "wheel", "sdist")
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """The wheel."""
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def place(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, and the libraries of the one that runs the tests behind it."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-compile",
    ]
    subprocess.run([*pip, str(wheel)], cwd=folder, check=True, timeout=SECONDS)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    libraries = [path for path in sys.path if path.endswith("-packages")]
    (site / "libraries.pth").write_text("\n".join(libraries) + "\n", encoding="utf-8")
    return folder


def streamledger(place: Path) -> Path:
    """The console script."""
    return place / "venv" / "bin" / "streamledger"


@pytest.fixture(scope="module")
def record(place: Path) -> bytes:
    """What `chunks | fold` make of a recording that is in the wheel."""
    (sample,) = (place / "venv/lib").glob(f"python*/site-packages/pipeline/{SAMPLE}")
    given = ("chunks", "--provider", "openai-chat", "--request-id", "r1", sample)
    chunks = run(streamledger(place), *given, cwd=place)
    return run(streamledger(place), "fold", cwd=place, stdin=chunks.stdout).stdout


def tracked(*rooms: str) -> set[str]:
    """Files of the checkout that git has, or would have."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = [git, "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *rooms]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return {name for name in names if name and (ROOT / name).is_file()}


def contents(archive: Path) -> dict[str, int]:
    """Files of a wheel with their checksums."""
    with zipfile.ZipFile(archive) as opened:
        return {info.filename: info.CRC for info in opened.infolist()}


def test_the_wheel_is_the_two_packages_with_all_their_data(wheel: Path) -> None:
    """Schemas, AsyncAPI, examples, topics, samples, page assets, py.typed: what lies in the packages, and no more."""
    inside = {name for name in contents(wheel) if ".dist-info/" not in name}

    assert inside == tracked("pipeline", "schemas")
    assert {"schemas/generated/asyncapi.yaml", "schemas/py.typed", "pipeline/py.typed"} <= inside


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    """Licence, one console script of the project's name, extras without which no command fails obscurely."""
    with zipfile.ZipFile(wheel) as opened:
        info = next(name.partition("/")[0] for name in opened.namelist() if ".dist-info/" in name)
        metadata = message_from_bytes(opened.read(f"{info}/METADATA"))
        scripts = opened.read(f"{info}/entry_points.txt").decode()
        licence = opened.read(f"{info}/licenses/LICENSE")

    assert licence == (ROOT / "LICENSE").read_bytes()
    assert "[console_scripts]\nstreamledger = pipeline.cli:main\n\n" in scripts
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(NEEDING.values()) <= set(metadata.get_all("Provides-Extra", []))
    assert wheel.name == f"streamledger-{metadata['Version']}-py3-none-any.whl"


def test_the_sdist_builds_the_same_wheel(built: Path, wheel: Path, tmp_path: Path) -> None:
    """File by file and byte by byte; and it has the tests, so that distributors can run them."""
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as opened:
        opened.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    build(unpacked, tmp_path / "again", "wheel")
    (again,) = (tmp_path / "again").glob("*.whl")

    assert contents(again) == contents(wheel)
    assert tracked("tests", "docker", "Makefile", ".ci") <= {
        str(path.relative_to(unpacked)) for path in unpacked.rglob("*")
    }


def test_the_wheel_runs_where_nothing_of_the_checkout_is(place: Path) -> None:
    """Its own files are imported, and its version and settings are there."""
    where = run(place / "venv/bin/python", "-c", "import pipeline, schemas; print(pipeline.__file__)", cwd=place)
    version = run(streamledger(place), "--version", cwd=place)
    config = run(streamledger(place), "config", "--json", cwd=place)

    assert Path(where.stdout.decode().strip()).is_relative_to(place), where
    assert version.stdout.startswith(b"streamledger 0."), version
    assert json.loads(config.stdout)["ledger"]["value"] == "main", config


def test_every_command_of_the_wheel_has_its_help(place: Path) -> None:
    """None imports what only the checkout has."""
    done = run(place / "venv/bin/python", "-c", HELP, cwd=place)

    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().split() == list(COMMANDS)


def test_a_recording_becomes_a_record(record: bytes) -> None:
    """`chunks | fold` from the files of the wheel alone."""
    told = json.loads(record)

    assert told["status"] == "success"
    assert told["output_message"]["content"].startswith("Morning on the pier")


def test_doctor_of_a_clean_machine_finds_only_that_kafka_is_away(place: Path) -> None:
    """Exit 3; libraries, store and prices of the wheel are fine."""
    done = run(streamledger(place), "doctor", "--bootstrap-servers", "127.0.0.1:1", "--json", cwd=place)
    told = json.loads(done.stdout)

    assert done.returncode == 3
    assert [check["check"] for check in told["checks"] if check["state"] == "wrong"] == ["kafka"]


def test_without_an_extra_each_command_says_which_one_to_install(place: Path, record: bytes) -> None:
    """Bad usage, one line, and the very command that mends it."""
    (place / "record.jsonl").write_bytes(record)
    given = (json.dumps(LIBRARIES), json.dumps(list(NEEDING)))
    done = run(place / "venv/bin/python", "-c", WITHOUT_EXTRAS, *given, cwd=place)
    told = [json.loads(line) for line in done.stdout.splitlines()]

    assert len(told) == len(NEEDING), done.stderr.decode()
    for (line, extra), (code, said) in zip(NEEDING.items(), told, strict=True):
        assert code == 2, (line, said)
        assert f"pip install 'streamledger[{extra}]'" in said, (line, said)
        assert said.count("\n") == 1, (line, said)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("source", ["wheel", "sdist"])
def test_the_distribution_installs_with_its_own_dependencies(built: Path, tmp_path: Path, source: str) -> None:
    """As pipx and uvx do it: an environment of its own, from the registry, held to the locked versions."""
    (archive,) = built.glob("*.whl" if source == "wheel" else "*.tar.gz")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / ".ci/requirements.lock")]
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STREAMLEDGER"))}
    done = subprocess.run(
        [*pip, str(archive)], cwd=tmp_path, env=outside, capture_output=True, timeout=800, check=False
    )
    if done.returncode and any(word in done.stderr for word in (b"Connection", b"No matching distribution")):
        pytest.skip(f"the packages can't be had: {done.stderr.decode().splitlines()[-1]}")

    assert done.returncode == 0, done.stderr.decode()
    assert run(python, "-m", "pipeline", "--version", cwd=tmp_path).returncode == 0
    doctor = run(streamledger(tmp_path), "doctor", "--bootstrap-servers", "127.0.0.1:1", "--json", cwd=tmp_path)
    assert doctor.returncode == 3, doctor.stderr.decode()
    bad = [check for check in json.loads(doctor.stdout)["checks"] if check["state"] == "wrong"]
    assert [check["check"] for check in bad] == ["kafka"]
