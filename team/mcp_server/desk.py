"""What the tools do, as functions of a run: each opens a connection, acts or looks, answers.

Nothing is kept between calls but where the server stands, so any number of clients may
ask at once, and a server that is started anew knows as much as the one before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from bus.access import Access, open_access
from bus.connection import Connection, connect
from bus.live import heard_runs
from bus.run_stream import open_run
from team.errors import SpecError, StateError
from team.mcp_server import answers
from team.mcp_server.bounds import Bounds
from team.mcp_server.following import Following, Told, Until
from team.mcp_server.sessions import Asked, Ready, Session, begin_session, prepare_asked
from team.runtime import orders
from team.runtime.approving import Answer, answer
from team.runtime.home import state_dir
from team.runtime.person import check_text
from team.runtime.run import open_new_run
from team.views.decisions import decision_rows
from team.views.run_object import RunObject
from team.views.runs import read_run, run_rows, show_run


class Desk:
    """One server's way to the runs."""

    def __init__(self, bounds: Bounds, nats: str | None) -> None:
        """Make it.

        Args:
            bounds: Where it stands and what it may read.
            nats: The server it uses; none: the user's embedded one.
        """
        self.bounds = bounds
        self._nats = nats

    async def start(self, asked: Asked) -> answers.Started:
        """Open a run and have it worked on; returns as soon as somebody is at work."""
        ready = await prepare_asked(self.bounds, asked)
        async with self._on_bus() as connection:
            await open_new_run(connection, ready.prepared, ready.library)
            session = await self._session(connection, ready.prepared.run)
        return _started(ready.prepared.run, session, ready)

    async def resume(self, run: str) -> answers.Started:
        """Have a run worked on that nobody works on."""
        async with self._on_bus() as connection:
            _, state = await read_run(connection, run)
            orders.check_can_go_on(run, state)
            if state.result is not None:
                reason = f"it has ended already: {state.result.status}"
                raise StateError(run, reason, "see its result")
            if run in await heard_runs(connection):
                raise StateError(run, "somebody works on it already", "follow it")
            session = await self._session(connection, run)
        return _started(run, session)

    async def _session(self, connection: Connection, run: str) -> Session:
        session = await begin_session(connection, run, self.bounds.folder, self._nats)
        if session.last_words:
            fix = f"mend that, then resume it; all of it is in {session.log}"
            raise StateError(run, f"its session ended at once: {session.last_words}", fix)
        return session

    async def list(self, offset: int, limit: int) -> answers.RunList:
        """A page of the runs there are."""
        async with self._on_bus() as connection:
            return answers.run_list(await run_rows(connection), offset, limit)

    async def show(self, run: str) -> RunObject:
        """A run as one object."""
        async with self._on_bus() as connection:
            _, shown = await show_run(connection, run)
        return shown

    async def status(self, run: str) -> answers.RunStatus:
        """How a run stands."""
        async with self._on_bus() as connection:
            state, shown = await show_run(connection, run)
        return answers.run_status(shown, state.last_seq)

    async def follow(
        self, run: str, after: int, until: Until, wait_s: float, tell: Told
    ) -> answers.News:
        """Wait for what happens after a sequence, or the newest one, so many seconds at most."""
        async with self._on_bus() as connection:
            stream = await open_run(connection, run)
            known = min(after, await stream.last_seq())
            return await Following(stream, known, until, tell).wait(wait_s)

    async def decisions(
        self, run: str, area: str | None, offset: int, limit: int, *, is_history: bool
    ) -> answers.DecisionList:
        """The decisions in force, or every revision."""
        async with self._on_bus() as connection:
            _, state = await read_run(connection, run)
        rows = [row for row in decision_rows(state) if area in (None, row.area)]
        kept = rows if is_history else [row for row in rows if row.is_current]
        return answers.decision_list(run, kept, offset, limit, is_history=is_history)

    async def result(
        self, run: str, part: Literal["text", "citations"], offset: int
    ) -> answers.Result:
        """A page of the result."""
        shown = await self.show(run)
        if part == "citations":
            return answers.citations_page(shown, offset, answers.ROWS_MAX)
        return answers.text_page(shown, offset)

    async def say(self, run: str, member: str, text: str, *, is_question: bool) -> answers.Done:
        """Write to a member."""
        async with self._on_bus() as connection:
            stream, state = await read_run(connection, run)
            said = await orders.say(stream, state, member, text, is_question=is_question)
        after = f"Follow it: follow_run(run={run!r}, after={said.seq})."
        return answers.Done(run=run, did=f"stored as {said.id}, for {member}", next=after)

    async def answer(self, run: str, outcome: Answer, name: str | None, why: str) -> answers.Done:
        """Say yes or no to what a run waits for."""
        if outcome == "rejected" and not why.strip():
            raise SpecError("why", "", "it is empty", "say why: the lead is told")
        reason = check_text("why", why) if why else ""
        async with self._on_bus() as connection:
            stream, state = await read_run(connection, run)
            given = await answer(stream, state, name, outcome, reason)
            is_live = run in await heard_runs(connection)
        status = "running" if is_live else "stopped"
        after = answers.what_next(run, status, given.seq)
        return answers.Done(run=run, did=f"{given.id} is {outcome}", next=after)

    async def cancel(self, run: str, why: str) -> answers.Done:
        """End a run now."""
        async with self._on_bus() as connection:
            stream, state = await read_run(connection, run)
            done = await orders.cancel(stream, state, why)
        did = "it is cancelled" if done.has_ended else "it is told to stop"
        return answers.Done(run=run, did=did, next=f"Look: run_status(run={run!r}).")

    async def _access(self) -> Access:
        return await asyncio.to_thread(open_access, state_dir(), self._nats)

    @asynccontextmanager
    async def _on_bus(self) -> AsyncIterator[Connection]:
        async with connect(await self._access(), name="team mcp") as connection:
            await connection.check_jetstream()
            yield connection


def _started(run: str, session: Session, ready: Ready | None = None) -> answers.Started:
    notes = []
    if ready is not None and ready.left_out:
        notes.append(f"{len(ready.left_out)} files were left out, first: {ready.left_out[0]}")
    if ready is not None and ready.prepared.spec.provider == "rehearsal":
        notes.append(
            "No language model is used: the rehearsal model quotes the sources and writes "
            "nothing of its own. Set ANTHROPIC_API_KEY for this server to run on Claude."
        )
    if not session.has_joined:
        notes.append("Its session has not said yet that it is at work; look with run_status.")
    return answers.Started(
        run=run,
        is_at_work=session.has_joined,
        policy=str(ready.prepared.policy) if ready is not None and ready.prepared.policy else None,
        notes=notes,
        log=str(session.log),
        next=(
            f"Follow it: follow_run(run={run!r}). It goes on when you leave; cancel_run ends it, "
            f"as does `team cancel {run}` on a terminal. It can be stopped so that resume_run "
            f"takes it up again: kill -INT {session.pid}"
        ),
    )
