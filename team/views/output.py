"""Write to standard output and error, where readers may leave at any time."""

from __future__ import annotations

import os
import sys
from typing import Final

import msgspec

_TURNING: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_UNSEEN: Final = dict.fromkeys(
    (*(n for n in range(0x20) if chr(n) not in "\n\t"), *range(0x7F, 0xA0), *_TURNING), "�"
)
_STDOUT: Final = 1
_STDERR: Final = 2


def write_data(text: str) -> None:
    """Print a line of data on stdout.

    Raises:
        BrokenPipeError: Its reader has left. What is written later goes nowhere, and
            nothing is left over to fail when the process ends.
    """
    try:
        print(seen(text), flush=True)
    except BrokenPipeError:
        _discard(_STDOUT)
        raise


def write_json(value: object) -> None:
    """Print a value as indented JSON on stdout."""
    write_data(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def write_note(text: str) -> None:
    """Print a line of progress or advice on stderr, if anybody reads it."""
    try:
        print(seen(text), file=sys.stderr, flush=True)
    except OSError:
        _discard(_STDERR)


def seen(text: str) -> str:
    """A text without what would act on a terminal rather than be read: it may be anybody's."""
    return text.translate(_UNSEEN)


def _discard(descriptor: int) -> None:
    """Let a descriptor lead nowhere, with all that waits to be written to it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
