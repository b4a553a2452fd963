"""Runs one program and ends it, with all that it started, when the parent of this one is gone.

A script of its own, with nothing but the standard library: `leash.py PARENT COMMAND [ARGUMENT …]`.
It is the head of a process group. Input and output are the program's; a `SIGTERM` to this
process ends the group, first asked, then killed.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType

PR_SET_PDEATHSIG = 1
GRACE_S = 1.0
"""Between asking a program to end and killing it, in seconds."""
LOOK_S = 1.0
"""How often it is looked whether the parent lives, where the system does not tell."""
NOT_FOUND = 127


def main(parent: int, command: list[str]) -> int:
    """Run the program until it ends or has to be ended."""
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(woken)
    told: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        del frame
        told.append(number)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGCHLD, on_signal)
    _die_with_parent(signal.SIGTERM)
    try:
        child = subprocess.Popen(command, preexec_fn=_unleashed)  # noqa: PLW1509 - no threads here
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return NOT_FOUND
    os.close(0)
    os.close(1)
    while child.poll() is None:
        if signal.SIGTERM in told or os.getppid() != parent:
            _end_group(child)
            break
        select.select([wake], [], [], LOOK_S)
        with suppress(BlockingIOError):
            os.read(wake, 512)
    with suppress(OSError):
        sys.stderr.write(f"(ended with {child.returncode})\n")
        sys.stderr.flush()
    os.killpg(0, signal.SIGKILL)  # whatever it has left behind, and this process
    return 0


def _end_group(child: subprocess.Popen[bytes]) -> None:
    os.killpg(0, signal.SIGTERM)
    until = time.monotonic() + GRACE_S
    while child.poll() is None and time.monotonic() < until:
        time.sleep(0.02)


def _die_with_parent(number: signal.Signals) -> None:
    """Have the kernel send a signal when the parent is gone, where it can."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def _unleashed() -> None:
    """In the program's own process: end it with this one, however that ends."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _die_with_parent(signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
