"""The lead's own turns: an assignment that is neither claimed nor judged by others."""

from __future__ import annotations

from typing import Final

from bus.messages import Budget
from team.agent.assignment import Assignment, Outcome
from team.agent.briefing import Briefing, opening
from team.agent.tools.toolbox import AnyTool
from team.members.member import Member
from team.rules.grants import lead_budget

LEAD_BUDGET: Final = Budget(turns_max=12, tokens_max=400_000, seconds_max=1_800.0)
"""What one of the lead's own assignments (plan, synthesis) may take, while its reserve lasts."""

LEAD_REPAIRS_MAX: Final = 3
"""How often the lead may mend what code sends back: a plan and an answer have many rules."""


async def lead_turns(
    member: Member, context: str, briefing: Briefing, tools: tuple[AnyTool, ...], ends_with: str
) -> Outcome:
    """Do one assignment of the lead, or go on with it where the journal leaves off."""
    await member.paid()
    role = member.spec.role_of_seat("lead")
    outcome = await member.agent.work(
        Assignment(
            context=context,
            system=member.system(role),
            opening=opening(briefing),
            tools=tools,
            model=member.spec.model_of(role.name),
            effort=role.effort,
            budget=lead_budget(member.state, context, LEAD_BUDGET),
            output_tokens_max=member.spec.team.policy.output_tokens_max,
            ends_with=ends_with,
            about=member.goal,
            repairs_max=LEAD_REPAIRS_MAX,
            is_vital=True,
        )
    )
    if outcome.refusal:  # what comes next depends on it
        await member.inbox.reached(member.journal.last_seq)
    return outcome
