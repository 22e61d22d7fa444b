"""Start a program that dies with its parent: `python -I -S tether.py PARENT_PID PROGRAM ARGUMENT…`.

Asks the kernel to send SIGKILL when the parent ends, however it ends, and becomes the program, which keeps the pid and
the request. A test run or a demo that is killed with -9 so leaves no broker behind. Elsewhere than on Linux the program
simply runs. It is run as a script, not as preexec_fn, because forking a threaded Python for a while is not safe.
Imports the standard library only, and little of it: it is in the way of every start.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Tie the process to `parent` and become `command`; does not return."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 (not needed elsewhere)

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 (becoming the program is the purpose; its arguments are ours)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
