"""What a member may do next: the limits applied to its transcript, before each act.

A refusal is an event: it is committed with the turn, or with the end of the context.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from bus.messages import ActRefused, Budget, TokenCounts
from bus.run_stream import Entry
from team.agent.journal import Transcript, Turn
from team.agent.models.call import Caller, Request, ToolCall
from team.agent.models.pictures import size_of_results
from team.agent.tools.base import ToolAnswer, refuse
from team.agent.world import World
from team.codes.limits import TOOL
from team.rules.limits import (
    CHARACTERS_PER_TOKEN,
    WRAP_UP_SHARE,
    NextCall,
    Used,
    rule_tool_call,
)
from team.spec import ResolvedSpec

NOTHING: Final = TokenCounts()
REASON_CHARACTERS_MAX: Final = 1_000
"""What a refusal's event keeps of its reason."""


def used_by(
    transcript: Transcript,
    ends_with: str | None,
    seconds: float,
    caller: Caller,
    lost: TokenCounts = NOTHING,
) -> Used:
    """What a transcript has used up so far, and the call that is being tried has lost."""
    spent = cost_usd(transcript, caller.cost_usd)
    more = caller.cost_usd(transcript.opened.model, lost) if lost.total else 0.0
    return Used(
        turns=len(transcript.turns),
        tokens=transcript.tokens + lost.total,
        seconds=seconds,
        tool_calls=sum(len(_counted(turn, ends_with)) for turn in transcript.turns),
        usd=None if spent is None or more is None else spent + more,
    )


def patience_s(budget: Budget, seconds: float) -> float:
    """How long the next call may wait for a busy provider, in seconds.

    As long as there is time before it must wrap up; past that, half of what is left, so that
    there is time to go on after a run was stopped for it and resumed.
    """
    left = budget.seconds_max - seconds
    before_wrap_up = left - budget.seconds_max * WRAP_UP_SHARE
    return max(before_wrap_up, left / 2, 0.0)


def cost_usd(
    transcript: Transcript, price: Callable[[str, TokenCounts], float | None]
) -> float | None:
    """What the calls of a transcript have cost at the price of its model, if that is known."""
    took = [part for t in transcript.turns for part in (t.replied.tokens, t.replied.lost)]
    total = 0.0
    for tokens in [*took, transcript.lost] if transcript.lost.total else took:
        cost = price(transcript.opened.model, tokens)
        if cost is None:
            return None
        total += cost
    return total


def next_call(
    world: World, request: Request, transcript: Transcript, added: Sequence[str], caller: Caller
) -> NextCall:
    """Estimate the next model call."""
    read = read_tokens(request, transcript, added)
    spec = world.state.spec  # nobody is seated without one; a bare world has no policy
    return NextCall(
        tokens=read + request.max_tokens,
        usd=caller.ceiling_usd(request.model, read, request.max_tokens),
        output_tokens=request.max_tokens,
        output_tokens_max=None if spec is None else spec.team.policy.output_tokens_max,
        model=request.model,
        is_model_allowed=spec is None or _is_model_allowed(world, spec, request.model),
    )


def read_tokens(request: Request, transcript: Transcript, added: Sequence[str]) -> int:
    """About what a call reads; where the last one was counted, by that count."""
    return max(request.estimated_input_tokens(), _read_again(transcript, added))


def _is_model_allowed(world: World, spec: ResolvedSpec, model: str) -> bool:
    """Whether policy lets a model answer for this member; the rehearsal is no model."""
    role = world.state.roster.seats[world.me].role
    return spec.provider == "rehearsal" or spec.project.allows_model(role, model)


def refusal_of_call(
    budget: Budget, transcript: Transcript, turn: Turn, call: ToolCall, ends_with: str | None
) -> ToolAnswer | None:
    """Why a tool that the assignment has may not be run now; nothing if it may."""
    if call.name == ends_with:
        return None
    before = transcript.turns[: transcript.turns.index(turn)]
    called = sum(len(_counted(one, ends_with)) for one in before)
    called += [one.id for one in _counted(turn, ends_with)].index(call.id)
    ruling = rule_tool_call(budget, called)
    if ruling.verdict != "stop":
        return None
    what_next = f"return now with `{ends_with}`" if ends_with else "end your turn"
    said = f"{call.name} was not run: {ruling.reason} ({ruling.code}); {what_next}"
    return refuse(f"{said}, and list as open what you have not looked at", code=ruling.code)


def refuse_unknown(call: ToolCall, names: Sequence[str]) -> ToolAnswer:
    """The answer to a call of a tool that the assignment does not have."""
    return refuse(
        f"you have no tool {call.name!r} here ({TOOL}); you have: {', '.join(names)}", code=TOOL
    )


def refusal_entries(
    world: World, context: str, turn: Turn, answers: Mapping[str, ToolAnswer]
) -> list[Entry]:
    """The events of a turn whose calls were refused by a rule."""
    return [
        refusal_entry(
            world,
            code=answers[call.id].refusal,
            what=f"tool {call.name}",
            reason=answers[call.id].content,
            context=context,
            turn=turn.replied.turn,
        )
        for call in turn.calls
        if answers[call.id].refusal
    ]


def refusal_entry(
    world: World, *, code: str, what: str, reason: str, context: str = "", turn: int = 0
) -> Entry:
    """The event of one refusal, ready to be committed."""
    body = ActRefused(
        code=code,
        what=what,
        reason=reason[:REASON_CHARACTERS_MAX],
        context=context,
        turn=turn,
    )
    return world.entry("refusal", body=body)


def _counted(turn: Turn, ends_with: str | None) -> list[ToolCall]:
    """The calls of a turn that count against the limit."""
    return [call for call in turn.calls if call.name != ends_with]


def _read_again(transcript: Transcript, added: Sequence[str]) -> int:
    """What the last call read and wrote, as it was counted, and what has come since."""
    if not transcript.turns or transcript.is_just_compacted:
        return 0
    last = transcript.turns[-1]
    size = size_of_results(last.results) + len(msgspec.json.encode(added))
    return last.replied.tokens.total + int(size / CHARACTERS_PER_TOKEN)
