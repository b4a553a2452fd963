"""Disputes over decisions: authors answer for theirs, the lead rules."""

from __future__ import annotations

import structlog

from bus.ids import LEAD
from bus.messages import DecisionRuled
from team.agent.assignment import Assignment
from team.agent.briefing import Briefing, DecisionCase, brief_case, brief_groups, opening
from team.agent.tools.toolbox import dispute_tools, ruling_tools
from team.members.lead_turns import lead_turns
from team.members.mail import pocket_budget
from team.members.member import Member
from team.rules import steps
from team.rules.contracts import within_of
from team.rules.digest import about
from team.state import Decision

log = structlog.get_logger()


async def answer_challenge(member: Member) -> bool:
    """Answer for a decision of one's own in a context of its own; says whether there was one."""
    for decision in member.world.decisions.open_challenges(member.state.decisions):
        context = f"challenge:{decision.objections[-1].seq}"
        transcript = member.journal.transcripts.get(context)
        # One that has ended had its say, or would not; the lead rules in time.
        if transcript is None or transcript.closed is None:
            await member.agent.work(await _answer(member, decision, context))
            return True
    return False


async def _answer(member: Member, decision: Decision, context: str) -> Assignment:
    me = member.key.name
    role = member.role(member.state.roster.seats[me].role)
    own = [task for task in member.state.board.tasks.values() if task.holder == me]
    contract = own[-1].contract if own else None
    within = within_of(contract) if contract else ()
    briefing = Briefing(
        kind="challenge",
        me=me,
        contract=contract,
        groups=brief_groups(member.spec.groups, within),
        case=await _case(member, decision),
    )
    return Assignment(
        context=context,
        system=member.system(role),
        opening=opening(briefing),
        tools=dispute_tools(member.world, role, within),
        model=member.spec.model_of(role.name),
        effort=role.effort,
        budget=pocket_budget(member, context),
        output_tokens_max=member.spec.team.policy.output_tokens_max,
        about=about(contract) if contract else "",
    )


async def _case(member: Member, decision: Decision) -> DecisionCase:
    """A decision with its reasons, which only now are read."""
    log = await member.world.log.read()
    return brief_case(log, decision, await member.world.log.explain(decision))


async def rule_on(member: Member, step: steps.Rule) -> None:
    """Have the lead rule; a decision on which it returns no ruling holds no longer."""
    decision = member.state.decisions.revision(step.revision)
    assert decision is not None
    briefing = Briefing(
        kind="ruling",
        me=LEAD,
        goal=member.goal,
        groups=brief_groups(member.spec.groups, None),
        case=await _case(member, decision),
    )
    tools = ruling_tools(member.world, member.spec.role_of_seat("lead"), decision.seq)
    fall = member.state.decisions.fall_of(decision.as_premise()) if decision.holds else None
    since_seq = max(decision.changed_seq, fall.seq if fall is not None else 0)
    context = f"ruling:{decision.seq}:{since_seq}"
    outcome = await lead_turns(member, context, briefing, tools, "submit_ruling")
    ruled = await member.world.log.read()
    if outcome.answer is None:
        await _withdraw(member, decision, outcome.reason)
        ruled = await member.world.log.read()
    await member.inbox.reached(ruled.head_seqs[decision.area, decision.key])
    log.info("decision.ruled", decision=decision.name, revision=decision.seq)


async def _withdraw(member: Member, decision: Decision, reason: str) -> None:
    """Unknown means no: a dispute is not left open, nor won by silence."""
    body = DecisionRuled(
        revision=decision.seq, outcome="withdrawn", reason=f"the lead returned no ruling: {reason}"
    )
    head = member.state.decisions.head_seqs[decision.area, decision.key]
    names = decision.area, decision.key
    await member.commit([member.world.entry("decision", *names, body=body, expect=head)])
