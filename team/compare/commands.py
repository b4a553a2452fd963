"""A grader that is a program of the user's: started only where the user has allowed it."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from team.compare.answers import Answered
from team.compare.graders import Graded
from team.compare.tasks import Command

SAID_MAX: Final = 300
_SECRET: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD", "NATS_URL")


async def run_command(grader: Command, answer: Answered, folder: Path) -> Graded:
    """Run a program on an answer; it passes with exit status 0.

    Args:
        grader: What to run, and for how long at most.
        answer: What it reads on stdin.
        folder: Where it runs.

    Cancelling: the program is killed.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not any(part in name.upper() for part in _SECRET)
    }
    try:
        process = await asyncio.create_subprocess_exec(
            *grader.argv,
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        return _failed(f"it can't be started: {error}")
    try:
        async with asyncio.timeout(grader.seconds):
            _, said = await process.communicate(answer.text.encode())
    except TimeoutError:
        return _failed(f"it took longer than {grader.seconds:g} s")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode == 0:
        return Graded(type="command", passed=True)
    tail = said.decode(errors="replace").strip()[-SAID_MAX:]
    return _failed(f"exit status {process.returncode}: {tail}")


def _failed(note: str) -> Graded:
    return Graded(type="command", passed=False, note=note)
