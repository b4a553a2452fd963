"""Claims that may contradict each other: the lead writes them down, has them compared, rules."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bus.ids import GATE, LEAD
from bus.messages import Budget, Claim, ConflictRaised, ConflictRuled, Contract, TaskOpened
from bus.run_stream import Entry
from bus.subjects import build
from team.agent.briefing import Briefing, ConflictCase, brief_groups
from team.agent.tools.toolbox import conflict_tools
from team.members.lead_turns import lead_turns
from team.members.member import Member
from team.rules.conflicts import FIRST, SECOND, comparison_id, judgement_on
from team.rules.contradictions import Pair, task_of
from team.rules.gate import barred_from
from team.rules.grants import next_budget
from team.rules.synthesis import upheld_claims
from team.state import Conflict, RunState

log = structlog.get_logger()


async def raise_conflicts(member: Member, pairs: Sequence[Pair]) -> None:
    """Write down, in the gate's name, which claims may contradict each other."""
    entries = [
        Entry(
            subject=build(member.key.run, "conflict", pair.id, author=GATE),
            body=ConflictRaised(
                first=pair.first,
                second=pair.second,
                reason=pair.reason,
                is_certain=pair.is_certain,
            ),
        )
        for pair in pairs
    ]
    await member.commit(entries)
    log.info("conflicts.raised", count=len(pairs))


async def put_to_verifier(member: Member, conflict_id: str) -> None:
    """Put the comparison of two claims on the board; it is offered to a verifier later."""
    opened = comparison_task(member.state, conflict_id)
    name = comparison_id(conflict_id)
    await member.commit([member.world.entry("task", name, body=opened, expect=0)])


def comparison_task(state: RunState, conflict_id: str) -> TaskOpened:
    """The task in which a verifier compares the two claims of a conflict."""
    assert state.spec is not None
    conflict = state.conflicts.all[conflict_id]
    # Who had a part in either claim may not say whether they agree.
    barred = {name for ref in conflict.refs for name in barred_from(state, task_of(ref))}
    return TaskOpened(
        title="compare two claims",
        contract=_compare_contract(state, conflict),
        role=state.spec.team.roles.verifier,
        purpose="compare",
        not_by=tuple(sorted(barred)),
        material=_claims_of(state, conflict),
    )


def _compare_contract(state: RunState, conflict: Conflict) -> Contract:
    tasks = [state.board.tasks[task_of(ref)] for ref in conflict.refs]
    budget = next_budget(state, "compare")
    assert isinstance(budget, Budget), budget
    return Contract(
        objective="Say whether the two claims can both be true as they stand.",
        output_format="One outcome with its reason, submitted with submit_comparison.",
        sources=tuple(dict.fromkeys(s for task in tasks for s in task.contract.sources)),
        tools=("list_sources", "read_source", "search_sources", "submit_comparison"),
        boundaries=("Claims and evidence only; who wrote them does not matter.",),
        budget=budget,
    )


async def rule_on_conflict(member: Member, conflict_id: str) -> None:
    """Have the lead rule; of a conflict on which it returns no ruling neither claim stands."""
    conflict = member.state.conflicts.all[conflict_id]
    briefing = Briefing(
        kind="conflict",
        me=LEAD,
        goal=member.goal,
        groups=brief_groups(member.spec.groups, None),
        conflict=conflict_case(member.state, conflict.id),
    )
    tools = conflict_tools(member.world, member.spec.role_of_seat("lead"), conflict.id)
    context = f"conflict:{conflict.id}"
    outcome = await lead_turns(member, context, briefing, tools, "submit_conflict_ruling")
    if outcome.answer is None:
        await _rule_out_both(member, conflict, outcome.reason)
    head = await member.world.stream.head(_key(member, conflict))
    if head is not None:
        await member.inbox.reached(head.seq)
    log.info("conflict.ruled", conflict=conflict.id)


def conflict_case(state: RunState, conflict_id: str) -> ConflictCase:
    """What the lead is shown of a conflict: the claims, what code has seen, who said what."""
    conflict = state.conflicts.all[conflict_id]
    first, second = _claims_of(state, conflict)
    judged = judgement_on(state, conflict)
    return ConflictCase(
        first=first,
        second=second,
        reason=conflict.raised.reason,
        judged=f"{judged.outcome}: {judged.reason}" if judged is not None else "",
    )


async def _rule_out_both(member: Member, conflict: Conflict, reason: str) -> None:
    """Unknown means no: what nobody could rule on is not cited."""
    reason = f"the lead returned no ruling: {reason}"
    body = ConflictRuled(stands="neither", reason=reason)
    head = member.state.conflicts.all[conflict.id].head_seq
    await member.commit([member.world.entry("conflict", conflict.id, body=body, expect=head)])


def _key(member: Member, conflict: Conflict) -> str:
    """The filter that covers all writers of a conflict."""
    return build(member.key.run, "conflict", conflict.id, author=LEAD).key


def _claims_of(state: RunState, conflict: Conflict) -> tuple[Claim, Claim]:
    """Its two claims with their evidence, under names that say nothing of their authors."""
    by_ref = {one.ref: one.claim for one in upheld_claims(state)}
    first, second = (by_ref[ref] for ref in conflict.refs)
    return _neutral(FIRST, first), _neutral(SECOND, second)


def _neutral(name: str, claim: Claim) -> Claim:
    return Claim(
        id=name, text=claim.text, confidence="medium", evidence=claim.evidence, facts=claim.facts
    )
