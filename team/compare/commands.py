"""A grader that is a program of the user's: started only where the user has allowed it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from team.compare.answers import Answered
from team.compare.graders import Graded
from team.compare.tasks import Command
from team.errors import SpecError

SAID_MAX: Final = 300
_SECRET: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD", "NATS_URL")


async def run_unless(
    stop: asyncio.Event, grader: Command, answer: Answered, folder: Path
) -> Graded | None:
    """What a program says of an answer; nothing, at once, when it is asked to stop.

    Raises what `run_command` does.
    """
    work = asyncio.create_task(run_command(grader, answer, folder))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        work.cancel()
        stopped.cancel()
        await asyncio.gather(work, stopped, return_exceptions=True)
    return None if stop.is_set() else work.result()


async def run_command(grader: Command, answer: Answered, folder: Path) -> Graded:
    """Run a program on an answer; it passes with exit status 0.

    Args:
        grader: What to run, and for how long at most.
        answer: What it reads on stdin.
        folder: Where it runs.

    Cancelling: the program is killed, and whatever it has started.

    Raises:
        SpecError: A signal has ended it, so that it says nothing about the answer.
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
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return _failed(f"it can't be started: {error}")
    said = None
    try:
        async with asyncio.timeout(grader.seconds):
            _, said = await process.communicate(answer.text.encode())
    except TimeoutError:
        return _failed(f"it took longer than {grader.seconds:g} s")
    finally:
        if said is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode == 0:
        return Graded(type="command", passed=True)
    if process.returncode is not None and process.returncode < 0:
        reason = f"signal {-process.returncode} ended it, so that it says nothing of the answer"
        fix = "mend that; --resume goes on and grades the answer again"
        raise SpecError("grader", grader.argv[0], reason, fix)
    tail = said.decode(errors="replace").strip()[-SAID_MAX:]
    return _failed(f"exit status {process.returncode}: {tail}")


def _failed(note: str) -> Graded:
    return Graded(type="command", passed=False, note=note)
