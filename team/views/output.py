"""Write to standard output and error, where readers may leave at any time."""

from __future__ import annotations

import os
import sys
from typing import Final

_STDOUT: Final = 1
_STDERR: Final = 2


def write_data(text: str) -> None:
    """Print a line of data on stdout.

    Raises:
        BrokenPipeError: Its reader has left. What is written later goes nowhere, and
            nothing is left over to fail when the process ends.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _discard(_STDOUT)
        raise


def write_note(text: str) -> None:
    """Print a line of progress or advice on stderr, if anybody reads it."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _discard(_STDERR)


def _discard(descriptor: int) -> None:
    """Let a descriptor lead nowhere, with all that waits to be written to it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
