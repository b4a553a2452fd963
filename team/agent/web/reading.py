"""Has a page read within a time that holds: parsers take minutes over some, and no thread ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from team.agent.web.pages import PageText
from team.agent.web.reading_process import ANSWER_BYTES_MAX, Page, Read
from team.errors import FetchError

_STEP: Final = 64 * 1024
_KEPT: Final = ("PATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""What a process gets of the environment, so that it starts: no key is among it."""


async def read_page(url: str, content_type: str, body: bytes, seconds: float) -> PageText:
    """Read a page in a process that ends with this call, however that ends.

    Args:
        url: Its address, by which its links are made whole.
        content_type: What the server says that it is.
        body: Its bytes.
        seconds: What that may take.

    Raises:
        FetchError: It is of a kind that is not read, or broken, or takes too long; says which.
    """
    head = msgspec.json.encode(Page(url=url, content_type=content_type, seconds=seconds))
    try:
        async with asyncio.timeout(seconds):
            answer = await _asked(head + b"\n" + body)
        read = msgspec.json.decode(answer, type=Read)
    except TimeoutError as error:
        raise FetchError(url, "it could not be read in the time that is left for it") from error
    except (OSError, ValueError) as error:
        raise FetchError(url, f"it could not be read: {type(error).__name__}") from error
    if read.refused:
        raise FetchError(url, read.refused)
    return PageText(text=read.text, title=read.title)


async def _asked(question: bytes) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "team.agent.web.reading_process"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        _, answer = await asyncio.gather(_give(process.stdin, question), _taken(process.stdout))
        return answer
    finally:
        await _end(process)


async def _give(stdin: asyncio.StreamWriter, question: bytes) -> None:
    with suppress(ConnectionError):  # it has ended: its answer says why, or that there is none
        stdin.write(question)
        await stdin.drain()
        stdin.close()


async def _taken(stdout: asyncio.StreamReader) -> bytes:
    """An answer, as much of it as may be."""
    answer = bytearray()
    while len(answer) <= ANSWER_BYTES_MAX:
        piece = await stdout.read(_STEP)
        if not piece:
            break
        answer += piece
    return bytes(answer)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()
    await process.wait()


def _environment() -> dict[str, str]:
    """Enough to start the same Python with the same modules."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    paths = (path for path in sys.path if Path(path).is_absolute())
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}
