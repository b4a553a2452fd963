"""The lead writes the answer from admitted claims, and publishes how the run ended."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from bus.codec import MESSAGE_BYTES_MAX, body_size
from bus.ids import LEAD
from bus.messages import ApprovalAsked, ResultPublished
from team.agent.briefing import Briefing, CitableClaim
from team.agent.tools.toolbox import synthesis_tools
from team.members.lead_turns import lead_turns
from team.members.member import Member
from team.rules import steps
from team.rules.approvals import cut, next_id, refusals, result_answer
from team.rules.shortage import synthesis_context
from team.rules.synthesis import (
    AdmittedClaim,
    Synthesis,
    admitted_claims,
    rejected_claims,
    render,
)
from team.rules.synthesis_gate import Asked, asked_of
from team.rules.synthesis_room import room_for
from team.sources.origins import origins

log = structlog.get_logger()


async def synthesize(member: Member) -> None:
    """Write the answer from admitted claims; the gate is inside the returning tool."""
    state = member.state
    admitted = admitted_claims(state)
    room = room_for(admitted, member.spec.team.triage.window_tokens)
    missing, asked = (*steps.missing_lanes(state), *room.left_out), asked_of(state)
    asked = msgspec.structs.replace(asked, reported=missing)
    said_no = refusals(state, "result")
    briefing = Briefing(
        kind="synthesis",
        me=LEAD,
        goal=member.goal,
        reasons=said_no,
        claims=_citable(room.claims, asked),
        missing=missing,
        aspects=asked.aspects,
        constraints=asked.constraints,
    )
    context = synthesis_context(state)
    shown = {one.ref for one in room.claims}
    tools = synthesis_tools(tuple(one for one in admitted if one.ref in shown), asked)
    outcome = await lead_turns(member, context, briefing, tools, "submit_synthesis")
    is_due = isinstance(steps.next_step(member.state, member.inbox.now), steps.Synthesize)
    if not is_due or admitted_claims(member.state) != admitted:
        return  # what it was written from has changed meanwhile
    if outcome.answer is None:
        reason = f"the synthesis did not pass the gate: {outcome.reason}"
        result = ResultPublished(status="rejected", missing=(*missing, reason))
    else:
        synthesis = msgspec.json.decode(outcome.answer, type=Synthesis)
        said = tuple(dict.fromkeys((*missing, *synthesis.missing)))
        rejected, known = rejected_claims(member.state), origins(member.state.snapshots)
        text, citations = render(synthesis, admitted, said, rejected, known)
        result = ResultPublished(
            status="partial" if said else "admitted",
            text=text,
            citations=citations,
            missing=said,
        )
        if await _waits_for_person(member, text):
            return
    await publish(member, result)


async def _waits_for_person(member: Member, text: str) -> bool:
    """Ask a person to approve the answer, where policy wants that; says whether it is to wait.

    The answer stays in the lead's journal; once a person has approved it, it is the one
    that is published, word for word.
    """
    state = member.state
    if not member.spec.team.approve.result or result_answer(state, text) == "approved":
        return False
    name = next_id(state, "result")
    body = ApprovalAsked(what="result", text=cut(text))
    await member.commit([member.world.entry("approval", name, body=body, expect=0)])
    log.info("approval.asked", approval=name)
    return True


def _citable(claims: Sequence[AdmittedClaim], asked: Asked) -> tuple[CitableClaim, ...]:
    """The claims as the synthesis needs them."""
    return tuple(
        CitableClaim(
            ref=a.ref,
            lane=a.lane,
            member=a.member,
            claim=a.claim,
            covers=asked.covers.get(a.task, ()),
        )
        for a in claims
    )


def fitting(result: ResultPublished) -> ResultPublished:
    """The result as it can be stored: what is too large for a message is left out, and said."""
    replaced = msgspec.structs.replace
    said = f"{len(result.rejected)} rejected claims are not listed here: too large to be stored"
    slim = replaced(result, rejected=(), missing=(*result.missing, said))
    none = ResultPublished(status="rejected", missing=("the result is too large to be stored",))
    sizes = ((one, body_size(one)) for one in (result, slim))
    return next((one for one, size in sizes if size <= MESSAGE_BYTES_MAX), none)


async def publish(member: Member, result: ResultPublished) -> None:
    """End the run; the first result is the only one."""
    result = fitting(msgspec.structs.replace(result, rejected=rejected_claims(member.state)))
    await member.commit([member.world.entry("result", body=result, expect=0)])
    log.info("result.published", status=result.status, missing=len(result.missing))
