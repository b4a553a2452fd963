"""Deal with mail that comes when there is nothing else at hand, in a context of its own.

The same for teammates whose task is done and for the lead while it waits.
"""

from __future__ import annotations

from math import inf

from bus.ids import LEAD
from bus.messages import Budget
from team.agent.assignment import Assignment
from team.agent.briefing import Briefing, Peer, brief_groups, opening
from team.agent.tools.toolbox import mail_tools
from team.members.member import Member
from team.rules.contracts import within_of
from team.rules.digest import about
from team.rules.grants import POCKET, Amount, from_pocket, lead_budget


def open_mail(member: Member) -> str | None:
    """The mail assignment to do next: one that a crash cut short, or one for new mail."""
    for transcript in member.journal.transcripts.values():
        is_mail = transcript.opened.context.startswith("mail:")
        if is_mail and transcript.closed is None:
            return transcript.opened.context
    contexts = (f"mail:{letter.seq}" for letter in member.inbox.waiting)
    # Mail whose own context has ended without taking it in is not tried for ever.
    return next((name for name in contexts if name not in member.journal.transcripts), None)


async def answer_mail(member: Member, context: str) -> None:
    """Deal with mail that came when there was no task at hand."""
    await member.paid()
    me = member.key.name
    role_name = member.state.roster.seats[me].role
    role = member.role(role_name)
    own = [task for task in member.state.board.tasks.values() if task.holder == me]
    contract = own[-1].contract if own else None
    within = None if me == LEAD else within_of(contract) if contract else ()
    briefing = Briefing(
        kind="mail",
        me=me,
        contract=contract,
        peers=peers_of(member),
        groups=brief_groups(member.spec.groups, within),
    )
    await member.agent.work(
        Assignment(
            context=context,
            system=member.system(role),
            opening=opening(briefing),
            tools=mail_tools(member.world, role, within),
            model=member.spec.model_of(role_name),
            effort=role.effort,
            budget=pocket_budget(member, context),
            output_tokens_max=member.spec.team.policy.output_tokens_max,
            about=about(contract) if contract else member.goal,
        )
    )


def pocket_budget(member: Member, context: str) -> Budget:
    """What a context beside the tasks may use up: of one's pocket, or of the lead's reserve."""
    me, state = member.key.name, member.state
    if me == LEAD:
        return lead_budget(state, context, POCKET)
    spent = Amount()
    for name, transcript in member.journal.transcripts.items():
        if name != context and not name.startswith("task:"):
            usd = member.agent.cost_usd(transcript)
            tokens = transcript.tokens_at_most
            spent = spent.plus(Amount(tokens=tokens, usd=inf if usd is None else usd))
    return from_pocket(state.roster.seats[me].pocket, spent)


def peers_of(member: Member) -> tuple[Peer, ...]:
    """Other workers that are in, and the lead."""
    roster, me = member.state.roster, member.key.name
    worker = member.spec.team.roles.worker
    return tuple(
        Peer(name=seat.name, role=seat.role, works_on=seat.works_on)
        for seat in roster.present()
        if seat.name != me and (seat.role == worker or seat.name == LEAD)
    )
