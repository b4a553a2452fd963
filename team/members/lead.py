"""The lead: asks the rules what comes next, does it, asks again, until the run ends.

It keeps nothing to itself. Every step is committed with what it expects to follow,
so a lead that dies at any instant is started again and goes on.
"""

from __future__ import annotations

import time
from typing import Final

import structlog

from bus.errors import ConflictError
from bus.ids import LEAD
from bus.messages import (
    AnyMessage,
    CancelRun,
    MemberLeft,
    ResultPublished,
    StopMember,
    WrapUp,
)
from team.errors import StopRequestedError
from team.members.conflicts import put_to_verifier, raise_conflicts, rule_on_conflict
from team.members.disputes import rule_on
from team.members.gating import check_finding, put_to_verifiers, reopen, settle
from team.members.mail import answer_mail, open_mail
from team.members.member import Member
from team.members.planning import ask_person, dispatch, offer, plan_run, recruit, widen_world
from team.members.synthesis import publish, synthesize
from team.rules import steps

log = structlog.get_logger()

DISMISS_S: Final = 3.0
"""How long the lead waits for the others to leave, in seconds."""


async def run_lead(member: Member) -> None:
    """Lead the run to its end.

    Raises:
        FencedError: Another process acts as the lead.
        ModelRefusedError: No model call can succeed; the run can be resumed.
    """
    while not member.inbox.stopped.is_set():
        step = steps.next_step(member.state, time.time())
        try:
            if await _do(member, step):
                return
        except StopRequestedError:
            if member.inbox.stopped.is_set():
                break
        except ConflictError as error:
            # Somebody else moved first: fold what they did and ask the rules again.
            log.info("step.overtaken", step=type(step).__name__, keys=error.keys)
            await member.inbox.wait_change(1.0)
    if member.inbox.failed is not None:
        raise member.inbox.failed


async def _do(member: Member, step: steps.AnyStep) -> bool:  # noqa: C901, PLR0912 - one case a step
    """Do one step; says whether it was the last."""
    match step:
        case steps.MakePlan():
            await plan_run(member)
        case steps.AskPerson(what=what):
            await ask_person(member, what)
        case steps.Dispatch():
            await dispatch(member)
        case steps.Recruit(seat=seat, count=count):
            await recruit(member, seat, count)
        case steps.CheckFinding(task=task):
            await check_finding(member, member.state.board.tasks[task])
        case steps.Verify(task=task):
            await put_to_verifiers(member, member.state.board.tasks[task])
        case steps.Reopen():
            await reopen(member, step)
        case steps.Rule():
            await rule_on(member, step)
        case steps.WidenWorld(member=name):
            await widen_world(member, name)
        case steps.Offer(task=task, member=name):
            await offer(member, member.state.board.tasks[task], name)
        case steps.AskToWrapUp(member=name):
            wrap_up = WrapUp(reason="the run's time is nearly over")
            await member.commit([member.world.entry("control", name, body=wrap_up)])
        case steps.Settle():
            await settle(member, step)
        case steps.RaiseConflicts(pairs=pairs):
            await raise_conflicts(member, pairs)
        case steps.Compare(conflict=conflict):
            await put_to_verifier(member, conflict)
        case steps.RuleConflict(conflict=conflict):
            await rule_on_conflict(member, conflict)
        case steps.Synthesize():
            await synthesize(member)
        case steps.Finish(status=status, reasons=reasons):
            await publish(member, ResultPublished(status=status, missing=reasons))
        case steps.Dismiss():
            await _dismiss(member)
            return True
        case steps.Wait(until=until):
            await _wait(member, until)
    return False


async def _wait(member: Member, until: float) -> None:
    """Nothing to do for the run: answer mail if there is any, else wait for news."""
    context = open_mail(member)
    if context is not None:
        await answer_mail(member, context)
        return
    member.show("idle", "waits for findings")
    await member.inbox.wait_change(max(0.05, until - time.time()))


async def _dismiss(member: Member) -> None:
    """Tell everyone to leave, wait a little for them, then leave."""
    state = member.state
    others = [seat for seat in state.roster.present() if seat.name != LEAD]
    is_cancelled = state.result is not None and state.result.status == "cancelled"
    for seat in others:
        body: AnyMessage = (
            CancelRun(reason="the run was cancelled")
            if is_cancelled
            else StopMember(reason="the result is published")
        )
        await member.world.stream.append(member.world.entry("control", seat.name, body=body))
    deadline = time.monotonic() + DISMISS_S
    while time.monotonic() < deadline and len(state.roster.present()) > 1:
        await member.inbox.wait_change(0.2)
    left = MemberLeft(reason="the run has ended")
    await member.world.stream.append(member.world.entry("member", LEAD, body=left))
