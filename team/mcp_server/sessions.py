"""Start runs that outlive who asked for them: opened here, worked on by `team resume`.

The run is opened in this process, so that whatever is wrong with the request is the
answer to it. Its session is a process of its own, in a session of its own: it has this
server's environment, none of its streams, and does not notice when the server ends.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final, Literal

import msgspec

from bus.connection import Connection
from bus.ids import SUPERVISOR
from bus.messages import MemberJoined
from bus.run_stream import RunStream, open_run
from bus.subjects import pattern
from team.errors import SpecError
from team.mcp_server.bounds import Bounds, check_arguments
from team.runtime.budget import Ask
from team.runtime.home import run_dir
from team.runtime.run import Prepared, RunRequest, index_sources, prepare, skipped_lines

JOINED_S: Final = 15.0
"""How long it is waited for a session to say that it is there, in seconds."""
LOOK_EVERY_S: Final = 0.1
SAID_CHARACTERS: Final = 600
"""How much of a session's last words is told."""
FIELDS: Final = {
    "--budget": "dollars_max",
    "--max-tokens": "tokens_max",
    "--model": "model",
    "--source": "sources",
    "--run": "run",
    "--dry-run": "`team run --dry-run`",
}
"""Options of `team run`, and what a client of the tool has in their place."""
_OPTION: Final = re.compile(r"--[a-z]+(?:-[a-z]+)*")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks for; the fields are those of `team run`.

    Attributes:
        dollars_max: What the run may cost at most; the policy's limit holds if it is lower.
        tokens_max: What it may read and write at most, likewise.
    """

    team: str
    goal: str
    sources: tuple[str, ...]
    mode: Literal["auto", "team", "solo"] = "auto"
    model: str | None = None
    run: str | None = None
    dollars_max: float | None = None
    tokens_max: int | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A process that works on a run, as it was started.

    Attributes:
        pid: The process.
        log: The file with what it prints.
        has_joined: Whether it has said in the stream that it supervises the run.
        last_words: If it ended at once, what it said.
    """

    pid: int
    log: Path
    has_joined: bool
    last_words: str = ""


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was checked, its library, and what was left out of that, a line each."""

    prepared: Prepared
    library: bytes
    left_out: list[str]


async def prepare_asked(bounds: Bounds, asked: Asked) -> Ready:
    """Check a request, and index its sources; nothing is opened yet.

    Raises:
        TeamError: The request can't be met as it is.
        RoleError: A role file is not usable.
        InvalidNameError: The run's id can't be used.
    """
    prepared = await asyncio.to_thread(_prepared, bounds, asked)
    library, info = await asyncio.to_thread(index_sources, prepared.collection)
    return Ready(prepared=prepared, library=library, left_out=skipped_lines(info.skipped))


def _prepared(bounds: Bounds, asked: Asked) -> Prepared:
    check_arguments(bounds, asked.team, asked.sources)
    request = RunRequest(
        team=asked.team,
        goal=asked.goal,
        sources=asked.sources,
        cwd=bounds.folder,
        mode=asked.mode,
        model=asked.model,
        run=asked.run,
        ask=Ask(usd=asked.dollars_max, tokens=asked.tokens_max),
    )
    # What makes a plan takes a second to import: only who starts a run pays.
    from team.runtime.enough import check_budget  # noqa: PLC0415

    try:
        prepared = prepare(request)
        check_budget(prepared.spec, request.ask)
        return prepared
    except SpecError as error:
        parts = (error.place, error.field, error.reason, error.fix)
        raise SpecError(*map(as_fields, parts)) from error


def as_fields(text: str) -> str:
    """A text with the tool's fields in place of the options of `team run`."""
    return _OPTION.sub(lambda found: FIELDS.get(found[0], found[0]), text)


async def begin_session(
    connection: Connection, run: str, folder: Path, nats: str | None
) -> Session:
    """Have a run worked on, by a process that nobody waits for.

    Args:
        connection: To the bus.
        run: The run, which was opened.
        folder: Where the process stands.
        nats: The server it uses, if the user named one; it goes by the environment, since
            it may hold a password.

    Returns:
        The process, once it supervises the run, has ended, or was waited for in vain.
    """
    stream = await open_run(connection, run)
    before = await stream.last_seq()
    log = run_dir(run) / "logs" / "session.log"
    process = _spawn(run, folder, nats, log)
    has_joined = False
    for _ in range(round(JOINED_S / LOOK_EVERY_S)):
        has_joined = await _has_joined(stream, process.pid, before)
        if has_joined or process.poll() is not None:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    has_ended = not has_joined and process.poll() not in (None, 0)
    _reap(process)
    words = await asyncio.to_thread(_last_words, log) if has_ended else ""
    return Session(pid=process.pid, log=log, has_joined=has_joined, last_words=words)


def _spawn(run: str, folder: Path, nats: str | None, log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | ({"NATS_URL": nats} if nats else {})
    with log.open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "team.cli.main", "resume", run, "--quiet"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


async def _has_joined(stream: RunStream, pid: int, after_seq: int) -> bool:
    key = pattern(stream.run, "member", str(SUPERVISOR))
    async for record in stream.read(key, first_seq=after_seq + 1):
        if isinstance(record.body, MemberJoined) and record.body.pid == pid:
            return True
    return False


def _reap(process: subprocess.Popen[bytes]) -> None:
    """See to it that the process leaves nothing behind when it ends before this server."""
    threading.Thread(target=process.wait, daemon=True, name=f"reap-{process.pid}").start()


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-SAID_CHARACTERS:]
