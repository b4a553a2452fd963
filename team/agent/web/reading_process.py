"""Reads one page in a process of its own, which is ended when that takes too long.

`python -m team.agent.web.reading_process` takes a line of JSON and the page's bytes on stdin,
and gives a line of JSON on stdout. It loads nothing but what reading takes.
"""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from math import ceil
from typing import Final

import msgspec

from team.agent.web.pages import page_text
from team.errors import FetchError

ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
"""What is taken of an answer; a page that says more is refused."""
_MEMORY_BYTES_MAX: Final = 2 * 1024**3


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be read: the first line on stdin; the bytes follow."""

    url: str
    content_type: str
    seconds: float


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What a page says, or why it is not read."""

    text: str = ""
    title: str = ""
    refused: str = ""


def main() -> None:
    """Read the page on stdin."""
    page = msgspec.json.decode(sys.stdin.buffer.readline(), type=Page)
    _limit(page.seconds)
    sys.stdout.buffer.write(_answer(page, sys.stdin.buffer.read()))


def _answer(page: Page, body: bytes) -> bytes:
    try:
        found = page_text(page.url, page.content_type, body)
        answer = msgspec.json.encode(Read(text=found.text, title=found.title))
    except FetchError as error:
        return msgspec.json.encode(Read(refused=error.reason))
    if len(answer) > ANSWER_BYTES_MAX:
        return msgspec.json.encode(Read(refused="it says too much to be kept"))
    return answer


def _limit(seconds: float) -> None:
    """Have the system end this process should whoever started it be gone."""
    processor_s = ceil(seconds) + 1
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (processor_s, processor_s))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES_MAX, _MEMORY_BYTES_MAX))


if __name__ == "__main__":
    main()
