"""Work a plan off: real runs on the bus, one unit after the other, each kept as it ends.

A unit that has a line in the results is done. A run that was begun is taken up where it
stopped, so that nothing is paid twice. Not for judging what came out: `analysis` does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bus import subjects
from bus.access import Access, revive
from bus.connection import Connection
from bus.errors import BusLostError, RunNotFoundError
from bus.messages import PlanMade
from bus.run_stream import Entry, Record, RunStream, open_run
from bus.streams import delete_stream
from team.compare.answers import Answered, answered, voted
from team.compare.arms import Arm, Unit, arm_of, first_units, other_units, run_ids
from team.compare.commands import run_unless
from team.compare.graders import Graded, grade, outcome_of
from team.compare.results import Plan, Row, add_row, read_rows, write_whole
from team.compare.setting import PLACEBO_FOLDER, prepare_run
from team.compare.sham import PLACEBO_FILE, PLACEBO_TEXT, sham_plan
from team.compare.spending import Spending, spending_of
from team.compare.tasks import Command, Task
from team.errors import StateError
from team.rules.clock import idle_s
from team.rules.grants import lane_budgets
from team.runtime.run import Prepared, index_sources, open_new_run
from team.runtime.supervisor import Supervisor
from team.state import RunState

STALLS_MAX: Final = 3
"""How many runs in a row may stall before nothing more is begun."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """One run that has ended, or stalled: what is kept of it.

    Attributes:
        run: Its id.
        status: How it ended; `stalled` without a result.
        answer: What it answered.
        spent: What it took.
        lanes: Lanes that it had.
        reason: Why there is no answer.
        plan: The lead's plan, if it made one.
    """

    run: str
    status: str
    answer: Answered
    spent: Spending
    lanes: int
    reason: str = ""
    plan: PlanMade | None = None


class Comparison:
    """Does what a plan says, `jobs` units at a time; `stop` ends it between two commits."""

    def __init__(
        self,
        connection: Connection,
        access: Access,
        plan: Plan,
        digest: str,
        folder: Path,
        *,
        jobs: int,
        tell: Callable[[Row, int, int], None],
    ) -> None:
        """Make it.

        Args:
            connection: To the bus.
            access: What members get into the bus with.
            plan: What is to be done.
            digest: The plan's hash.
            folder: Where results are kept.
            jobs: How many units are worked on at once.
            tell: Told of each answer, how many there are and how many will be.
        """
        self._connection, self._access = connection, access
        self._plan, self._digest, self._folder = plan, digest, folder
        self._jobs, self._tell = jobs, tell
        self._tasks = {task.id: task for task in plan.tasks}
        self._rows = {row.unit: row for row in read_rows(folder)}
        self._live: set[Supervisor] = set()
        self._stalled: set[Unit] = set()
        self._in_a_row = 0
        self._goal = 0
        self._stop = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    @property
    def rows(self) -> list[Row]:
        """What came of it so far."""
        return list(self._rows.values())

    def stop(self) -> None:
        """Ask to stop: members finish what they commit, and everything can be taken up again."""
        self._stop.set()
        for supervisor in self._live:
            supervisor.stop()

    async def first(self) -> None:
        """A single agent on everything.

        Raises:
            StateError: Too many runs in a row have stalled.
            SpecError: A signal has ended a grader.
            BusError: The bus is gone.
        """
        _lay_placebo(self._folder)
        names = [task.id for task in self._plan.tasks]
        await self._work_off(first_units(names, self._plan.trials, self._plan.seed))

    async def others(self) -> None:
        """All other arms; raises what `first` does."""
        names = [task.id for task in self._plan.tasks]
        plan = self._plan
        await self._work_off(other_units(plan.arms, names, plan.trials, plan.seed))

    async def _work_off(self, units: Sequence[Unit]) -> None:
        todo = deque(unit for unit in units if unit not in self._rows)
        self._goal = len(self._rows) + len(todo)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._jobs, len(todo))):
                    group.create_task(self._work(todo))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _work(self, todo: deque[Unit]) -> None:
        while todo and not self.is_stopping:
            unit = todo.popleft()
            row = await self._answer(unit)
            if row is None:
                continue
            if "stalled" not in row.statuses:
                self._in_a_row = 0
            elif self._has_to_wait(unit, row):
                todo.append(unit)
                continue
            add_row(self._folder, row)
            self._rows[unit] = row
            self._tell(row, len(self._rows), self._goal)

    def _has_to_wait(self, unit: Unit, row: Row) -> bool:
        """Whether a unit that stalled is tried again, after all others.

        Raises:
            StateError: It is not this unit alone.
        """
        self._in_a_row += 1
        if self._in_a_row >= STALLS_MAX:
            said = f"{STALLS_MAX} runs in a row have stalled, the last because {row.reason}"
            fix = f"mend that, then go on with 'team compare --resume {self._folder}'"
            raise StateError(row.runs[-1], said, fix)
        is_first = unit not in self._stalled
        self._stalled.add(unit)
        return is_first

    # --- one unit --------------------------------------------------------------------

    async def _answer(self, unit: Unit) -> Row | None:
        """Make the answer of a unit; nothing if it was stopped before that."""
        arm, task = _arm(unit), self._tasks[unit.task]
        names = run_ids(self._digest, unit, arm.runs)
        ended: list[Ended] = []
        for name in names:
            one = None if self.is_stopping else await self._run(unit, arm, task, name)
            if one is None:
                return None
            ended.append(one)
        answer = ended[0].answer if arm.runs == 1 else voted([one.answer for one in ended])
        graded = await self._graded(task, answer)
        if graded is None:
            return None
        spent = ended[0].spent
        for one in ended[1:]:
            spent = spent.plus(one.spent, side_by_side=True)
        return Row(
            arm=unit.arm,
            task=unit.task,
            trial=unit.trial,
            runs=names,
            outcome=outcome_of(answer, graded),
            statuses=tuple(one.status for one in ended),
            answer=answer.text,
            graded=tuple(graded),
            reserved=self._plan.budget // arm.runs * arm.runs,
            spent=spent,
            lanes=max(one.lanes for one in ended),
            reason=next((one.reason for one in ended if one.reason), ""),
        )

    async def _graded(self, task: Task, answer: Answered) -> list[Graded] | None:
        """What every grader says; nothing if it was stopped meanwhile."""
        if not answer.text:
            return []
        base = Path(self._plan.tasks_file).parent
        found: list[Graded] = []
        for grader in task.graders:
            if isinstance(grader, Command):
                said = await run_unless(self._stop, grader, answer, base)
                if said is None:
                    return None
                found.append(said)
            elif (one := grade(grader, answer)) is not None:
                found.append(one)
        return found

    # --- one run ---------------------------------------------------------------------

    async def _run(self, unit: Unit, arm: Arm, task: Task, name: str) -> Ended | None:
        """Open a run or take it up, and see it to its end; nothing if it was stopped."""
        plan = await self._plan_of_single(unit) if arm.is_sham else None
        if arm.is_sham and plan is None:
            reason = "the single run of this trial made no plan to take over"
            return _nothing(name, reason)
        stream = await self._opened(arm, task, name)
        if arm.is_sham and plan is not None:
            await self._put_plan(stream, plan, task)
        _, state = await _folded(stream)
        why = ""
        if state.result is None:
            why = await self._supervise(stream, state)
            if self.is_stopping:
                return None
        records, state = await _folded(stream)
        void = str(_placebo(self._folder).resolve()) if arm.is_sham else ""
        return _ended(name, records, state, answered(state.result, task.answer, void), why)

    async def _opened(self, arm: Arm, task: Task, name: str) -> RunStream:
        try:
            stream = await open_run(self._connection, name)
            _, state = await _folded(stream)
            if state.spec is not None:
                return stream
            # Killed before it was opened: nothing was asked of a model.
            await delete_stream(self._connection, subjects.stream_name(name))
            await delete_stream(self._connection, subjects.artifact_stream_name(name))
        except RunNotFoundError:
            pass
        prepared = self._prepared(arm, task, name)
        library, _ = await asyncio.to_thread(index_sources, prepared.collection)
        return await open_new_run(self._connection, prepared, library)

    def _prepared(self, arm: Arm, task: Task, name: str) -> Prepared:
        return prepare_run(self._plan, self._folder, task, arm, name)

    async def _supervise(self, stream: RunStream, state: RunState) -> str:
        """Keep a run's members going until it ends; why it stalled, if it did."""
        assert state.spec is not None
        self._connection.patience_s = state.spec.team.liveness.bus_away_seconds
        supervisor = Supervisor(
            self._connection,
            stream.run,
            access=self._access,
            provider=state.spec.provider,
            restarts_max=state.spec.team.policy.restarts_max,
            liveness=state.spec.team.liveness,
        )
        self._live.add(supervisor)
        try:
            await supervisor.run()
        finally:
            self._live.discard(supervisor)
        if supervisor.no_bus is not None:
            raise BusLostError(stream.run, self._connection.patience_s, supervisor.no_bus)
        await asyncio.to_thread(revive, self._access)
        return supervisor.lead_lost or ""

    # --- the placebo -----------------------------------------------------------------

    async def _plan_of_single(self, unit: Unit) -> PlanMade | None:
        """The plan that the single run of the same task and trial was worked by."""
        single = Unit(arm=self._plan.arms[0], task=unit.task, trial=unit.trial)
        [name] = run_ids(self._digest, single, 1)
        _, state = await _folded(await open_run(self._connection, name))
        return state.plan if state.plan is not None and len(state.plan.tasks) == 1 else None

    async def _put_plan(self, stream: RunStream, plan: PlanMade, task: Task) -> None:
        """Give a run the plan of a placebo team, unless it has it."""
        _, state = await _folded(stream)
        if state.plan is not None:
            return
        assert state.spec is not None
        groups = {group.name for group in state.spec.groups}
        known = {group.name for group in self._prepared(_BARE, task, stream.run).spec.groups}
        [page] = groups - known
        [budget] = lane_budgets(state, 1, state.spec.role_of_seat("worker").max_turns)
        made = sham_plan(plan, page, budget)
        subject = subjects.spec(stream.run)
        await stream.commit([Entry(subject=subject, body=made, expect=state.spec_head_seq)])


_BARE: Final = Arm(name="single")


def _arm(unit: Unit) -> Arm:
    arm = arm_of(unit.arm)
    assert arm is not None
    return arm


def _placebo(folder: Path) -> Path:
    return folder / PLACEBO_FOLDER / PLACEBO_FILE


def _lay_placebo(folder: Path) -> None:
    path = _placebo(folder)
    path.parent.mkdir(exist_ok=True)
    write_whole(path, PLACEBO_TEXT.encode())


async def _folded(stream: RunStream) -> tuple[list[Record], RunState]:
    state, records = RunState(), list[Record]()
    async for record in stream.read():
        state.apply(record)
        records.append(record)
    return records, state


def _ended(
    run: str, records: Sequence[Record], state: RunState, answer: Answered, why: str
) -> Ended:
    result = state.result
    role = state.spec.team.roles.worker if state.spec is not None else ""
    workers = {seat.name for seat in state.roster.seats.values() if seat.role == role}
    until = state.ended_at or state.last_at
    seconds = max(0.0, until - state.opened_at - idle_s(state, until))
    missing = "; ".join(result.missing) if result is not None and not answer.text else ""
    return Ended(
        run=run,
        status="stalled" if result is None else result.status,
        answer=answer,
        spent=spending_of(records, workers, seconds),
        lanes=len(state.board.of_purpose("research")),
        reason=why if result is None else missing,
        plan=state.plan,
    )


def _nothing(run: str, reason: str) -> Ended:
    return Ended(
        run=run, status="rejected", answer=Answered(), spent=Spending(), lanes=0, reason=reason
    )
