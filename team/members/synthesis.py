"""The lead writes the answer from admitted claims, and publishes how the run ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

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

SYNTHESIS_BYTES_MAX: Final = 200_000
"""Size of the claims from which the synthesis is written without their evidence."""

log = structlog.get_logger()


async def synthesize(member: Member) -> None:
    """Write the answer from admitted claims; the gate is inside the returning tool."""
    state = member.state
    admitted = admitted_claims(state)
    missing, asked = steps.missing_lanes(state), asked_of(state)
    said_no = refusals(state, "result")
    briefing = Briefing(
        kind="synthesis",
        me=LEAD,
        goal=member.goal,
        reasons=said_no,
        claims=_citable(admitted, asked),
        missing=missing,
        aspects=asked.aspects,
        constraints=asked.constraints,
    )
    context = synthesis_context(state)
    tools = synthesis_tools(tuple(admitted), asked)
    outcome = await lead_turns(member, context, briefing, tools, "submit_synthesis")
    is_due = isinstance(steps.next_step(member.state, time.time()), steps.Synthesize)
    if not is_due or admitted_claims(member.state) != admitted:
        return  # what it was written from has changed meanwhile
    if outcome.answer is None:
        reason = f"the synthesis did not pass the gate: {outcome.reason}"
        result = ResultPublished(status="rejected", missing=(*missing, reason))
    else:
        synthesis = msgspec.json.decode(outcome.answer, type=Synthesis)
        said = tuple(dict.fromkeys((*missing, *synthesis.missing)))
        text, citations = render(synthesis, admitted, said, rejected_claims(member.state))
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


def _citable(admitted: Sequence[AdmittedClaim], asked: Asked) -> tuple[CitableClaim, ...]:
    """The claims as the synthesis needs them; without their evidence if there is too much."""
    whole = tuple(
        CitableClaim(
            ref=a.ref,
            lane=a.lane,
            member=a.member,
            claim=a.claim,
            covers=asked.covers.get(a.task, ()),
        )
        for a in admitted
    )
    if len(msgspec.json.encode(whole)) <= SYNTHESIS_BYTES_MAX:
        return whole
    bare = msgspec.structs.replace
    return tuple(bare(one, claim=bare(one.claim, evidence=())) for one in whole)


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
