"""Keep the members of a run alive: start what is seated, start again what dies.

Like an OTP supervisor: a member that dies is started again with backoff, and given
up loudly when it dies too often in a short time. It never works itself; a member
continues from its journal.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from bus import subjects
from bus.access import Access, revive
from bus.connection import Connection
from bus.errors import BusError
from bus.feed import Feed, create_feed
from bus.ids import LEAD, SUPERVISOR
from bus.live import BEAT_EVERY_S, Beat, Roll, send_beat
from bus.messages import MemberLost, ResultPublished
from bus.run_stream import Entry, Record, RunStream
from team.errors import StateError
from team.members.seat import SeatKey
from team.runtime.charge import take_charge, until_taken_over
from team.runtime.exit_codes import EXIT_DONE, EXIT_FINAL
from team.runtime.home import cache_dir, run_dir
from team.runtime.launch import Launched, launch
from team.state import Roster

log = structlog.get_logger()

RESTART_WINDOW_S: Final = 60.0
BACKOFF_S: Final = (0.05, 0.5, 2.0, 5.0)
SILENT_S: Final = 20.0
"""A process that lives and sends no heartbeat for so long is killed and started again."""
DISCONNECTED_S: Final = 0.5
"""How long the embedded server may be away before it is started again, in seconds."""
STOP_GRACE_S: Final = 1.2
END_GRACE_S: Final = 8.0


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
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._connection = connection
        self._stream = RunStream(connection, run)
        self._run = run
        self._access = access
        self._provider = provider
        self._restarts_max = restarts_max
        self._roster = Roster()
        self._has_result = False
        self._processes: dict[str, Launched] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._deaths: defaultdict[str, list[float]] = defaultdict(list)
        self._incarnations: dict[str, int] = {}
        self._stopping = asyncio.Event()
        self._connected_at = time.monotonic()
        self._is_over = is_over
        self.was_over = False
        self._was_taken_over = False
        self.lead_lost: str | None = None

    def stop(self) -> None:
        """Ask `run` to stop all members and return."""
        self._stopping.set()

    async def run(self) -> None:
        """Supervise until the run has a result, the lead is lost, or `stop` is called.

        Raises:
            StateError: Another command supervises the run, or has taken it over.

        Cancelling: all members are ended before the cancellation goes on.
        """
        charge_seq = await take_charge(self._connection, self._stream)
        beating = asyncio.create_task(self._beat())
        guarding = asyncio.create_task(self._guard(charge_seq))
        name = f"supervisor-{secrets.token_hex(4)}"
        patterns = [subjects.pattern(self._run, kind) for kind in ("member", "result")]
        try:
            await create_feed(self._connection, self._run, name, patterns, lasting=False)
            async with (
                Feed(self._connection, self._run, name) as feed,
                Roll(self._connection, self._run) as roll,
            ):
                await self._follow(feed, roll)
        finally:
            await self._end_all()
            beating.cancel()
            guarding.cancel()
        if self._was_taken_over:
            reason = "another command has taken it over"
            raise StateError(self._run, reason, f"follow it: team watch {self._run}")

    async def _guard(self, charge_seq: int) -> None:
        """Stop when another command has taken the run over; two would fight for every member."""
        await until_taken_over(self._stream, charge_seq)
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
                self._kill_silent(roll)
                self._check_watchers()
            await self._revive_server()

    def _take(self, record: Record) -> None:
        if record.subject.kind == "member":
            self._roster.apply(record)
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

    async def _keep(self, name: str) -> None:
        """Run a member's processes, one after another, until it is done or given up."""
        while not self._stopping.is_set():
            process = await self._start(name)
            code = await process.exited()
            if self._stopping.is_set() or self._has_result:
                return
            if code == EXIT_DONE and self._roster.seats[name].left is not None:
                return
            if code == EXIT_FINAL:
                await self._lost(name, await self._why(name), said=True)
                return
            deaths = self._note_death(name)
            if deaths > self._restarts_max:
                await self._lost(name, f"it died {deaths} times, last with exit code {code}")
                return
            pause_s = BACKOFF_S[min(deaths - 1, len(BACKOFF_S) - 1)]
            log.warning("member.restarted", member=name, exit_code=code, pause_s=pause_s)
            await asyncio.sleep(pause_s)

    def _check_watchers(self) -> None:
        """A watcher that failed would leave its member dead without a word."""
        for watcher in self._watchers.values():
            if watcher.done():
                watcher.result()

    def _note_death(self, name: str) -> int:
        """Count the deaths of a member within the window."""
        now = time.monotonic()
        recent = [at for at in self._deaths[name] if now - at < RESTART_WINDOW_S]
        self._deaths[name] = [*recent, now]
        return len(self._deaths[name])

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
        )
        process = await launch(key)
        self._processes[name] = process
        log.info("member.started", member=name, pid=process.pid, incarnation=before + 1)
        return process

    async def _why(self, name: str) -> str:
        """The reason that a member itself has given for its end."""
        record = await self._stream.head(str(subjects.member(self._run, name, name)))
        body = record.body if record else None
        return body.reason if isinstance(body, MemberLost) else "it gave up"

    async def _lost(self, name: str, reason: str, *, said: bool = False) -> None:
        restarts = max(0, len(self._deaths[name]) - 1)
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

    def _kill_silent(self, roll: Roll) -> None:
        now = time.monotonic()
        if not self._connection.is_connected:
            return
        for name, process in self._processes.items():
            heard = roll.of(self._run, name)
            last = heard.heard_at if heard else process.started_at
            if process.is_running and now - max(last, process.started_at) > SILENT_S:
                log.warning("member.silent", member=name, pid=process.pid)
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
