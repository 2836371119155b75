"""Ties a process to its parent, then becomes the real program: `tether.py PARENT_PID PROGRAM ARG…`.

Run as a script between fork and exec, so that no Python code runs in a forked copy of the parent.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int, with_signal: int) -> None:
    """Has the kernel send `with_signal` to this process when its parent ends. Only Linux can."""
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, with_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # The parent may have ended before the call.
    if os.getppid() != parent:
        os.kill(os.getpid(), with_signal)


def _main() -> None:
    parent, program = int(sys.argv[1]), sys.argv[2:]
    die_with_parent(parent, signal.SIGKILL)
    os.execv(program[0], program)


if __name__ == "__main__":
    _main()
