"""Keep the members of a run alive: start what is seated, start again what dies.

Like an OTP supervisor: a member that dies is started again with backoff, and given
up loudly when it dies too often in a short time. One that is frozen is killed; one
that gets nowhere is told of to the lead. It never works itself; a member continues from
its journal.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import structlog

from bus import subjects
from bus.access import Access, revive
from bus.connection import Connection
from bus.errors import BusError
from bus.feed import Feed, create_feed, delete_feed
from bus.ids import LEAD, SUPERVISOR
from bus.live import BEAT_EVERY_S, Beat, Roll, send_beat
from bus.messages import MemberLost, MemberStuck, ResultPublished
from bus.run_stream import Entry, Record, RunStream
from team.agent.asleep import Sleep
from team.errors import StateError
from team.mcp_files import McpServer
from team.members.seat import SeatKey
from team.policy import Liveness
from team.rules.liveness import Deaths, Vigil, Watched
from team.runtime.charge import is_taken_over, say_asleep, take_charge, until_taken_over
from team.runtime.exit_codes import (
    EXIT_BUS_FULL,
    EXIT_DONE,
    EXIT_FENCED,
    EXIT_FINAL,
    EXIT_NO_BUS,
)
from team.runtime.home import cache_dir, run_dir
from team.runtime.last_words import how_it_ended, size_of
from team.runtime.launch import Launched, launch
from team.runtime.pacing import Pacing
from team.state import Mailroom, Roster

log = structlog.get_logger()

BACKOFF_S: Final = (0.05, 0.5, 2.0, 5.0)
DISCONNECTED_S: Final = 0.5
"""How long the embedded server may be away before it is started again, in seconds."""
STOP_GRACE_S: Final = 1.2
END_GRACE_S: Final = 8.0


class _Killed(msgspec.Struct, frozen=True, kw_only=True):
    """Why the supervisor killed a process, and how long it had waited until then, in seconds."""

    reason: str
    waited_s: float
    was_heard: bool = True


class Supervisor:
    """The supervisor of one run. `run` returns when the run has ended or is stopped."""

    def __init__(
        self,
        connection: Connection,
        run: str,
        *,
        access: Access,
        provider: str,
        restarts_max: int,
        liveness: Liveness,
        servers: tuple[McpServer, ...] = (),
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._servers = servers
        self._connection = connection
        self._stream = RunStream(connection, run)
        self._run = run
        self._access = access
        self._provider = provider
        self._restarts_max = restarts_max
        self._liveness = liveness
        self._vigil = Vigil(liveness.stuck_seconds)
        self._pacing = Pacing(connection, run)
        self._roster = Roster()
        self._mail = Mailroom()
        self._has_result = False
        self._processes: dict[str, Launched] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._deaths = Deaths(liveness.restart_seconds)
        self._killed: dict[str, _Killed] = {}
        self._charge_seq = 0
        self._sleep = Sleep()
        self._slept_since: float | None = None
        self._unheard_since: dict[str, float] = {}
        self._replaced: dict[str, int] = {}
        self._log_sizes: dict[str, int] = {}
        self._incarnations: dict[str, int] = {}
        self._stopping = asyncio.Event()
        self._connected_at = self._heard_at = time.monotonic()
        self._reconnects = connection.reconnects
        self._is_over = is_over
        self.was_over = False
        self._was_taken_over = False
        self.lead_lost: str | None = None
        self.no_bus: str | None = None

    def stop(self) -> None:
        """Ask `run` to stop all members and return."""
        self._stopping.set()

    async def run(self) -> None:
        """Supervise until the run has a result, the lead is lost, or `stop` is called.

        With no bus for longer than the connection's patience it stops, and `no_bus` says so.

        Raises:
            StateError: Another command supervises the run, or has taken it over.

        Cancelling: all members are ended before the cancellation goes on.
        """
        self._charge_seq = await take_charge(self._connection, self._stream)
        beating = asyncio.create_task(self._beat())
        guarding = asyncio.create_task(self._guard(self._charge_seq))
        name = f"supervisor-{secrets.token_hex(4)}"
        patterns = [subjects.pattern(self._run, kind) for kind in ("member", "mail", "result")]
        try:
            await create_feed(self._connection, self._run, name, patterns, lasting=False)
            async with (
                Feed(self._connection, self._run, name, fleeting=patterns) as feed,
                Roll(self._connection, self._run) as roll,
                self._pacing,
            ):
                await self._follow(feed, roll)
        finally:
            await self._end_all()
            beating.cancel()
            guarding.cancel()
            await delete_feed(self._connection, self._run, name)
        if self._was_taken_over:
            reason = "another command has taken it over"
            raise StateError(self._run, reason, f"follow it: team watch {self._run}")

    async def _guard(self, charge_seq: int) -> None:
        """Stop when another command has taken the run over; two would fight for every member."""
        await until_taken_over(self._stream, charge_seq)
        self._step_down()

    def _step_down(self) -> None:
        log.warning("run.taken_over")
        self._was_taken_over = True
        self.stop()

    async def _beat(self) -> None:
        while True:
            beat = Beat(pid=os.getpid(), state="idle", doing="supervises")
            with suppress(BusError):
                await send_beat(self._connection, self._run, SUPERVISOR, beat)
            await asyncio.sleep(BEAT_EVERY_S)

    async def _follow(self, feed: Feed, roll: Roll) -> None:
        ends_at: float | None = None
        backlog = await self._stream.last_seq()
        while not self._stopping.is_set() and self.lead_lost is None:
            await self._note_sleep()
            record = await feed.next(0.25)
            if record is not None:
                self._take(record)
                await feed.ack([record.seq])
                if record.seq < backlog:
                    continue
            if self._is_over():
                self.was_over = True
                self.stop()
            elif self._has_result:
                ends_at = ends_at or time.monotonic() + END_GRACE_S
                if not self._running() or time.monotonic() > ends_at:
                    return
            else:
                self._start_seated()
                await self._look(roll)
                self._check_watchers()
            await self._revive_server()
            self._check_bus()

    async def _note_sleep(self) -> None:
        """Say for how long nobody could work, if the machine was asleep or the command stopped."""
        self._sleep.runs(time.time())
        since = self._slept_since = self._slept_since or self._sleep.take()
        if since is None or self._has_result:
            return
        with suppress(BusError):
            self._charge_seq = await say_asleep(self._stream, self._charge_seq, since)
            self._slept_since = None
            log.warning("run.slept", slept_s=round(time.time() - since, 1))

    def _check_bus(self) -> None:
        """Stop if the bus has been away for longer than the run may wait."""
        now = time.monotonic()
        if self._connection.is_connected:
            self._heard_at = now
        elif now - self._heard_at > self._connection.patience_s:
            self._stop_without_bus(self._connection.waits_for)

    def _stop_without_bus(self, reason: str) -> None:
        self.no_bus = reason
        self.stop()

    def _take(self, record: Record) -> None:
        if record.subject.kind == "member":
            self._roster.apply(record)
            self._end_replaced(record)
        elif record.subject.kind == "mail":
            self._mail.apply(record)
        elif isinstance(record.body, ResultPublished):
            self._has_result = True

    def _start_seated(self) -> None:
        for seat in self._roster.seats.values():
            is_done = seat.left is not None or (
                seat.lost is not None and not self._is_ours(seat.name)
            )
            if seat.name not in self._watchers and not is_done:
                self._watchers[seat.name] = asyncio.create_task(self._keep(seat.name))

    def _is_ours(self, name: str) -> bool:
        """A lead that gave up in an earlier session is tried again when the run is resumed."""
        return name == LEAD and name not in self._incarnations

    def _end_replaced(self, record: Record) -> None:
        """End the process of a member that the lead has given up."""
        name = record.subject.names[0]
        by_lead = record.subject.author == LEAD != name  # what it says of itself is no order
        if isinstance(record.body, MemberLost) and by_lead:
            self._replaced[name] = record.seq
            self._kill(name, "the lead has replaced it")

    async def _keep(self, name: str) -> None:
        """Run a member's processes, one after another, until it is done or given up."""
        pause_s = 0.0
        while not self._stopping.is_set() and name not in self._replaced:
            process = await self._start(name)
            code = await process.exited()
            killed = self._killed.pop(name, None)
            self._pacing.forget(name)
            if self._stopping.is_set() or self._has_result or await self._is_fenced_off(code):
                return
            if name in self._replaced:
                break
            if code == EXIT_DONE and self._roster.seats[name].left is not None:
                return
            if code == EXIT_FINAL:
                await self._lost(name, await self._why(name), said=True)
                return
            if code == EXIT_BUS_FULL or (code == EXIT_NO_BUS and name == LEAD):
                full = "has no room" if code == EXIT_BUS_FULL else "does not answer"
                self._stop_without_bus(f"the bus {full}, says {name!r}")
                return
            if code == EXIT_NO_BUS or self._may_be_parted(name, killed):
                # Its own way to the bus is cut: no fault of its own.
                log.warning("member.restarted", member=name, exit_code=code, pause_s=0.0)
                continue
            how = killed.reason if killed else self._how_it_ended(process, code)
            waited_s = pause_s + (killed.waited_s if killed else 0.0)
            deaths = self._deaths.note(name, time.monotonic(), waited_s)
            if deaths > self._restarts_max:
                await self._lost(name, self._too_often(deaths, how), restarts=deaths - 1)
                return
            pause_s = BACKOFF_S[min(deaths - 1, len(BACKOFF_S) - 1)]
            log.warning(
                "member.restarted", member=name, exit_code=code, reason=how, pause_s=pause_s
            )
            await asyncio.sleep(pause_s)
        if name in self._replaced:
            await self._see_off(name)

    async def _is_fenced_off(self, code: int) -> bool:
        """Whether a member was fenced by those of a command that has taken the run over."""
        if code != EXIT_FENCED or not await is_taken_over(self._stream, self._charge_seq):
            return False
        self._step_down()
        return True

    def _may_be_parted(self, name: str, killed: _Killed | None) -> bool:
        """Whether a process that was never heard may lack the bus: it has that long to find it."""
        if killed is None or killed.was_heard:
            self._unheard_since.pop(name, None)
            return False
        now = time.monotonic()
        since = self._unheard_since.setdefault(name, now - killed.waited_s)
        return now - since < self._connection.patience_s

    def _how_it_ended(self, process: Launched, code: int) -> str:
        since = self._log_sizes[process.key.name]
        return how_it_ended(code, Path(process.key.log_path), since)

    def _too_often(self, deaths: int, how: str) -> str:
        within_s = self._liveness.restart_seconds
        return f"it died {deaths} times within {within_s:g} s of work; the last time: {how}"

    async def _see_off(self, name: str) -> None:
        """Say that the process of a member that was replaced has ended: it spends no more.

        It may have taken its seat in the moment it was replaced: then it is lost once more.
        """
        await self._lost(name, "the lead had replaced it")

    def _check_watchers(self) -> None:
        """A watcher that failed would leave its member dead without a word."""
        for watcher in self._watchers.values():
            if watcher.done():
                watcher.result()

    async def _start(self, name: str) -> Launched:
        before = self._incarnations.get(name, self._roster.seats[name].incarnation)
        self._incarnations[name] = before + 1
        key = SeatKey(
            run=self._run,
            name=name,
            access=self._access,
            provider=self._provider,
            cache_dir=str(cache_dir()),
            log_path=str(run_dir(self._run) / "logs" / f"{name}.log"),
            incarnation=before + 1,
            patience_s=self._connection.patience_s,
            servers=self._servers_of(name),
        )
        self._log_sizes[name] = size_of(Path(key.log_path))
        process = await launch(key)
        self._processes[name] = process
        if name in self._replaced:
            self._kill(name, "the lead has replaced it")
        log.info("member.started", member=name, pid=process.pid, incarnation=before + 1)
        return process

    def _servers_of(self, name: str) -> tuple[McpServer, ...]:
        """What a member's role may start; nobody is handed another role's secrets."""
        role = self._roster.seats[name].role
        return tuple(one for one in self._servers if role in one.roles)

    async def _why(self, name: str) -> str:
        """The reason that a member itself has given for its end."""
        record = await self._stream.head(str(subjects.member(self._run, name, name)))
        body = record.body if record else None
        return body.reason if isinstance(body, MemberLost) else "it gave up"

    async def _lost(self, name: str, reason: str, *, restarts: int = 0, said: bool = False) -> None:
        log.error("member.lost", member=name, reason=reason, restarts=restarts)
        if not said:
            subject = subjects.member(self._run, name, SUPERVISOR)
            body = MemberLost(reason=reason, restarts=restarts)
            with suppress(BusError):
                await self._stream.append(Entry(subject=subject, body=body))
        if name == LEAD:
            self.lead_lost = reason

    async def _revive_server(self) -> None:
        """Start the embedded server again if it died; members wait for it."""
        if self._connection.is_connected:
            self._connected_at = time.monotonic()
            return
        is_lasting = time.monotonic() - self._connected_at > DISCONNECTED_S
        if is_lasting and self._access.server_dir is not None:
            log.warning("server.revived", url=self._access.url)
            with suppress(BusError):
                await asyncio.to_thread(revive, self._access)
            self._connected_at = time.monotonic()

    async def _look(self, roll: Roll) -> None:
        """Look at everybody's heartbeats: kill who is frozen, say who gets nowhere."""
        heard = roll.heard(self._run)
        self._pacing.look(heard)
        running = {
            name: Watched(pid=one.pid, started_at=one.started_at, last=heard.get(name))
            for name, one in self._processes.items()
            if one.is_running and name not in self._killed
        }
        # Who could not be heard is not silent: after a cut they have to be found again, too.
        is_same = self._connection.reconnects == self._reconnects
        self._reconnects = self._connection.reconnects
        is_connected = self._connection.is_connected and is_same
        asked = self._mail.awaited()
        seen = self._vigil.look(time.monotonic(), running, asked, is_connected=is_connected)
        for name in seen.silent:
            log.warning("member.silent", member=name, pid=running[name].pid)
        for name, silent_s in seen.frozen.items():
            was_heard = running[name].heard is not None
            reason = f"it was not heard for {silent_s:.0f} s and was killed"
            self._kill(name, reason, silent_s, was_heard=was_heard)
        for name, stuck in seen.stuck.items():
            await self._say_stuck(name, stuck)

    async def _say_stuck(self, name: str, stuck: MemberStuck) -> None:
        """The lead deals with a member that gets nowhere; a lead that does is started again."""
        log.warning("member.stuck", member=name, reason=stuck.reason)
        subject = subjects.member(self._run, name, SUPERVISOR)
        with suppress(BusError):
            await self._stream.append(Entry(subject=subject, body=stuck))
        if name == LEAD and not stuck.waits_for:
            self._kill(name, f"{stuck.reason}, and it was killed", self._liveness.stuck_seconds)

    def _kill(
        self, name: str, reason: str, waited_s: float = 0.0, *, was_heard: bool = True
    ) -> None:
        process = self._processes.get(name)
        if process is not None and process.is_running:
            log.warning("member.killed", member=name, pid=process.pid, reason=reason)
            killed = _Killed(reason=reason, waited_s=waited_s, was_heard=was_heard)
            self._killed[name] = killed
            process.signal(signal.SIGKILL)

    def _running(self) -> list[Launched]:
        return [process for process in self._processes.values() if process.is_running]

    async def _end_all(self) -> None:
        """End every process: asked first, killed after a moment."""
        self._stopping.set()
        for process in self._running():
            process.signal(signal.SIGTERM)
        exits = [asyncio.create_task(process.exited()) for process in self._running()]
        if exits:
            await asyncio.wait(exits, timeout=STOP_GRACE_S)
        for process in self._running():
            process.signal(signal.SIGKILL)
        for watcher in self._watchers.values():
            watcher.cancel()
        await asyncio.gather(*self._watchers.values(), return_exceptions=True)
