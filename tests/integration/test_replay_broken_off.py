"""A replay that is broken off: killed, it goes on; stopped, it leaves nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from pipeline.ops.bench.load import Load
from pipeline.ops.bench.load import send as fill
from pipeline.settings import client
from pipeline.testing import eventually
from pipeline.testing.ledger import ledger_settings
from pipeline.topics.admin import create, definitions
from tests.integration.engine.harness import SECONDS
from tests.integration.replaying import arguments, replay

ROOT = Path(__file__).parents[2]


def test_a_killed_replay_goes_on_and_gives_the_same_file(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """SIGKILL after a checkpoint: from there it goes on, and no line is lost or doubled; Ctrl-C leaves nothing."""
    settings = ledger_settings(kafka, topic_prefix, tmp_path / "data", partitions=4)
    asyncio.run(create(client(settings), definitions(settings)))
    asyncio.run(fill(client(settings), settings.chunk_topic, Load("replay", requests=2_000, chunks=15, open=200)))
    whole, out, work, temporary = (tmp_path / name for name in ("whole", "out", "work", "temporary"))
    temporary.mkdir()
    program = tmp_path / "small.py"
    program.write_text(SMALL)
    command = [sys.executable, str(program), *arguments(settings), f"--out={out}", "--processes=2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        until_written(process, temporary)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert children
    eventually(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    assert not out.exists()
    assert list(temporary.iterdir()) == []

    command.append(f"--resume={work}")
    with subprocess.Popen(command, env=environment) as process:
        until_written(process, work)
        process.kill()
    assert not out.exists()
    subprocess.run(command, env=environment, check=True)
    assert replay(settings, f"--out={whole}") == 0
    assert whole.read_bytes() == out.read_bytes()
    assert len(whole.read_bytes().splitlines()) == 2_000
    assert not work.exists()


def until_written(process: subprocess.Popen[bytes], work: Path) -> None:
    """Returns when a checkpoint has put records into a file somewhere in the directory."""

    def alive() -> None:
        assert process.poll() is None

    eventually(lambda: any(path.stat().st_size for path in work.rglob("records.jsonl")), every=0.005, watch=alive)


SMALL = """
import sys
from pipeline.ops.replay import passage
passage.CHECKPOINT_CHUNKS = 1_000
if __name__ == "__main__":
    from pipeline.cli.shell import main
    main.main(["replay", *sys.argv[1:]])
"""
"""With checkpoints often enough to be killed between two; a file, so that its processes run it too."""
